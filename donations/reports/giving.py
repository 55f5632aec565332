"""Who gave, for the first time or again, and what single gifts come to. From the journal, as known then or now."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from django.db.models import Sum, Value

from donations.intervals import Interval
from donations.models import JournalEntry, Payment
from donations.reports import periods, recurring
from donations.reports.periods import Granularity, Period
from donations.reports.plans import EVERYTHING, Filters, Plan
from donations.reports.rates import middle, rate
from members import census

YEAR = timedelta(days=365)
Kind = JournalEntry.Kind


@dataclass(frozen=True, slots=True)
class Gift:
    """
    A payment that arrived: whose, when, how much.

    :param payment: its id; empty where nobody asks for it.
    """

    person_id: int
    day: date
    currency: str
    interval: str
    amount_minor: int
    payment: str = ""


def gifts(
    filters: Filters = EVERYTHING,
    *,
    until: date,
    known_at: datetime | None = None,
    with_payments: bool = False,
) -> Iterator[Gift]:
    """Every payment that arrived until a day and has a known giver, the earliest first."""
    rows = JournalEntry.objects.filter(kind=Kind.PAYMENT, day__lte=until).exclude(contribution__member=None)
    if filters.campaign is not None:
        rows = rows.filter(campaign__slug=filters.campaign)
    if filters.currency is not None:
        rows = rows.filter(currency=filters.currency)
    columns = (
        "day",
        "contribution__member",
        "currency",
        "interval",
        "payment__public_id" if with_payments else Value(""),
    )
    if known_at is None:
        # Of each payment one entry stands. A thousand rows of a day need no order, millions took their time for one.
        order = ("day", "reference") if with_payments else ("day",)
        found = rows.filter(stands=True).order_by(*order).values_list(*columns, "amount_minor")
    else:
        # Grouped, so that what was taken back by then is not there.
        told = rows.filter(recorded_at__lte=known_at).values("reference", *columns)
        told = told.annotate(times=Sum("count"), total=Sum("amount_minor")).filter(times__gt=0)
        found = told.order_by("day", "reference").values_list(*columns, "total")
    kept = census.get_kept(known_at)
    for day, member, currency, interval, payment, amount in found.iterator(chunk_size=5_000):
        yield Gift(kept.get(member, member), day, currency, interval, amount, str(payment))


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
    - `recovered_lapsed`: who lapsed in the equally many days before the part, and gave within it, in whatever way ÷ who
      lapsed then.
    - `monthly_givers`: who ever paid for a monthly plan, by when that was last: `active` within a month; else `yearly`
      with an annual plan now, or `paused`; else `delinquent` one to three months ago, `recent_lapsed` three to six,
      `deep_lapsed` six to thirty-six, `longer_ago`. A month ago is the same day of the month before, or its last one.
      A plan is monthly that began so.

    Unit: persons. Source: `MembershipStep`, `JournalEntry`, `Merge`. What monthly givers are called is the Wikimedia
    Foundation's.
    """
    about = [plan for plan in plans if filters.currency in (None, plan.currency)]
    parts = list(period.parts(granularity))
    earliest = min(part.before().first for part in parts)
    moved = list(recurring.movements(about, Period(earliest, period.last)))
    walk = _Walk(gifts(filters, until=period.last, known_at=known_at))
    rows = []
    for part in parts:
        people = census.members_on(part.last, known_at=known_at)
        within = walk.through(part)
        stand = _stand(about, part.last)
        kinds: dict[str, set[int]] = defaultdict(set)
        left_before: set[int] = set()
        for movement in moved:
            if part.holds(movement.day):
                kinds[movement.kind].add(movement.person_id)
            elif movement.kind == recurring.Kind.CHURN and part.before().holds(movement.day):
                left_before.add(movement.person_id)
        new = {person for person, day in walk.firsts.items() if part.holds(day)}
        lapsed_before = left_before - recurring.alive_on(about, part.eve) if left_before else set()
        rows.append(
            {
                "from": part.first,
                "to": part.last,
                "members": people.members,
                "by_state": {state.value: number for state, number in sorted(people.by_state().items())},
                "by_tier": {tier or "": number for tier, number in _sorted(people.by_tier())},
                "recurring": len(stand.running),
                "active_donors": len(stand.running | walk.since(part.last - YEAR)),
                "new_donors": len(new),
                "lapsed": len(kinds[recurring.Kind.CHURN] - stand.alive),
                "won_back": len(kinds[recurring.Kind.REACTIVATION] - new),
                "recovered_lapsed": rate(len(lapsed_before & within), len(lapsed_before)),
                "monthly_givers": _monthly_givers(walk.monthly, stand, part.last),
            }
        )
    return rows


class _Walk:
    """Gifts, taken one after the other, and what is to be known of them when a part is over."""

    def __init__(self, some: Iterator[Gift]) -> None:
        self._some = some
        self._next = next(some, None)
        self.firsts: dict[int, date] = {}
        self.latest: dict[int, date] = {}
        self.monthly: dict[int, date] = {}  # the latest that was given monthly

    def through(self, part: Period) -> set[int]:
        """Take the gifts until the end of a part; who gave within it."""
        within: set[int] = set()
        while self._next is not None and self._next.day <= part.last:  # the earliest first
            gift = self._next
            self.firsts.setdefault(gift.person_id, gift.day)
            self.latest[gift.person_id] = gift.day
            if gift.interval == Interval.MONTH:
                self.monthly[gift.person_id] = gift.day
            if gift.day >= part.first:
                within.add(gift.person_id)
            self._next = next(self._some, None)
        return within

    def since(self, day: date) -> set[int]:
        """Who gave after a day."""
        return {person for person, latest in self.latest.items() if latest > day}


@dataclass(slots=True)
class _Stand:
    """Who has which plans when a day is over."""

    running: set[int] = field(default_factory=set)
    alive: set[int] = field(default_factory=set)
    yearly: set[int] = field(default_factory=set)


def _stand(plans: Iterable[Plan], day: date) -> _Stand:
    stand, end = _Stand(), periods.start_of(day + periods.ONE_DAY)
    for plan in plans:
        stood = plan.before(end)
        if stood is None or not stood.is_alive:
            continue
        stand.alive.add(plan.person_id)
        if stood.is_running:
            stand.running.add(plan.person_id)
            if stood.interval == Interval.YEAR:
                stand.yearly.add(plan.person_id)
    return stand


_AGO = {"delinquent": 3, "recent_lapsed": 6, "deep_lapsed": 36}  # until so many months


def _monthly_givers(latest: dict[int, date], stand: _Stand, day: date) -> dict[str, int]:
    counts: Counter[str] = Counter()
    month = periods.months_ago(day, 1)
    ago = {name: periods.months_ago(day, months) for name, months in _AGO.items()}
    for person, last in latest.items():
        if last >= month:
            counts["active"] += 1
        elif person in stand.yearly:
            counts["yearly"] += 1
        elif person in stand.alive and person not in stand.running:
            counts["paused"] += 1
        else:
            counts[next((name for name, since in ago.items() if last >= since), "longer_ago")] += 1
    return {name: counts[name] for name in ("active", "yearly", "paused", *_AGO, "longer_ago")}


def _sorted(tiers: Counter[str | None]) -> list[tuple[str | None, int]]:
    return sorted(tiers.items(), key=lambda one: one[0] or "")


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


def lifetime_modelled(some: Iterable[Gift], last: date) -> dict[str, Any]:
    """
    A model, and no figure of the books: what a giver may give in the next three years, by currency.

    Formula: 0.95 × what was given in the 365 days until a day ÷ who gave then × (r + r² + r³), where `retention`, r, is
    who gave in these and in the 365 days before ÷ who gave in those before. Null where nobody gave before. Reckoned
    exactly, rounded once, half to even. Unit: minor units a person. Source: `JournalEntry`; the formula is the Newspack
    project's.
    """
    begin, before = last - YEAR, last - 2 * YEAR
    sums: dict[str, int] = defaultdict(int)
    givers: dict[str, set[int]] = defaultdict(set)
    earlier: set[int] = set()
    for gift in some:
        if begin < gift.day <= last:
            sums[gift.currency] += gift.amount_minor
            givers[gift.currency].add(gift.person_id)
        elif before < gift.day <= begin:
            earlier.add(gift.person_id)
    again = earlier & {person for each in givers.values() for person in each}
    r = Fraction(len(again), len(earlier)) if earlier else None
    return {
        "label": "model",
        "retention": rate(len(again), len(earlier)),
        "three_years": {
            currency: None
            if r is None
            else round(Fraction(95, 100) * Fraction(total, len(givers[currency])) * (r + r**2 + r**3))
            for currency, total in sorted(sums.items())
        },
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
