"""One year from the first day to the comparison."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tests.year import agreement, ours, plot, report, stage, theirs
from tests.year.actors import Actors

# Sweeps that act because a day has come, not because somebody rang.
SWEEPS = (
    "donations.tasks.expire_forgotten_checkouts",
    "members.tasks.end_due_memberships",
    "reminders.tasks.dispatch_reminders",
    "reminders.tasks.follow_reminders",
)


def plot_of(seed: int, *, readers: int, days: int) -> plot.Plot:
    """The plot of a seed, in the first leap year that lies ahead."""
    return plot.write(seed=seed, readers=readers, days=days, start=plot.start_of(datetime.now(UTC).year + 1))


def play(
    story: plot.Plot, data_dir: Path, *, console: Console, services: dict[str, str] | None = None
) -> bool:
    """Play a plot; True if both books agree in every cell."""
    began = time.monotonic()
    house = stage.Stage(data_dir, services=services or {})
    _become_part_of(house)
    house.start()
    try:
        house.move_to(story.start)
        actors = Actors(house.url, house.stripe, story.readers)
        with report.bar(console) as bar:
            task = bar.add_task("", total=len(story.stops))
            for number, day in enumerate(story.stops):
                bar.update(task, description=f"{story.moment(day):%d %b %Y}")
                house.move_to(story.moment(day))
                house.stripe.control(
                    "webhooks", mode=("shuffle", "duplicate", "normal")[number % 3], seed=number
                )
                for deed in story.on(day):
                    actors.perform(deed)
                settle(house)
                bar.advance(task)
        now = story.moment(story.days)
        result = agreement.compare(theirs.read(house.stripe, now=now), ours.read(data_dir, now=now))
        report.tables(console, result, title=f"Seed {story.seed}")
        console.print(f"{result.differences} cells differ; {time.monotonic() - began:.0f} s")
        for line in house.complaints[:20]:
            console.print(line, highlight=False)
        console.print({k: v for k, v in ours.standstill().items() if v})
        return not result.differences
    finally:
        house.stop()


def settle(house: stage.Stage) -> None:
    house.wait(lambda: left(house))
    house.ring(*SWEEPS)
    house.wait(lambda: left(house))


def left(house: stage.Stage) -> dict[str, int]:
    found = ours.left_to_do()
    if not any(found.values()):
        found["deliveries"] = sum(
            1 for row in house.stripe.look("deliveries")["data"] if row["status"] == "pending"
        )
    return found


def _become_part_of(house: stage.Stage) -> None:
    """Let this process ask the house's database and ring its bell."""
    os.environ.update(house.env)
    import django

    django.setup()
