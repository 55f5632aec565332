"""
`python -m tests.year` (or `make year`): exit status 0 only if Stripe's books and ours agree in every cell.

`make year SEED=7 READERS=50` plays another year; `SEEDS=20` plays that many, one after the other.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.year import plot, theatre


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.year", description="Play a year and compare the books.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many years to play, from --seed on")
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--days", type=int, default=plot.DAYS)
    parser.add_argument(
        "--show-plot", action="store_true", help="print what happens on which day, and play nothing"
    )
    parser.add_argument("--keep", type=Path, help="leave the data in this folder")
    given = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 200)
    status = 0
    for seed in range(given.seed, given.seed + given.seeds):
        story = theatre.plot_of(seed, readers=given.readers, days=given.days)
        if given.show_plot:
            for line in story.lines():
                console.print(line, highlight=False)
            continue
        with tempfile.TemporaryDirectory(prefix="sustainer-year-") as folder:
            agreed = theatre.play(story, given.keep or Path(folder), console=console)
        status = status if agreed else 1
    return status


if __name__ == "__main__":
    sys.exit(main())
