"""Contributions whose amount or interval was changed. Pure: plans in, figures out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from donations.intervals import Interval
from donations.reports import periods
from donations.reports.periods import Period
from donations.reports.plans import Plan, Stretch
from donations.reports.rates import monthly

FIGURES = ("upgrades", "downgrades", "to_annual", "to_monthly")


@dataclass(frozen=True, slots=True)
class AmountChange:
    """How the gift of one plan changed on one day of the newsroom, in twelfths of a minor unit a month."""

    day: date
    contribution: str
    currency: str
    before: Stretch
    after: Stretch

    @property
    def twelfths(self) -> int:
        return self.after.base - self.before.base

    @property
    def figures(self) -> tuple[str, ...]:
        """In which figures it counts: by what it came to, and where the interval is another one, by that as well."""
        found = []
        if self.twelfths:
            found.append("upgrades" if self.twelfths > 0 else "downgrades")
        if self.before.interval != self.after.interval:
            found.append("to_annual" if self.after.interval == Interval.YEAR else "to_monthly")
        return tuple(found)


def amount_changes(plans: Iterable[Plan], period: Period) -> Iterator[AmountChange]:
    """Every change of a period, plan by plan."""
    for plan in plans:
        before: Stretch | None = None
        for day in sorted({periods.day_of(stretch.since) for stretch in plan.stretches}):
            stood = plan.on(day)
            assert stood is not None, "it changed that day, so that it had begun"
            if stood.ended_as:
                before = None
            elif stood.is_running:
                if before is not None and period.holds(day):
                    change = AmountChange(day, plan.reference, plan.currency, before, stood)
                    if change.figures:
                        yield change
                before = stood


def upgrades(changes: Iterable[AmountChange], currencies: Iterable[str]) -> dict[str, dict[str, Any]]:
    """
    Contributions that were changed to another amount or interval, by currency: how many, and what it came to a month.

    - `upgrades`, `downgrades`: whose gift is more, or less, when the day is over than it was before; without fee cover.
    - `to_annual`, `to_monthly`: whose interval is another one. What it came to compares 12 monthly gifts with a yearly
      one. Those that changed the amount by it are among the upgrades or downgrades as well.

    Plans are compared with themselves: a second plan is none of these, nor is a pause, an end or a return. A change
    during a pause counts on the day on which the plan goes on. Whoever changed it, reader, staff or Stripe's pages.
    Unit: plans, twelfths (see `rates.monthly`). Source: `MembershipStep`; the parts of a sum and its interval from
    `ContributionChange` and `SubscriptionChange`.
    """
    counts: Counter[tuple[str, str]] = Counter()
    sums: Counter[tuple[str, str]] = Counter()
    for change in changes:
        for figure in change.figures:
            counts[change.currency, figure] += 1
            sums[change.currency, figure] += change.twelfths
    return {
        currency: {
            figure: {**monthly(sums[currency, figure]), "count": counts[currency, figure]}
            for figure in FIGURES
        }
        for currency in currencies
    }


def explain_upgrades(changes: Iterable[AmountChange], figure: str) -> list[dict[str, Any]]:
    """The changes behind a figure."""
    return [
        {
            "day": change.day,
            "contribution": change.contribution,
            "currency": change.currency,
            "before": {"interval": change.before.interval, "twelfths": change.before.base},
            "after": {"interval": change.after.interval, "twelfths": change.after.base},
            "twelfths": change.twelfths,
        }
        for change in changes
        if figure in change.figures
    ]
