"""
Rounds of measurement: every row in turn, again and again; the median of each figure counts.

A ratio is taken within each round, between turns that lie seconds apart, and the median of the ratios counts: on
a machine that is busy with something else, that is steadier than a ratio of two medians.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from benchmarks.place import ROOT, Place
from benchmarks.servers import Server

CONNECTIONS = 8
ROUNDS = 7
SECONDS = 0.9  # short turns and many rounds, so that what else the machine does falls on all rows alike
MOST_PER_SECOND = 4_000  # requests prepared for each second of a row; a faster server ends its turn early
_SLOW_START = 0.5  # seconds of each row that are not counted, so that all is loaded and connected


class Failed(Exception):
    """Requests were not answered as they should be: the figures would mean nothing."""


@dataclass
class Row:
    """One line of the report: what is sent where, and what came of it in each round."""

    name: str
    kind: str
    server: Server
    status: int = 200
    rate: float = 0.0
    most_per_second: int = MOST_PER_SECOND
    etag: str = ""
    results: list[dict[str, Any]] = field(default_factory=list)

    def median(self, figure: str) -> float:
        """The median over the rounds; 0 if it could not be measured."""
        return statistics.median(result[figure] or 0.0 for result in self.results)

    def ratio(self, to: Row, figure: str = "per_second") -> float:
        """The median of the ratios to another row in the same rounds."""
        pairs = zip(self.results, to.results, strict=True)
        return float(statistics.median(mine[figure] / other[figure] for mine, other in pairs))


class Generator:
    """The load generator's process, as a context manager."""

    def __enter__(self) -> Generator:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()

    def run(self, row: Row, *, seconds: float) -> dict[str, Any]:
        """One turn of a row: requests/s, latencies in ms, and the server's CPU µs a request. Raises Failed."""
        job = {
            "kind": row.kind,
            "port": row.server.port,
            "count": int(seconds * (row.rate or row.most_per_second)),
            "connections": CONNECTIONS,
            "seconds": seconds,
            "rate": row.rate,
            "etag": row.etag,
        }
        self._say(json.dumps(job))
        self._hear()  # the requests are made
        before = row.server.cpu_seconds()
        self._say("go")
        result: dict[str, Any] = json.loads(self._hear())
        after = row.server.cpu_seconds()
        if set(result["statuses"]) != {str(row.status)}:
            raise Failed(f"{row.name}: answered with {result['statuses']}, not all {row.status}")
        used = None if before is None or after is None else (after - before) * 1e6 / result["requests"]
        return {**result, "per_second": result["requests"] / result["seconds"], "cpu_us": used}

    def _say(self, text: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise Failed("the load generator ended early; its error stands above")
        return line


def measure(rows: list[Row], place: Place) -> None:
    """Fill the rows with results."""
    with Generator() as generator:
        for number in range(ROUNDS + 1):
            for row in rows:
                place.empty_tables()
                result = generator.run(row, seconds=SECONDS if number else _SLOW_START)
                if number:
                    row.results.append(result)
