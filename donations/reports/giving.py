"""Who gave, for the first time or again, and what single gifts come to. From the journal, as known then or now."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from django.db.models import Sum

from donations.intervals import Interval
from donations.models import JournalEntry, Payment
from donations.reports import recurring
from donations.reports.periods import Granularity, Period
from donations.reports.plans import EVERYTHING, Filters, Plan
from donations.reports.rates import middle, rate
from members import census

YEAR = timedelta(days=365)
Kind = JournalEntry.Kind


@dataclass(frozen=True, slots=True)
class Gift:
    """A payment that arrived: whose, when, how much."""

    person_id: int
    day: date
    currency: str
    interval: str
    amount_minor: int


def gifts(filters: Filters = EVERYTHING, *, until: date, known_at: datetime | None = None) -> Iterator[Gift]:
    """Every payment that arrived until a day and has a known giver, the earliest first."""
    rows = JournalEntry.objects.filter(kind=Kind.PAYMENT, day__lte=until)
    rows = rows.filter(stands=True) if known_at is None else rows.filter(recorded_at__lte=known_at)
    if filters.campaign is not None:
        rows = rows.filter(campaign__slug=filters.campaign)
    if filters.currency is not None:
        rows = rows.filter(currency=filters.currency)
    kept = census.get_kept(known_at)
    # Grouped, so that what was taken back by then is not there.
    found = (
        rows.exclude(contribution__member=None)
        .order_by("day", "reference")
        .values_list("day", "reference", "contribution__member", "currency", "interval")
        .annotate(times=Sum("count"), total=Sum("amount_minor"))
        .filter(times__gt=0)
    )
    for day, _, member, currency, interval, _, amount in found.iterator(chunk_size=5_000):
        yield Gift(kept.get(member, member), day, currency, interval, amount)


def average(some: Iterable[Gift], period: Period) -> dict[str, Any]:
    """
    What a single gift comes to, by currency: the mean and the median of gifts that were given once, in a period.

    Formula: sum ÷ number; the mean is rounded half to even. Renewals and first payments of plans are left out. Unit:
    minor units. Source: `JournalEntry`.
    """
    amounts: dict[str, list[int]] = defaultdict(list)
    for gift in some:
        if gift.interval == Interval.ONCE and period.holds(gift.day):
            amounts[gift.currency].append(gift.amount_minor)
    return {
        currency: {
            "gifts": len(each),
            "sum": sum(each),
            "mean": round(Fraction(sum(each), len(each))),
            "median": middle(each),
        }
        for currency, each in sorted(amounts.items())
    }


def members(
    plans: list[Plan],
    filters: Filters,
    period: Period,
    granularity: Granularity,
    *,
    known_at: datetime | None = None,
) -> list[dict[str, Any]]:
    """
    How many people, when each part of the period was over, and who came within it. Each person counts once.

    - `members`: who may call themselves a member, by state and tier; of all campaigns and currencies together
      (`members.census`).
    - `recurring`: with a plan that is active or past due.
    - `active_donors`: with such a plan, or a gift within the 365 days that end with the part.
    - `new_donors`: whose first gift ever lies in the part.
    - `lapsed`: whose last plan ended in the part, and who has none when it is over.
    - `won_back`: whose plan began in the part after an earlier one had ended; never a new donor as well.

    Unit: persons. Source: `MembershipStep`, `JournalEntry`, `Merge`.
    """
    some = gifts(filters, until=period.last, known_at=known_at)
    upcoming = next(some, None)
    firsts: dict[int, date] = {}
    latest: dict[int, date] = {}
    about = [plan for plan in plans if filters.currency in (None, plan.currency)]
    moved = list(recurring.movements(about, period))
    rows = []
    for part in period.parts(granularity):
        people = census.members_on(part.last, known_at=known_at)
        running = recurring.givers_on(about, part.last)
        while upcoming is not None and upcoming.day <= part.last:  # the earliest first
            firsts.setdefault(upcoming.person_id, upcoming.day)
            latest[upcoming.person_id] = upcoming.day
            upcoming = next(some, None)
        lately = {person for person, day in latest.items() if day > part.last - YEAR}
        kinds: dict[str, set[int]] = defaultdict(set)
        for movement in moved:
            if part.holds(movement.day):
                kinds[movement.kind].add(movement.person_id)
        alive = recurring.alive_on(about, part.last)
        new = {person for person, day in firsts.items() if part.holds(day)}
        rows.append(
            {
                "from": part.first,
                "to": part.last,
                "members": people.members,
                "by_state": {state.value: number for state, number in sorted(people.by_state().items())},
                "by_tier": {tier or "": number for tier, number in _sorted(people.by_tier())},
                "recurring": len(running),
                "active_donors": len(running | lately),
                "new_donors": len(new),
                "lapsed": len(kinds[recurring.Kind.CHURN] - alive),
                "won_back": len(kinds[recurring.Kind.REACTIVATION] - new),
            }
        )
    return rows


def _sorted(tiers: Counter[str | None]) -> list[tuple[str | None, int]]:
    return sorted(tiers.items(), key=lambda one: one[0] or "")


def donor_retention(some: Iterable[Gift], year: int) -> dict[str, Any]:
    """
    Who gave in a year of those who gave in the year before; those who gave for the first time that year, and others.

    Formula: persons with a gift in both years ÷ persons with a gift in the earlier one. Unit: persons. Source:
    `JournalEntry`; the definition is that of the Fundraising Effectiveness Project.
    """
    years: dict[int, set[int]] = defaultdict(set)
    for gift in some:
        years[gift.person_id].add(gift.day.year)
    before = {person for person, each in years.items() if year - 1 in each}
    again = {person for person in before if year in years[person]}
    first = {person for person in before if min(years[person]) == year - 1}
    return {
        "year": year,
        "all": rate(len(again), len(before)),
        "new": rate(len(again & first), len(first)),
        "repeat": rate(len(again - first), len(before - first)),
    }


def lifetime(some: Iterable[Gift]) -> dict[str, Any]:
    """
    What givers gave to date, by currency: gross sum, persons, their mean and median. Never a forecast.

    Unit: minor units a person. Source: `JournalEntry`.
    """
    sums: dict[str, Counter[int]] = defaultdict(Counter)
    for gift in some:
        sums[gift.currency][gift.person_id] += gift.amount_minor
    return {
        currency: {
            "persons": len(each),
            "sum": each.total(),
            "mean": round(Fraction(each.total(), len(each))),
            "median": middle(each.values()),
        }
        for currency, each in sorted(sums.items())
    }


def fee_cover(period: Period, filters: Filters = EVERYTHING) -> dict[str, Any]:
    """
    How many payments carried a cover for the fee, and whether it was too little or too much, by currency.

    - `rate`: payments with cover ÷ payments that arrived (each could have had one).
    - `covered`, `fees`, `over`: of payments with cover that were settled in their own currency and whose fee is known:
      the cover, the fee that was really taken, and cover − fee.

    A payment has its contribution's cover while its amount is the agreed one. Unit: payments, minor units. Source:
    `Payment`, `Contribution`.
    """
    paid = Payment.objects.filter(
        state=Payment.State.SUCCEEDED, paid_at__gte=period.starts_at, paid_at__lt=period.ends_at
    )
    if filters.currency is not None:
        paid = paid.filter(currency=filters.currency)
    if filters.campaign is not None:
        paid = paid.filter(contribution__campaign__slug=filters.campaign)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    wanted = (
        "currency", "amount_minor", "contribution__amount_minor", "contribution__fee_cover_minor",
        "settlement_currency", "fee_minor",
    )  # fmt: skip
    for currency, amount, gift, cover, settled_in, fee in paid.order_by().values_list(*wanted).iterator():
        count = counts[currency]
        count["all"] += 1
        if not cover or amount != gift + cover:
            continue
        count["with"] += 1
        if settled_in == currency and fee is not None:
            count["cover"] += cover
            count["fees"] += fee
    return {
        currency: {
            "rate": rate(count["with"], count["all"]),
            "covered": count["cover"],
            "fees": count["fees"],
            "over": count["cover"] - count["fees"],
        }
        for currency, count in sorted(counts.items())
    }
