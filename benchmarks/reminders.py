"""
Reminders that are due at once: how fast they are decided about and handed to the outbox, and in how much memory.

`python -m benchmarks.reminders [DUE]` lays out so many (1,000,000) on a fresh database and lets dispatchers and bare
loops (`benchmarks.reminders_parts`) work them off, in turns of some batches, one worker and two, until nothing is
due. A ratio is one of neighbouring turns; the median of all rounds counts, since machines have moods.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import place
from benchmarks.reminders_parts import BATCH
from benchmarks.rounds import Failed

WORKERS = ("bare", "dispatch")
_ROUNDS = 16  # at most; each takes six turns' worth of rows
_FAILED = Failed("The reminders could not be worked off; the error stands above.")


def main(due: int) -> int:
    """Print what was found and one JSON line; 0 however fast it was, 1 if it could not be measured."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix="sustainer-bench-") as scratch,
            place.prepared(Path(scratch)) as here,
        ):
            found = measure(here.environment, here.database_url, due)
    except (place.NoDatabase, Failed) as problem:
        print(problem, file=sys.stderr)
        return 1
    for line in describe(found):
        print(line)
    print(json.dumps({"row": "reminders", **found}))
    return 0


def describe(found: dict[str, Any]) -> list[str]:
    """What was found, for people."""
    rates = found["per_second"]
    return [
        f"{found['due']:,} reminders due at once, batches of {BATCH:,}, medians of {found['rounds']} rounds:",
        f"  bare claim loop     {rates['bare 1']:9,.0f} rows/s, two workers {rates['bare 2']:9,.0f}",
        f"  decided and handed  {rates['dispatch 1']:9,.0f} rows/s, two workers {rates['dispatch 2']:9,.0f}",
        f"  of the bare loop    {found['of_bare']:9.2f}         two workers {found['of_bare_with_two']:9.2f}",
        f"  two workers of one  {found['two_of_one']:9.2f}         (bare loop: {found['bare_two_of_one']:.2f})",
        f"  memory of a worker  {found['peak_mb']:9.0f} MB, of which gained over {found['rows_of_worker']:,.0f} rows "
        f"{found['gained_mb']:.1f}",
    ]


def measure(environment: dict[str, str], database_url: str, due: int) -> dict[str, Any]:
    """
    Lay out the reminders, work them off, and leave nothing behind.

    :raises Failed: a part could not be measured, and has said why.
    """
    quiet = {**environment, "LOG_LEVEL": "ERROR", "DATABASE_STATEMENT_TIMEOUT_MS": "600000"}
    _part(quiet, "lay_out", str(due))
    with psycopg.connect(database_url, autocommit=True) as link:
        link.execute("VACUUM ANALYZE")
        workers = {kind: [Worker(quiet, kind) for _ in range(2)] for kind in WORKERS}
        try:
            found = _rounds(workers, due)
        finally:
            for worker in (*workers["bare"], *workers["dispatch"]):
                worker.stop()
        link.execute(
            "TRUNCATE reminders_reminder, reminders_remindersend, members_message, members_member, "
            "donations_contribution CASCADE"
        )
    return found


def _rounds(workers: dict[str, list[Worker]], due: int) -> dict[str, Any]:
    for worker in (*workers["bare"], *workers["dispatch"]):
        worker.do_batch()  # the first one pays for caches and connections
    watched = workers["dispatch"][0]
    before = watched.held_mb
    left = due - 4 * BATCH
    batches = max(1, left // (6 * BATCH) // _ROUNDS)
    turns = [(kind, count) for count in (1, 2) for kind in WORKERS]
    rates: dict[str, list[float]] = {f"{kind} {count}": [] for kind, count in turns}
    while left >= 6 * batches * BATCH and len(rates["bare 1"]) < _ROUNDS:
        for kind, count in turns:
            began = time.perf_counter()
            rows = _turn(workers[kind][:count], batches * count)
            rates[f"{kind} {count}"].append(rows / (time.perf_counter() - began))
            left -= rows
        turns = [*turns[1:], turns[0]]  # no kind has always the same neighbour before it
    return {
        "due": due,
        "rounds": len(rates["bare 1"]),
        "per_second": {name: statistics.median(found) for name, found in rates.items()},
        "of_bare": _ratio(rates["dispatch 1"], rates["bare 1"]),
        "of_bare_with_two": _ratio(rates["dispatch 2"], rates["bare 2"]),
        "two_of_one": _ratio(rates["dispatch 2"], rates["dispatch 1"]),
        "bare_two_of_one": _ratio(rates["bare 2"], rates["bare 1"]),
        "rows_of_worker": watched.rows,
        "peak_mb": watched.peak_mb,
        "gained_mb": watched.held_mb - before,
    }


def _turn(workers: list[Worker], batches: int) -> int:
    """Let these workers do so many batches together, each taking the next when it is ready; how many rows."""
    to_do = iter(range(batches))

    def work(worker: Worker) -> int:
        return sum(worker.do_batch() for _ in to_do)

    with ThreadPoolExecutor(len(workers)) as pool:
        return sum(pool.map(work, workers))


def _ratio(these: list[float], those: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(these, those, strict=True))


class Worker:
    """A process that does a batch when it is told to; what it did, and the megabytes that it holds."""

    def __init__(self, environment: dict[str, str], kind: str) -> None:
        self.rows = 0
        self.held_mb = self.peak_mb = 0.0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.reminders_parts", kind],
            cwd=place.ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do_batch(self) -> int:
        """How many rows it worked off. Raises Failed if it died."""
        assert self._process.stdin
        assert self._process.stdout
        print(file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise _FAILED
        found = json.loads(line)
        self.held_mb, self.peak_mb = found["held_mb"], found["peak_mb"]
        self.rows += found["rows"]
        return int(found["rows"])

    def stop(self) -> None:
        self._process.communicate()


def _part(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "benchmarks.reminders_parts", *arguments]
    if subprocess.run(command, cwd=place.ROOT, env=environment, check=False).returncode:
        raise _FAILED


if __name__ == "__main__":
    os.chdir(place.ROOT)
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
