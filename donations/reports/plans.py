"""
What is given regularly, plan by plan: since when, how much, and whether it counts. Read from the steps of memberships.

Those steps are only ever added to, and each knows when it happened and when it was recorded. So everything here can be
asked "as it was known at" a moment, and late news never changes an answer about what was known before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from donations.intervals import Interval
from donations.models import Contribution
from donations.reports import periods
from members import census
from members.models import Membership, MembershipStep

VOLUNTARY, PAYMENT_FAILED = "voluntary", "payment_failed"
_WHY = {"ENDED": VOLUNTARY, "LAPSED": PAYMENT_FAILED}
_STEP = (
    "membership_id",
    "membership__member_id",
    "membership__source_reference",
    "at",
    "reference",
    "annual_minor",
    "paid_through",
    "paused_at",
    "ends_at",
    "ends_as",
)
_ENDED_AT_ONCE = "ended"  # the reference of the step that says so (members/life.py)


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    How a plan stood from a moment until its next stretch.

    :param base: what counts, in twelfths of a minor unit a month; 0 while it is paused or over.
    :param cover: what the reader adds for the fee, likewise; never a part of `base`.
    :param ended_as: why it is over; "" while it is not.
    """

    since: datetime
    base: int
    cover: int
    is_paused: bool = False
    ended_as: str = ""

    @property
    def is_running(self) -> bool:
        """Active or past due: what monthly recurring revenue is made of."""
        return not self.ended_as and not self.is_paused

    @property
    def is_alive(self) -> bool:
        """Running or paused: its reader has not left."""
        return not self.ended_as


@dataclass(slots=True)
class Plan:
    """A recurring contribution of one person, from its first payment on."""

    reference: str  # the contribution's public id
    person_id: int
    currency: str
    interval: str
    campaign: str
    stretches: list[Stretch] = field(default_factory=list)
    dues: list[datetime] = field(default_factory=list)  # when its paid time came to its end while it ran

    @property
    def started_at(self) -> datetime:
        return self.stretches[0].since

    def on(self, day: date) -> Stretch | None:
        """How it stood when a day of the newsroom was over; None if it had not begun."""
        return self.before(periods.start_of(day + periods.ONE_DAY))

    def before(self, moment: datetime) -> Stretch | None:
        """How it stood just before a moment; None if it had not begun."""
        place = bisect_right(self.stretches, moment, key=lambda stretch: stretch.since) - 1
        while place >= 0 and self.stretches[place].since >= moment:
            place -= 1
        return self.stretches[place] if place >= 0 else None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which plans and payments a report is about; None: all of them."""

    currency: str | None = None
    campaign: str | None = None


EVERYTHING = Filters()


_remembered: ContextVar[dict[Any, list[Plan]] | None] = ContextVar("remembered_plans", default=None)


@contextmanager
def remembered() -> Iterator[None]:
    """Within it plans are loaded once, for several reports that are made one after the other."""
    token = _remembered.set({})
    try:
        yield
    finally:
        _remembered.reset(token)


def load(*, known_at: datetime | None = None, filters: Filters = EVERYTHING) -> list[Plan]:
    """
    Every plan that ever began, as it is known, or as it was known then.

    The currency is left to the callers: whether somebody is new or leaves is about all that a person gives.
    """
    known = _remembered.get()
    if known is None:
        return _load(known_at, filters)
    key = (known_at, filters.campaign)
    if key not in known:
        known[key] = _load(known_at, filters)
    return known[key]


def _load(known_at: datetime | None, filters: Filters) -> list[Plan]:
    steps = (
        MembershipStep.objects.effective(known_at)
        .filter(membership__source_kind=Membership.Source.CONTRIBUTION)
        .order_by("membership_id", "at", "place", "pk")
    )
    kept = census.get_kept(known_at)
    about = _contributions(filters.campaign)
    plans: list[Plan] = []
    for _, rows in groupby(
        steps.values(*_STEP).iterator(chunk_size=5_000), key=lambda row: row["membership_id"]
    ):
        life = list(rows)
        contribution = about.get(life[0]["membership__source_reference"])
        if contribution is None:
            continue
        member = life[0]["membership__member_id"]
        plan = Plan(
            reference=contribution["public_id"],
            person_id=kept.get(member, member),
            currency=contribution["currency"],
            interval=contribution["interval"],
            campaign=contribution["campaign__slug"],
        )
        plan.stretches = list(_stretches(life, contribution))
        plan.dues = list(_dues(life, plan))
        plans.append(plan)
    return plans


def _contributions(campaign: str | None) -> dict[str, dict[str, Any]]:
    rows = Contribution.objects.exclude(interval=Interval.ONCE)
    if campaign is not None:
        rows = rows.filter(campaign__slug=campaign)
    found = {}
    wanted = ("public_id", "currency", "interval", "amount_minor", "fee_cover_minor", "campaign__slug")
    for row in rows.order_by().values(*wanted).iterator(chunk_size=5_000):
        row["public_id"] = str(row["public_id"])
        found[row["public_id"]] = row
    return found


def _stretches(life: list[dict[str, Any]], contribution: dict[str, Any]) -> Iterator[Stretch]:
    """
    Each stretch of a plan: a step begins one, and so does an end that was foreseen and came.

    A renewal changes nothing that counts here, and begins none: most steps are renewals.
    """
    last: Stretch | None = None
    for stretch in _every_stretch(life, contribution):
        if last is None or replace(stretch, since=last.since) != last:
            yield stretch
            last = stretch


def _dues(life: list[dict[str, Any]], plan: Plan) -> Iterator[datetime]:
    """The moments at which paid time came to its end, with the plan running and not renewed before."""
    for place, row in enumerate(life):
        following = life[place + 1]["at"] if place + 1 < len(life) else None
        due = row["paid_through"]
        if due < row["at"] or (following is not None and following < due) or following == row["at"]:
            continue
        if row["ends_at"] is not None and row["ends_at"] < due:
            continue
        stood = plan.before(row["at"] + timedelta(microseconds=1))
        if stood is not None and stood.is_running:
            yield due


def _every_stretch(life: list[dict[str, Any]], contribution: dict[str, Any]) -> Iterator[Stretch]:
    year = Interval(contribution["interval"]).charges_a_year
    agreed = (contribution["amount_minor"] + contribution["fee_cover_minor"]) * year
    ended_as = ""
    for place, row in enumerate(life):
        following = life[place + 1]["at"] if place + 1 < len(life) else None
        if row["reference"] == _ENDED_AT_ONCE:
            ended_as = _WHY.get(row["ends_as"], VOLUNTARY)
        is_over = row["ends_at"] is not None and row["ends_at"] <= row["at"]
        stood = _stand(row, contribution, agreed, ended_as or (_WHY[row["ends_as"]] if is_over else ""))
        if following != row["at"]:  # of several steps in one moment, how it stood after the last
            yield stood
        ends_at = row["ends_at"]
        if stood.ended_as or ends_at is None or (following is not None and ends_at >= following):
            continue
        yield Stretch(ends_at, 0, 0, ended_as=_WHY[row["ends_as"]])


def _stand(row: dict[str, Any], contribution: dict[str, Any], agreed: int, ended_as: str) -> Stretch:
    is_paused = row["paused_at"] is not None
    base, cover = row["annual_minor"], 0
    if base == agreed:  # as it was agreed: the gift and its cover. A changed amount is a gift as a whole
        base = contribution["amount_minor"] * Interval(contribution["interval"]).charges_a_year
        cover = agreed - base
    if ended_as or is_paused:
        base = cover = 0
    return Stretch(
        since=row["at"],
        base=base,
        cover=cover,
        is_paused=is_paused,
        ended_as=ended_as,
    )
