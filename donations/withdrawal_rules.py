"""
Where and since when a reader may withdraw from the contract and have everything back: the rules by place, as data.

We never ask where a reader lives, so whoever began while any rule was in force has the days of the most generous one.
A new law is a new line. These are engineering inputs, not legal advice: have them looked at by somebody who may give
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from members import calendar


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One place's right to withdraw.

    :param days: for how many days, counted from the day after the contract was made.
    :param of_renewals: whether each renewal of a year or more begins the days anew.
    :param since, until: the first day on which it is in force and the first on which it is not any more.
    """

    place: str
    days: int
    of_renewals: bool
    since: date
    until: date | None
    source: str


RULES: tuple[Rule, ...] = (
    Rule(
        "European Union", 14, False, date(2026, 6, 19), None,
        "Directive 2011/83/EU with Article 11a: a labelled function, a second step, a receipt on a durable medium. "
        "Pure gifts are probably outside it, memberships with benefits probably inside",
    ),
    Rule(
        "United Kingdom", 14, True, date(2027, 4, 1), None,
        "DMCC Act, expected in spring 2027: a cooling-off period at the beginning and at each renewal of a year or "
        "more. Charitable memberships may be exempt",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Right:
    """Until when (UTC) one may withdraw, and under whose rule."""

    until: datetime
    place: str

    @property
    def last_moment(self) -> datetime:
        """For people: `until` is the midnight at which the last day is over."""
        return self.until - timedelta(seconds=1)


def right(
    made_at: datetime, zone: ZoneInfo, *, is_renewal: bool = False, rules: tuple[Rule, ...] = RULES
) -> Right | None:
    """
    The right that a contract made (or renewed for a year) at that moment brings; None where no rule gives one.

    The days are whole days of the newsroom's zone: the last one ends at midnight.
    """
    day = made_at.astimezone(zone).date()
    found = [
        rule
        for rule in rules
        if rule.since <= day
        and (rule.until is None or day < rule.until)
        and (rule.of_renewals or not is_renewal)
    ]
    if not found:
        return None
    best = max(found, key=lambda rule: rule.days)
    return Right(calendar.end_of_day(day + timedelta(days=best.days), zone), best.place)
