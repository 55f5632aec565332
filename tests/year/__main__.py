"""
`python -m tests.year` (or `make year`): exit status 0 only if Stripe's books and ours agree in every cell.

`make year SEED=7 READERS=50` plays another year; `SEEDS=20` plays that many, one after the other, each in processes
and a folder of its own. DATABASE_URL and CELERY_BROKER_URL name PostgreSQL and Redis instead of what is embedded;
the database is emptied.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from config import demo
from tests.year import offline, plot, report, services, stage, theatre


def main() -> int:
    """Returns the exit status: 0 agreed, 1 differed, 2 could not be played."""
    given = _arguments()
    if given.seeds > 1:
        return _one_after_the_other(given)
    console = Console(width=None if sys.stdout.isatty() else 200)
    story = theatre.plot_of(given.seed, readers=given.readers, days=given.days)
    if given.show_plot:
        for line in story.lines():
            console.print(line, highlight=False)
        return 0
    try:
        with tempfile.TemporaryDirectory(prefix="sustainer-year-") as folder, services.prepared() as found:
            outcome = theatre.play(
                story, given.keep or Path(folder), console=console, services=found, lose=given.lose / 100
            )
    except (demo.DemoError, stage.Stuck, offline.Refused, services.NoDatabase) as problem:
        console.print(
            f"The year could not be played: {problem}", style="bold red", markup=False, highlight=False
        )
        return 2
    report.show(console, story, outcome)
    return 0 if outcome.is_good else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.year", description="Play a year and compare the books.")
    parser.add_argument("--seed", type=int, default=1, help="which year")
    parser.add_argument("--seeds", type=int, default=1, help="how many years to play, from --seed on")
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--days", type=int, default=plot.DAYS, help="how much of the year; at least 10")
    parser.add_argument("--lose", type=int, default=5, help="how many of 100 events get lost on their way")
    parser.add_argument(
        "--show-plot", action="store_true", help="print what happens on which day, and play nothing"
    )
    parser.add_argument("--keep", type=Path, help="leave the house's data in this folder")
    given = parser.parse_args()
    if given.readers < 1 or given.days < 10 or given.seeds < 1 or not 0 <= given.lose <= 100:
        parser.error("a year needs a reader and ten days, and loses between 0 and 100 of 100 events")
    return given


def _one_after_the_other(given: argparse.Namespace) -> int:
    """Each year in a process of its own, since a process can be part of one house only."""
    failed = []
    for seed in range(given.seed, given.seed + given.seeds):
        command = [sys.executable, "-m", "tests.year", "--seed", str(seed)]
        command += ["--readers", str(given.readers), "--days", str(given.days), "--lose", str(given.lose)]
        if given.show_plot:
            command.append("--show-plot")
        if given.keep:
            command += ["--keep", str(given.keep / str(seed))]
        if subprocess.run(command, check=False).returncode:
            failed.append(seed)
    if not given.show_plot:
        verdict = f"differ for seeds {', '.join(map(str, failed))}" if failed else "agree for every seed"
        Console().print(f"{given.seeds} years played: the books {verdict}.", highlight=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
