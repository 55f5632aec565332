"""
One year, from the first day to the comparison.

The clock is moved from stop to stop, at most three days at once: no two tries of a payment fall between two stops, so
what a reader is told about the first does not depend on how fast a worker is. At each stop the post arrives (some of
it twice, out of order, or never), then readers, banks and staff act, then the sweeps look for what has come due; and
nothing goes on before all is quiet. For the same reason the sweeps run when the year rings for them, and not when
beat's seconds are over, which are another number of days on each machine.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from config import demo
from tests.year import ours, plot, report, stage, theirs
from tests.year.actors import Actors
from tests.year.agreement import Agreement, compare
from tests.year.mailbox import Mailbox
from tests.year.post import Post

DUPLICATE = 0.1  # of all events
SHUFFLE = 25  # how many later events may overtake one
NIGHTS = 10  # stops from one run of the nightly work to the next


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How a year ended: the comparison before the reconciliation and after it, and what stood still.

    :param reconciled: what `manage.py reconcile_stripe` printed.
    :param used: seconds of the processor by part of the house; empty where nobody can tell.
    """

    before: Agreement
    after: Agreement
    told: int
    lost: int
    standstill: dict[str, int]
    complaints: list[str]
    reconciled: str
    seconds: float
    used: dict[str, float]

    @property
    def is_good(self) -> bool:
        """Whether every cell agrees, and nothing waits for a person or went wrong on the way."""
        return not (self.after.differences or self.standstill or self.complaints)


def plot_of(seed: int, *, readers: int, days: int) -> plot.Plot:
    """The plot of a seed, in the first leap year that lies ahead."""
    return plot.write(seed=seed, readers=readers, days=days, start=plot.start_of(datetime.now(UTC).year + 1))


class Year:
    """A plot being played in a house."""

    def __init__(self, story: plot.Plot, house: stage.Stage, *, lose: float) -> None:
        self.lose = lose
        self.story = story
        self.house = house
        self.mailbox = Mailbox(house.data_dir / "mail")
        self.actors = Actors(house.url, house.stripe, self.mailbox, story.readers)
        self.reconciled = ""
        self.post = Post(house.stripe)
        self.now = story.moment(story.stops[-1])

    def pass_to(self, number: int) -> None:
        """Let the time pass to one of the plot's stops, and everything happen that happens until then."""
        day = self.story.stops[number]
        at = self.story.moment(day)
        self._disturb_the_post()
        self.house.move_to(at)
        self._quiet()
        self._clear_the_post()
        if deeds := self.story.on(day):
            self.post.note(at, swept=False)
            self._disturb_the_post()
            for deed in deeds:
                self.actors.perform(deed, now=at)
            self._quiet()
            self._clear_the_post()
        self._sweep(nightly=number % NIGHTS == 0)
        self.post.note(at, swept=True)

    def reconcile(self) -> None:
        """Fetch what got lost, once, and let everything follow from it."""
        try:
            self.reconciled = self.house.manage("reconcile_stripe", "--since", f"{self.story.start:%Y-%m-%d}")
        except demo.DemoError as left_over:  # it says itself when something is left to differ
            self.house.complaints.append(str(left_over))
        self._quiet()
        self.post.make_good(self.now)
        self.now += timedelta(hours=3)
        self.house.move_to(self.now)
        self._quiet()
        self._sweep(nightly=True)
        self.post.note(self.now, swept=True)

    def compare(self) -> Agreement:
        """Stripe's account and ours, as they are now."""
        return compare(
            theirs.read(self.house.stripe, self.post, self.actors.asked, now=self.now),
            ours.read(self.mailbox, now=self.now),
        )

    def _disturb_the_post(self) -> None:
        """From now on the post loses some, brings some twice, and some after those that were told later."""
        bad = {"drop": self.lose, "duplicate": DUPLICATE, "shuffle": SHUFFLE}
        self.house.stripe.control("webhooks", mode="chaos", seed=self.story.seed, **bad)

    def _clear_the_post(self) -> None:
        """Let arrive what was held back; what is lost stays lost."""
        self.house.stripe.control("webhooks", mode="normal")
        self._quiet()

    def _sweep(self, *, nightly: bool) -> None:
        from tests.year import app

        self.house.run("tests.year.app.sweep", [*app.SWEEPS, *(app.NIGHTLY if nightly else ())])
        self._quiet()

    def _quiet(self) -> None:
        self.house.wait(self._left)
        while ours.put_off():
            self.house.stripe.control("clock", advance="30 seconds")
            self.house.wait(self._left)

    def _left(self) -> dict[str, int]:
        """What is left to do in the house and, once that is nothing, on the way to it."""
        if found := ours.left_to_do():
            return found
        if due := self.house.stripe.look("deliveries/waiting")["due"]:
            return {"deliveries": due}
        return ours.left_to_do()  # the last delivery may have come in between


def play(
    story: plot.Plot, data_dir: Path, *, console: Console, services: dict[str, str], lose: float
) -> Outcome:
    """
    Play a plot in a house of its own under `data_dir`.

    :param lose: the share of events that never arrive, from 0 to 1.
    :raises demo.DemoError, stage.Stuck, offline.Refused: it could not be played to its end.
    """
    began = time.monotonic()
    house = stage.Stage(data_dir, services=services)
    join(house)
    house.start()
    try:
        year = Year(story, house, lose=lose)
        with report.bar(console) as bar:
            task = bar.add_task("", total=len(story.stops))
            for number, day in enumerate(story.stops):
                bar.update(task, description=f"{story.moment(day):%d %b %Y}")
                if number % 20 == 0 and not console.is_terminal:
                    console.print(f"{story.moment(day):%d %b %Y}: stop {number + 1} of {len(story.stops)}")
                year.pass_to(number)
                bar.advance(task)
        before = year.compare()
        year.reconcile()
        after = year.compare()
        (data_dir / "post.jsonl").write_text("\n".join(year.post.lines()))
        return Outcome(
            before=before,
            after=after,
            told=year.post.told,
            lost=year.post.lost,
            standstill={name: count for name, count in ours.standstill().items() if count},
            complaints=house.complaints,
            reconciled=year.reconciled,
            seconds=time.monotonic() - began,
            used=house.cpu_seconds(),
        )
    finally:
        house.stop()


def join(house: stage.Stage) -> None:
    """Let this process ask the house's database and ring its bell, for one house in its life."""
    os.environ.update(house.env)
    import django

    django.setup()
