"""Stretches of the newsroom's calendar. Pure but for the setting that says where the newsroom is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from django.conf import settings

ONE_DAY = timedelta(days=1)


class Granularity(StrEnum):
    """How finely a period is divided. A week begins on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Period:
    """
    Some days of the newsroom's calendar, the first and the last included.

    >>> [str(part.first) for part in Period(date(2027, 1, 15), date(2027, 3, 2)).parts(Granularity.MONTH)]
    ['2027-01-15', '2027-02-01', '2027-03-01']
    """

    first: date
    last: date

    @property
    def starts_at(self) -> datetime:
        """The first moment of it."""
        return start_of(self.first)

    @property
    def ends_at(self) -> datetime:
        """The moment at which it is over: the first of the next day."""
        return start_of(self.last + ONE_DAY)

    @property
    def eve(self) -> date:
        """The day before it."""
        return self.first - ONE_DAY

    def before(self) -> Period:
        """As many days, right before it."""
        return Period(self.first - (self.last + ONE_DAY - self.first), self.eve)

    def holds(self, day: date) -> bool:
        return self.first <= day <= self.last

    def in_months(self) -> tuple[Period | None, Period | None, Period | None]:
        """
        The days before its first whole month, all its whole months, and the days after the last of them.

        None for each of these that it does not have. Where there is no whole month, all days come before it.

        >>> before, months, after = Period(date(2027, 1, 15), date(2027, 3, 31)).in_months()
        >>> str(before.last), str(months.first), after
        ('2027-01-31', '2027-02-01', None)
        """
        first = self.first if self.first.day == 1 else add_months(self.first, 1)
        end = month_of(self.last + ONE_DAY)
        if first >= end:
            return self, None, None
        before = Period(self.first, first - ONE_DAY) if self.first < first else None
        after_them = Period(end, self.last) if end <= self.last else None
        return before, Period(first, end - ONE_DAY), after_them

    def parts(self, granularity: Granularity) -> Iterator[Period]:
        """The period, divided; the first and the last part may be cut off."""
        first = self.first
        while first <= self.last:
            following = after(first, granularity)
            yield Period(first, min(following - ONE_DAY, self.last))
            first = following


def after(day: date, granularity: Granularity) -> date:
    """The first day after the week, month … that a day lies in."""
    match granularity:
        case Granularity.DAY:
            return day + ONE_DAY
        case Granularity.WEEK:
            return day + timedelta(days=7 - day.weekday())
        case Granularity.MONTH:
            return add_months(day.replace(day=1), 1)
        case Granularity.QUARTER:
            return add_months(date(day.year, (day.month - 1) // 3 * 3 + 1, 1), 3)
        case Granularity.YEAR:
            return date(day.year + 1, 1, 1)


def add_months(first: date, count: int) -> date:
    """The first day of a month so many months later than the month of a day."""
    total = first.year * 12 + first.month - 1 + count
    return date(total // 12, total % 12 + 1, 1)


def months_ago(day: date, count: int) -> date:
    """
    The same day so many months earlier; the last of a month that has no such day.

    >>> str(months_ago(date(2027, 3, 31), 1)), str(months_ago(date(2027, 3, 15), 3))
    ('2027-02-28', '2026-12-15')
    """
    last = add_months(day, 1 - count) - ONE_DAY
    return last.replace(day=min(day.day, last.day))


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


def zone() -> ZoneInfo:
    return ZoneInfo(settings.NEWSROOM_TIME_ZONE)


def start_of(day: date) -> datetime:
    """The first moment of a day in the newsroom, in UTC."""
    return datetime.combine(day, time(), tzinfo=zone()).astimezone(UTC)


def day_of(moment: datetime) -> date:
    """On which day of the newsroom's calendar something happened."""
    return moment.astimezone(zone()).date()
