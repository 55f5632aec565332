"""
Monthly recurring revenue and how it moved; who gives regularly, who left, who stayed. Pure: plans in, figures out.

A movement is what changed for one person in one currency between the ends of two days of the newsroom. So a plan that
is ended and begun anew on one day is no loss, and what moved adds up to the difference, exactly, over any days.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import Any

from donations.intervals import Interval
from donations.reports import periods
from donations.reports.exchange import Rates, total
from donations.reports.periods import Granularity, Period
from donations.reports.plans import PAYMENT_FAILED, VOLUNTARY, Plan, Stretch
from donations.reports.rates import monthly, rate

OLDEST_COHORTS = 60  # months back, at most


class Kind(StrEnum):
    """Why monthly recurring revenue moved."""

    NEW = "new"  # the person's first plan ever
    EXPANSION = "expansion"  # more than before: a higher amount, a further plan, the end of a pause
    CONTRACTION = "contraction"  # less: a lower amount, the loss of one of several plans, a pause
    CHURN = "churn"  # the person's last plan ended
    REACTIVATION = "reactivation"  # a plan of somebody whose last one had ended


@dataclass(frozen=True, slots=True)
class Movement:
    """
    What changed for one person on one day in one currency.

    :param twelfths: by how much, in twelfths of a minor unit a month; below zero for less. It is 0 where somebody
        leaves whose plan was paused.
    :param why: of churn, `voluntary` or `payment_failed`, by the plan that ended last; else "".
    :param references: the contributions that changed that day.
    """

    day: date
    person_id: int
    currency: str
    kind: Kind
    twelfths: int
    why: str
    references: tuple[str, ...]


def movements(plans: Iterable[Plan], period: Period) -> Iterator[Movement]:
    """Every movement of a period, person by person."""
    by_person: dict[int, list[Plan]] = defaultdict(list)
    for plan in plans:
        by_person[plan.person_id].append(plan)
    for person_id in sorted(by_person):
        yield from _movements_of(person_id, by_person[person_id], period)


def _movements_of(person_id: int, plans: list[Plan], period: Period) -> Iterator[Movement]:
    changes: dict[date, list[Plan]] = defaultdict(list)
    for plan in plans:
        for day in sorted({periods.day_of(stretch.since) for stretch in plan.stretches}):
            if day <= period.last:
                changes[day].append(plan)
    stands: dict[str, Stretch] = {}
    had_plan = False
    for day in sorted(changes):
        before, was_alive = _sums(plans, stands), _is_alive(stands)
        for plan in changes[day]:
            stood = plan.on(day)
            assert stood is not None, "it changed that day, so that it had begun"
            stands[plan.reference] = stood
        after, is_alive = _sums(plans, stands), _is_alive(stands)
        if period.holds(day):
            yield from _told(
                day, person_id, changes[day], stands,
                before=before, after=after, was_alive=was_alive, is_alive=is_alive, had_plan=had_plan,
            )  # fmt: skip
        had_plan = True


def _told(
    day: date,
    person_id: int,
    changed: list[Plan],
    stands: dict[str, Stretch],
    *,
    before: Counter[str],
    after: Counter[str],
    was_alive: bool,
    is_alive: bool,
    had_plan: bool,
) -> Iterator[Movement]:
    kind: Kind | None = None
    if is_alive and not was_alive:
        kind = Kind.REACTIVATION if had_plan else Kind.NEW
    elif was_alive and not is_alive:
        kind = Kind.CHURN
    why = _why(changed, stands) if kind == Kind.CHURN else ""
    currencies = sorted({plan.currency for plan in changed})
    moved = [currency for currency in currencies if after[currency] != before[currency]]
    for currency in moved or (currencies[:1] if kind else []):
        twelfths = after[currency] - before[currency]
        usual = Kind.EXPANSION if twelfths > 0 else Kind.CONTRACTION
        references = tuple(sorted(plan.reference for plan in changed if plan.currency == currency))
        yield Movement(day, person_id, currency, kind or usual, twelfths, why, references)


def _sums(plans: list[Plan], stands: dict[str, Stretch]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for plan in plans:
        if plan.reference in stands:
            sums[plan.currency] += stands[plan.reference].base
    return sums


def _is_alive(stands: dict[str, Stretch]) -> bool:
    return any(stood.is_alive for stood in stands.values())


def _why(changed: list[Plan], stands: dict[str, Stretch]) -> str:
    ended = [stands[plan.reference] for plan in changed if not stands[plan.reference].is_alive]
    return max(ended, key=lambda stood: (stood.since, stood.ended_as)).ended_as


# --- Monthly recurring revenue


def mrr_on(plans: Iterable[Plan], day: date) -> dict[str, dict[str, int]]:
    """
    Monthly recurring revenue when a day was over: by currency `base`, `cover` (twelfths) and `plans`.

    Formula: sum over plans that are active or past due of the gift without its fee cover, a yearly one divided by 12.
    Left out: paused plans, those that Stripe tries no more, ended ones, single gifts, complimentary memberships.
    Source: the steps of memberships (`MembershipStep`) and the contributions that they stand for.
    """
    sums: dict[str, dict[str, int]] = {}
    for plan, stood in running_on(plans, day):
        row = sums.setdefault(plan.currency, {"base": 0, "cover": 0, "plans": 0})
        row["base"] += stood.base
        row["cover"] += stood.cover
        row["plans"] += 1
    return dict(sorted(sums.items()))


def running_on(plans: Iterable[Plan], day: date) -> Iterator[tuple[Plan, Stretch]]:
    """The plans that counted when a day was over, each with how it stood."""
    end = periods.start_of(day + periods.ONE_DAY)
    for plan in plans:
        stood = plan.before(end)
        if stood is not None and stood.is_running:
            yield plan, stood


def mrr(plans: list[Plan], period: Period, granularity: Granularity, currency: str | None) -> dict[str, Any]:
    """
    Monthly recurring revenue by currency: per part of the period its opening, the movements, its closing.

    Formula: opening + new + expansion + reactivation + contraction + churn = closing, exactly, in twelfths; the last
    two are below zero. ARR: 12 times the closing, which in minor units is its number of twelfths.
    Unit: see `rates.monthly`. Source: as `mrr_on`.
    """
    every_part = list(period.parts(granularity))
    sums, counts = _moved_by_part(movements(plans, period), every_part)
    currencies = {plan.currency for plan in plans}
    opened, closed = mrr_on(plans, period.eve), [mrr_on(plans, part.last) for part in every_part]
    found: dict[str, Any] = {}
    for code in sorted(currencies if currency is None else currencies & {currency}):
        opening = opened.get(code, {"base": 0})["base"]
        parts = []
        for place, part in enumerate(every_part):
            closing = closed[place].get(code, {"base": 0, "cover": 0, "plans": 0})
            parts.append(
                {
                    "from": part.first,
                    "to": part.last,
                    "opening": monthly(opening),
                    "movements": {
                        kind.value: {
                            **monthly(sums[place, code, kind]),
                            "count": counts[place, code, kind],
                        }
                        for kind in Kind
                    },
                    "closing": monthly(closing["base"]),
                    "fee_cover": monthly(closing["cover"]),
                    "plans": closing["plans"],
                    "arr": closing["base"],
                }
            )
            opening = closing["base"]
        found[code] = parts
    return found


def _moved_by_part(
    moved: Iterable[Movement], parts: list[Period]
) -> tuple[Counter[tuple[int, str, str]], Counter[tuple[int, str, str]]]:
    """By place of the part, currency and kind: twelfths, and how many movements."""
    firsts = [part.first for part in parts]
    sums: Counter[tuple[int, str, str]] = Counter()
    counts: Counter[tuple[int, str, str]] = Counter()
    for movement in moved:
        key = (bisect_right(firsts, movement.day) - 1, movement.currency, movement.kind)
        sums[key] += movement.twelfths
        counts[key] += 1
    return sums, counts


def mrr_converted(
    plans: list[Plan], period: Period, granularity: Granularity, currency: str | None, into: str
) -> list[dict[str, Any]]:
    """
    Monthly recurring revenue of all currencies in one, per part of the period: its `closing`, by the rates of its last
    day (`converted`). It also moves as rates do; the movements themselves are told by currency only.
    """
    rates = Rates.of(period)
    found = []
    for part in period.parts(granularity):
        amounts = [
            (Fraction(sums["base"], 12), code, part.last)
            for code, sums in mrr_on(plans, part.last).items()
            if currency in (None, code)
        ]
        found.append({"from": part.first, "to": part.last, "closing": total(amounts, into, rates)})
    return found


def explain_mrr(plans: list[Plan], period: Period, currency: str | None, figure: str) -> list[dict[str, Any]]:
    """The rows behind a figure of `mrr`: of `opening` and `closing` the plans, else the movements of that kind."""
    if figure in ("opening", "closing"):
        day = period.eve if figure == "opening" else period.last
        rows = [
            {"contribution": plan.reference, "currency": plan.currency, "interval": plan.interval,
             "since": plan.started_at, "twelfths": stood.base}
            for plan, stood in running_on(plans, day)
        ]  # fmt: skip
    else:
        rows = [
            {"day": moved.day, "contributions": list(moved.references), "currency": moved.currency,
             "why": moved.why, "twelfths": moved.twelfths}
            for moved in movements(plans, period)
            if moved.kind == figure
        ]  # fmt: skip
    return [row for row in rows if currency in (None, row["currency"])]


# --- People


def givers_on(plans: Iterable[Plan], day: date) -> set[int]:
    """
    Active recurring donors: persons with one running plan or more when a day was over. Each counts once.

    Source: as `mrr_on`; who is one person, from the merges that stand.
    """
    return {plan.person_id for plan, _ in running_on(plans, day)}


def alive_on(plans: Iterable[Plan], day: date) -> set[int]:
    """Persons with a plan that had not ended when a day was over, paused ones included."""
    end = periods.start_of(day + periods.ONE_DAY)
    return {plan.person_id for plan in plans if (stood := plan.before(end)) and stood.is_alive}


def churn(
    plans: list[Plan], period: Period, granularity: Granularity, currency: str | None
) -> list[dict[str, Any]]:
    """
    Who left and what was lost, per part of the period.

    - `customers`: persons who had a plan at the start and whose last one ended in the part ÷ persons with a plan at the
      start (paused ones included); who joined within the part is in neither. Each counts once, by why they left first.
    - `mrr`: by currency, gross: (churn + contraction) ÷ MRR at the start; net: less expansion and reactivation.
    - `normalised`: plans that ended in the part ÷ plans up for renewal in it, or else annual plans would hide it.

    Source: as `mrr_on`. Unit: persons, twelfths, plans.
    """
    about = [plan for plan in plans if currency in (None, plan.currency)]
    moved = list(movements(plans, period))
    rows = []
    for part in period.parts(granularity):
        at_start = alive_on(about, part.eve)
        left: dict[int, str] = {}
        sums: dict[str, Counter[str]] = defaultdict(Counter)
        for movement in moved:
            if not part.holds(movement.day) or currency not in (None, movement.currency):
                continue
            sums[movement.currency][movement.kind] += movement.twelfths
            if movement.kind == Kind.CHURN and movement.person_id in at_start:
                left.setdefault(movement.person_id, movement.why)
        whys = Counter(left.values())
        ended, due = renewals(about, part)
        rows.append(
            {
                "from": part.first,
                "to": part.last,
                "customers": rate(len(left), len(at_start)),
                "voluntary": rate(whys[VOLUNTARY], len(at_start)),
                "payment_failed": rate(whys[PAYMENT_FAILED], len(at_start)),
                "mrr": _mrr_churn(sums, mrr_on(about, part.eve)),
                "normalised": rate(ended, due),
            }
        )
    return rows


def _mrr_churn(sums: dict[str, Counter[str]], opening: dict[str, dict[str, int]]) -> dict[str, Any]:
    found = {}
    for currency in sorted({*sums, *opening}):
        moved = sums[currency]
        start = opening.get(currency, {"base": 0})["base"]
        lost = -moved[Kind.CHURN] - moved[Kind.CONTRACTION]
        won = moved[Kind.EXPANSION] + moved[Kind.REACTIVATION]
        found[currency] = {"gross": rate(lost, start), "net": rate(lost - won, start)}
    return found


def renewals(plans: Iterable[Plan], period: Period) -> tuple[int, int]:
    """
    How many plans ended in a period, and how many were up for renewal in it: whose paid time came to its end while they
    were alive, or which ended before that. A plan counts once.
    """
    ended = due = 0
    for plan in plans:
        has_ended = any(
            stretch.ended_as and (place == 0 or not plan.stretches[place - 1].ended_as)
            and period.starts_at <= stretch.since < period.ends_at
            for place, stretch in enumerate(plan.stretches)
        )  # fmt: skip
        ended += has_ended
        due += has_ended or any(period.starts_at <= at < period.ends_at for at in plan.dues)
    return ended, due


def retention(plans: list[Plan], period: Period, currency: str | None, until: date) -> list[dict[str, Any]]:
    """
    Of those who began in a month of the period, the share still there so many months later; by the first plan's
    interval.

    Formula: persons with a plan that had not ended when month k after their first was over ÷ persons of the cohort.
    A month that is not over on `until` is not told. Cohorts: by the month of a person's first plan ever.
    Source: as `mrr_on`. Unit: persons.
    """
    firsts: dict[int, Plan] = {}
    of_person: dict[int, list[Plan]] = defaultdict(list)
    for plan in plans:
        of_person[plan.person_id].append(plan)
        first = firsts.get(plan.person_id)
        if first is None or (plan.started_at, plan.reference) < (first.started_at, first.reference):
            firsts[plan.person_id] = plan
    cohorts: dict[tuple[date, str], list[int]] = defaultdict(list)
    for person_id, plan in firsts.items():
        day = periods.day_of(plan.started_at)
        if period.holds(day) and currency in (None, plan.currency):
            cohorts[periods.month_of(day), plan.interval].append(person_id)
    rows = []
    for (month, interval), people in sorted(cohorts.items()):
        months = []
        for later in range(OLDEST_COHORTS + 1):
            last = periods.add_months(month, later + 1) - periods.ONE_DAY
            if last > until:
                break
            there = sum(
                any((stood := plan.on(last)) is not None and stood.is_alive for plan in of_person[person])
                for person in people
            )
            months.append({"month": later, **rate(there, len(people))})
        rows.append(
            {"cohort": month, "interval": Interval(interval).value, "size": len(people), "months": months}
        )
    return rows
