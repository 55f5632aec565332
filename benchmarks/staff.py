"""
Whether the admin costs the same however many members there are: `python -m benchmarks.staff --members 100000`.

Two newsrooms on databases of their own, a small one and one of that size, each with a process that opens every page
of the admin as somebody with every role, through all of Django's middleware. Pages are asked for in turns, here and
there, so that whatever else the machine does falls on both; the median of each counts. A page that seems slow is asked
for again, more often: what is slow stays slow. Times are compared where both pages show as many rows: the members
of one day are a hundred times as many in a newsroom that is a hundred times as large.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import place
from benchmarks.rounds import Failed

SMALL = 1_000
MOST_RATIO = 1.3
_AGAIN = 4  # times as many rounds for what seems slow
_FAILED = Failed("The pages of staff could not be asked for; the error stands above.")


def main() -> int:
    """Print a table; 0 however fast it was, 1 if it could not be measured."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.staff", description="Every page of the admin at two sizes."
    )
    parser.add_argument("--members", type=int, default=100_000, help="of the large newsroom (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="sustainer-bench-") as scratch:
            found = measure(Path(scratch), given.members, rounds=given.rounds)
    except (place.NoDatabase, Failed) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(*describe(found, every=True), sep="\n")
    print(json.dumps({"row": "staff", **summary(found)}))
    return 0


def measure(scratch: Path, members: int, *, rounds: int, brief: bool = False) -> dict[str, Any]:
    """
    Lay both newsrooms out and ask for each page in turns.

    :param brief: without what filters and dates lead to.
    :raises place.NoDatabase: there is none to lay them out in. Failed: a page was refused, or a part failed.
    """
    with ExitStack() as stack:
        desks = [
            stack.enter_context(
                _Desk(stack.enter_context(place.prepared(scratch / name, f"{place.NAME}_{name}")), size)
            )
            for name, size in (("small", SMALL), ("large", members))
        ]
        pages = [page for page in desks[0].pages if page in desks[1].pages]
        if brief:
            pages = [page for page in pages if ", " not in page or ", search" in page]
        found = {page: _page(desks, page, rounds) for page in pages}
        for page, figures in found.items():
            if figures["ratio"] > MOST_RATIO and _as_long(figures):
                found[page] = _page(desks, page, rounds * _AGAIN)
        return {"members": [SMALL, members], "rounds": rounds, "pages": found}


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """The figures that targets are about."""
    pages: dict[str, Any] = found["pages"]
    ratios = [figures["ratio"] for figures in pages.values() if _as_long(figures)]
    unequal = [
        page for page, figures in pages.items() if figures["statements"][0] != figures["statements"][1]
    ]
    return {
        "members": found["members"],
        "pages": len(pages),
        "as_long": len(ratios),
        "unequal": len(unequal),
        "most_statements": max(figures["statements"][1] for figures in pages.values()),
        "median_ratio": statistics.median(ratios),
        "most_ratio": max(ratios),
        "slower": sum(ratio > MOST_RATIO for ratio in ratios),
    }


def describe(found: dict[str, Any], *, every: bool) -> Iterator[str]:
    """A table for people: every page, or only those that grow."""
    small, large = found["members"]
    yield f"{'':64}{'statements':>14}{'ms at':>9}{'ms at':>9}{'ratio':>7}"
    yield f"{'':64}{'':14}{small:9,}{large:9,}"
    for page, figures in found["pages"].items():
        few, many = figures["statements"]
        grows = few != many or (figures["ratio"] > MOST_RATIO and _as_long(figures))
        if every or grows:
            mark = " *" if grows else "" if _as_long(figures) else " more rows"
            here, there = figures["ms"]
            yield f"{page[:63]:64}{few:7}{many:7}{here:9.1f}{there:9.1f}{figures['ratio']:7.2f}{mark}"
    brief = summary(found)
    yield (
        f"{brief['pages']} pages at {small:,} and {large:,} members: statements differ on {brief['unequal']}; "
        f"of the {brief['as_long']} that show as many rows here and there, the time ratio is "
        f"{brief['median_ratio']:.2f} in the median, {brief['most_ratio']:.2f} at most, "
        f"above {MOST_RATIO} on {brief['slower']}"
    )


def _as_long(figures: dict[str, Any]) -> bool:
    """Whether the page shows as many rows in both newsrooms: only then are times compared."""
    few, many = figures["rows"]
    return bool(abs(many - few) <= max(3, 0.1 * few))


def _page(desks: list[_Desk], page: str, rounds: int) -> dict[str, Any]:
    answers: list[list[dict[str, Any]]] = [[desk.ask(page) for desk in desks] for _ in range(rounds + 1)][1:]
    ms = [statistics.median(turn[side]["ms"] for turn in answers) for side in (0, 1)]
    # Not the most: once a minute a session notes that it was used.
    statements = [statistics.median_low(turn[side]["statements"] for turn in answers) for side in (0, 1)]
    ratio = statistics.median(turn[1]["ms"] / turn[0]["ms"] for turn in answers)
    rows = [answers[0][side]["rows"] for side in (0, 1)]
    return {"statements": statements, "ms": ms, "rows": rows, "ratio": ratio}


class _Desk:
    """One newsroom's process, as a context manager; its database is filled when it opens."""

    def __init__(self, here: place.Place, members: int) -> None:
        here.manage("collectstatic", "--no-input", "--verbosity", "0")
        self._environment = {
            **here.environment,
            "LOG_LEVEL": "ERROR",
            "DATABASE_STATEMENT_TIMEOUT_MS": "600000",
        }
        self._environment["CELERY_BROKER_URL"] = "filesystem://"  # nothing is rung here
        self._members = members

    def __enter__(self) -> _Desk:
        done = subprocess.run(self._command("lay_out", str(self._members)), cwd=place.ROOT, env=self._environment,
                              check=False)  # fmt: skip
        if done.returncode:
            raise _FAILED
        self._process = subprocess.Popen(
            self._command("serve"),
            cwd=place.ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pages: list[str] = self._hear()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def ask(self, page: str) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(page) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = self._hear()
        if answer["status"] not in (200, 302):
            raise Failed(f"{page}: answered with {answer['status']}")
        return answer

    def _hear(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise _FAILED
        return json.loads(line)

    @staticmethod
    def _command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "benchmarks.staff_pages", *arguments]


if __name__ == "__main__":
    os.chdir(place.ROOT)
    sys.exit(main())
