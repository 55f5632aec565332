"""
`python -m benchmarks` (or `make bench`): measure and print each row beside its target.

`python -m benchmarks nothing limit webhook` measures only these rows, which takes a fraction of the time;
`python -m benchmarks reminders --due 1000000` that many reminders due at once, which takes some minutes to lay out.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import place, reminders, report, rounds, servers, staff
from benchmarks.rounds import Row

STAFF_MEMBERS = 10_000  # ten times the small newsroom; `python -m benchmarks.staff` takes more
NEEDED = ("nothing", "limit")  # every ratio is one to these
NAMES = (*NEEDED, "best", "webhook", "create", "paced", "sandbox", "campaign", "unchanged", "renewals",
         "reminders", "staff")  # fmt: skip


def main() -> int:
    """Exit status 0 if everything could be measured, however fast it was; 1 with a sentence if not."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure the house beside its limits.")
    parser.add_argument("rows", nargs="*", choices=[[], *NAMES], help="all, if none is named")
    parser.add_argument("--due", type=int, default=100_000, help="reminders due at once (%(default)s)")
    given = parser.parse_args()
    wanted = {*given.rows} or {*NAMES}
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="sustainer-bench-") as scratch:
            rows, apart = _measure(wanted | {*NEEDED}, Path(scratch), due=given.due)
    except (place.NoDatabase, servers.NotServing, rounds.Failed) as problem:
        print(problem, file=sys.stderr)
        return 1
    report.show(rows, apart, seconds=time.monotonic() - began)
    return 0


def _measure(wanted: set[str], scratch: Path, *, due: int) -> tuple[dict[str, Row], report.Apart]:
    with ExitStack() as stack:
        here = stack.enter_context(place.prepared(scratch / "data"))
        stack.callback(place.forget_rings)
        environment = here.environment
        here.manage("collectstatic", "--no-input", "--verbosity", "0")
        apart = report.Apart(
            reminders=reminders.measure(environment, here.database_url, due) if "reminders" in wanted else {},
            renewals=_renewals(environment) if "renewals" in wanted else {},
            staff=staff.measure(scratch, STAFF_MEMBERS, rounds=3, brief=True) if "staff" in wanted else {},
        )

        def serve(name: str, application: str, **changes: str) -> servers.Server:
            log = scratch / f"{name}.log"
            return stack.enter_context(servers.serving(application, {**environment, **changes}, log))

        @cache
        def bare() -> servers.Server:
            return serve("bare", "config.wsgi", DJANGO_SETTINGS_MODULE="benchmarks.bare_settings")

        @cache
        def house() -> servers.Server:
            return serve("house", "benchmarks.instant_stripe")

        def best() -> Row:
            settings = {"DJANGO_SETTINGS_MODULE": "benchmarks.bare_settings", "BENCH_CONNECTIONS": "kept"}
            return Row("  the most a bare view can have", "insert", serve("best", "config.wsgi", **settings))

        def beside() -> Row:
            url = stack.enter_context(servers.offline_stripe(environment, scratch / "stripe.log"))
            server = serve("beside", "config.wsgi", STRIPE_API_BASE=url)
            return Row(
                "  the same, the offline Stripe on these cores", "create", server, 201, most_per_second=1_000
            )

        makers: dict[str, Callable[[], Row]] = {
            # What is compared stands side by side.
            "campaign": lambda: Row("campaign, cached", "campaign", house()),
            "nothing": lambda: Row("bare view, no database", "nothing", bare()),
            "unchanged": lambda: Row("campaign, 304", "campaign_304", house(), 304, etag=_etag(house())),
            "best": best,
            "limit": lambda: Row("limit: bare view, one INSERT … ON CONFLICT", "insert", bare()),
            "webhook": lambda: Row("webhook receipt: verified, sealed, stored", "webhook", house()),
            "create": lambda: Row("contribution, Stripe answering from memory", "create", house(), 201),
            "paced": lambda: Row("  the same, offered 100 requests/s", "create", house(), 201, rate=100),
            "sandbox": beside,
        }
        rows = {name: make() for name, make in makers.items() if name in wanted}
        rounds.measure(list(rows.values()), here)
    return rows, apart


def _renewals(environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.renewals"],
        cwd=place.ROOT,
        env={**environment, "LOG_LEVEL": "ERROR"},
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise rounds.Failed("The renewals could not be worked off; the error stands above.")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _etag(house: servers.Server) -> str:
    link = http.client.HTTPConnection("127.0.0.1", house.port, timeout=20)
    link.request(
        "GET",
        "/api/v1/campaigns/support-us/",
        headers={"Host": "give.gazette.example", "X-Forwarded-Proto": "https"},
    )
    answer = link.getresponse()
    answer.read()
    link.close()
    return answer.headers["ETag"] or ""


if __name__ == "__main__":
    os.chdir(place.ROOT)
    sys.exit(main())
