"""
What is given regularly, plan by plan: since when, how much, and whether it counts. Read from the steps of memberships.

Those steps are only ever added to, and each knows when it happened and when it was recorded. So everything here can be
asked "as it was known at" a moment, and late news never changes an answer about what was known before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from donations.intervals import Interval
from donations.membership import reference_of
from donations.models import Contribution, ContributionChange, SubscriptionChange
from donations.reports import periods
from donations.standing import Picture
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
_SKEW = timedelta(minutes=2)  # between Stripe's clock, to the second, and ours
_ENDED_AT_ONCE = "ended"  # the reference of the step that says so (members/life.py)


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    How a plan stood from a moment until its next stretch.

    :param base: what counts, in twelfths of a minor unit a month; 0 while it is paused or over.
    :param cover: what the reader adds for the fee, likewise; never a part of `base`.
    :param interval: how often it is charged from then on.
    :param ended_as: why it is over; "" while it is not.
    """

    since: datetime
    base: int
    cover: int
    interval: str
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
    interval: str  # with which it began
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
        MembershipStep.objects.all_effective(known_at)
        .filter(membership__source_kind=Membership.Source.CONTRIBUTION)
        .order_by("membership_id", "at", "place", "pk")
    )
    kept = census.get_kept(known_at)
    about = _contributions(filters.campaign, known_at)
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
        _live(plan, life, contribution)
        plans.append(plan)
    return plans


def _contributions(campaign: str | None, known_at: datetime | None) -> dict[str, dict[str, Any]]:
    rows = Contribution.objects.exclude(interval=Interval.ONCE)
    if campaign is not None:
        rows = rows.filter(campaign__slug=campaign)
    found = {}
    splits, intervals = _splits(known_at), _intervals()
    wanted = ("pk", "public_id", "currency", "interval", "amount_minor", "fee_cover_minor", "campaign__slug")
    for row in rows.order_by().values(*wanted).iterator(chunk_size=5_000):
        row["public_id"] = str(row["public_id"])
        row["splits"] = splits.get(row["pk"], ())
        row["intervals"] = intervals.get(row["pk"], {})
        found[row["public_id"]] = row
    return found


def _splits(known_at: datetime | None) -> dict[int, list[tuple[datetime, int, int]]]:
    """Of each contribution that its reader changed, the newest first: when, the sum of a year, and its gift."""
    taken = ContributionChange.objects.filter(
        kind__in=ContributionChange.TERMS,
        state__in=[ContributionChange.State.TAKEN, ContributionChange.State.CONFIRMED],
    )
    if known_at is not None:
        taken = taken.filter(asked_at__lte=known_at)
    found: dict[int, list[tuple[datetime, int, int]]] = defaultdict(list)
    for pk, at, after in taken.order_by("-asked_at", "-pk").values_list(
        "contribution_id", "asked_at", "after"
    ):
        picture = Picture.of(after)
        year = Interval(picture.interval).charges_a_year
        found[pk].append((at, picture.total.minor * year, picture.amount * year))
    return found


def _intervals() -> dict[int, dict[str, str]]:
    """Of each contribution, how often it is charged after a change of its amount, by the reference of the step."""
    changes = SubscriptionChange.objects.filter(kind=SubscriptionChange.Kind.AMOUNT)
    found: dict[int, dict[str, str]] = defaultdict(dict)
    wanted = changes.select_related("subscription").only(
        "kind", "at", "interval_after", "subscription__contribution"
    )
    for change in wanted.order_by("at", "event_id").iterator(chunk_size=5_000):
        found[change.subscription.contribution_id][reference_of(change)] = change.interval_after
    return found


def _live(plan: Plan, life: list[dict[str, Any]], contribution: dict[str, Any]) -> None:
    """
    Give a plan its stretches and dues: a step begins a stretch, and so does an end that was foreseen and came.

    A renewal changes nothing that counts here, and begins none: most steps are renewals.
    """
    ended_as, stood, counted = "", None, None
    interval: str = contribution["interval"]
    for place, row in enumerate(life):
        at, due, ends_at = row["at"], row["paid_through"], row["ends_at"]
        following = life[place + 1]["at"] if place + 1 < len(life) else None
        if row["reference"] == _ENDED_AT_ONCE:
            ended_as = _WHY.get(row["ends_as"], VOLUNTARY)
        interval = contribution["intervals"].get(row["reference"], interval)
        if following == at:  # of several steps in one moment, how it stood after the last
            continue
        is_over = ends_at is not None and ends_at <= at
        over_as = ended_as or (_WHY[row["ends_as"]] if is_over else "")
        counts = (row["annual_minor"], interval, row["paused_at"] is None, over_as)
        if counts != counted:
            counted, stood = counts, _stand(row, contribution, interval, over_as)
            plan.stretches.append(stood)
        assert stood is not None, "the first step begins a stretch"
        comes = following is None or following >= due
        if stood.is_running and at <= due and comes and (ends_at is None or ends_at >= due):
            plan.dues.append(due)
        if over_as or ends_at is None or (following is not None and ends_at >= following):
            continue
        stood = Stretch(ends_at, 0, 0, interval, ended_as=_WHY[row["ends_as"]])
        counted = None
        plan.stretches.append(stood)


def _stand(row: dict[str, Any], contribution: dict[str, Any], interval: str, ended_as: str) -> Stretch:
    is_paused = row["paused_at"] is not None
    base = cover = 0
    if not ended_as and not is_paused:
        base = _gift(row, contribution)
        cover = row["annual_minor"] - base
    return Stretch(
        since=row["at"],
        base=base,
        cover=cover,
        interval=interval,
        is_paused=is_paused,
        ended_as=ended_as,
    )


def _gift(row: dict[str, Any], contribution: dict[str, Any]) -> int:
    """
    The part of a year's sum that is the gift: as the reader last wished it, or as it was agreed.

    A sum that was changed at Stripe, of which nobody knows the parts, is a gift as a whole (`standing.split_of`).
    """
    total: int = row["annual_minor"]
    splits: Sequence[tuple[datetime, int, int]] = contribution["splits"]
    for at, sum_, gift in splits:
        if sum_ == total and at <= row["at"] + _SKEW:
            return gift
    year = Interval(contribution["interval"]).charges_a_year
    agreed: int = contribution["amount_minor"] * year
    return agreed if total == agreed + contribution["fee_cover_minor"] * year else total
