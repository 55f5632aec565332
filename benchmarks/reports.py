"""
Reports in a large house: each of them, the dashboard, the sums by day and an export, beside what they are measured by.

`python -m benchmarks.reports --payments 5000000` lays so many out on a fresh database, which takes some minutes and ten
gigabytes. A target that is a ratio is one within one run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import place
from benchmarks.rounds import Failed

MEASURED_FOR = 5_000_000  # payments, at which the targets count
_FAILED = Failed("The reports could not be measured; the error stands above.")


def main() -> int:
    """Print what was found and one JSON line; 0 however fast it was, 1 if it could not be measured."""
    parser = argparse.ArgumentParser(prog="benchmarks.reports", description="Measure the reports.")
    parser.add_argument("--payments", type=int, default=200_000, help="how many (%(default)s)")
    given = parser.parse_args()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="sustainer-bench-") as scratch,
            place.prepared(Path(scratch)) as here,
        ):
            found = measure(here.environment, here.database_url, given.payments)
    except (place.NoDatabase, Failed) as problem:
        print(problem, file=sys.stderr)
        return 1
    for line in describe(found):
        print(line)
    print(json.dumps({"row": "reports", **found}))
    return 0


def measure(environment: dict[str, str], database_url: str, payments: int) -> dict[str, Any]:
    """
    Lay the books out, ask, and leave nothing behind.

    :raises Failed: a part could not be measured, and has said why.
    """
    quiet = {**environment, "LOG_LEVEL": "ERROR", "DATABASE_STATEMENT_TIMEOUT_MS": "3600000"}
    _part(quiet, "lay_out", payments)
    with psycopg.connect(database_url, autocommit=True) as link:
        link.execute("VACUUM ANALYZE")
        found: dict[str, Any] = {}
        for part in ("measure", "file"):
            found |= json.loads(_part(quiet, part, payments).splitlines()[-1])
        link.execute(
            "TRUNCATE donations_keptanswer, donations_revenueday, donations_revenuemonth, members_member, "
            "donations_contribution CASCADE"
        )
    return found


def describe(found: dict[str, Any]) -> list[str]:
    """What was found, for people."""
    return [
        f"{found['payments']:,} payments of {found['members']:,} members, ten years:",
        *(
            f"  {name:34}{ms:9.1f} ms"
            + (f", {found['of_raw'][name]:,.0f} × the rows themselves" if name in found["of_raw"] else "")
            for name, ms in found["ms"].items()
        ),
        f"  {found['reckoned']} answers reckoned by a worker in {found['reckon_seconds']:.1f} s, "
        f"{found['reckon_peak_mb']:.0f} MB at most",
        f"  late entries of a day carried over {found['refresh_ms']:8.1f} ms",
        f"  all sums anew from nothing {found['rebuild_ms']:,.0f} ms, where they are right "
        f"{found['right_rebuild_ms']:,.0f} ms, the bare statements {found['stated_ms']:,.0f} ms",
        f"  export of {found['export_rows']:,} payments {found['export_per_second']:,.0f} rows/s, "
        f"{found['export_of_copy']:.2f} of COPY in that order, {found['export_of_unordered_copy']:.2f} of COPY in any, "
        f"{found['export_peak_mb']:.0f} MB at most, of which gained {found['export_gained_mb']:.0f} MB",
    ]


def _part(environment: dict[str, str], part: str, payments: int) -> str:
    command = [sys.executable, "-m", "benchmarks.reports_parts", part, str(payments)]
    done = subprocess.run(
        command, cwd=place.ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise _FAILED
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
