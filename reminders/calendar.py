"""
When a reminder is due: months, days and ten o'clock in the morning. Pure; no clock, no database.

A reader asks in words of a calendar ("next month", "every 3 months", a day), and gets a moment: 10:00 on that
day where the reader lives, kept in UTC. Nothing leaves between 21:00 and 08:00.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

TEN = time(10)
DAY_BEGINS, DAY_ENDS = time(8), time(21)
FURTHEST_MONTHS = 18
FREQUENCIES = range(1, 25)
# "Next month" asked for late in a month would be a mail in a few days: from the 20th on it is the month after
# (as the Guardian's reminder button counts).
LATE_IN_MONTH = 20
LATEST = timedelta(days=7)  # how much later than promised a reminder may still arrive

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class NoSuchDay(ValueError):
    """
    The wish names no day on which we can remind. `code` is stable; the message is fit for the reader.

    Codes: invalid, date_in_the_past, date_too_far.
    """

    def __init__(self, message: str, code: str = "invalid") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Plan:
    """
    The day of the (next) reminder, and how it goes on.

    :param anchor_day: the day of the month to which later months return: 31 January, 28 February, 31 March.
    :param every_months: 0 for a single reminder.
    """

    day: date
    anchor_day: int
    every_months: int = 0

    @property
    def period(self) -> date:
        """The month that the reminder belongs to, as its first day."""
        return self.day.replace(day=1)


# --- Months


def add_months(month: date, count: int) -> date:
    """
    The first day of the month so many months on (or back).

    >>> add_months(date(2026, 12, 31), 2)
    datetime.date(2027, 2, 1)
    """
    total = month.year * 12 + month.month - 1 + count
    return date(total // 12, total % 12 + 1, 1)


def day_in(month: date, anchor_day: int) -> date:
    """
    The anchor day in a month, or the month's last day where it is too short.

    >>> day_in(date(2027, 2, 1), 31), day_in(date(2027, 3, 1), 31)
    (datetime.date(2027, 2, 28), datetime.date(2027, 3, 31))
    """
    return month.replace(day=min(anchor_day, calendar.monthrange(month.year, month.month)[1]))


# --- From a wish to a day


def next_month(today: date) -> Plan:
    """The first day of next month; from the 20th on, of the month after."""
    return Plan(add_months(today, 2 if today.day >= LATE_IN_MONTH else 1), anchor_day=1)


def in_months(today: date, count: int) -> Plan:
    """The same day so many months on."""
    return Plan(day_in(add_months(today, count), today.day), anchor_day=today.day)


def every_months(today: date, count: int) -> Plan:
    """
    The same day every so many months, first so many months from now.

    :raises NoSuchDay: not 1 to 24.
    """
    check_frequency(count)
    first = in_months(today, count)
    return Plan(first.day, first.anchor_day, every_months=count)


def check_frequency(count: int) -> None:
    """:raises NoSuchDay: not 1 to 24 whole months."""
    if type(count) is not int or count not in FREQUENCIES:
        raise NoSuchDay("Choose a whole number of months, from 1 to 24.")


def on_day(text: str, *, today: date) -> Plan:
    """
    A day written as 2027-01-15: tomorrow at the earliest, at most 18 months away.

    :raises NoSuchDay: no day, or outside those bounds.
    """
    day = read_day(text)
    if day <= today:
        raise NoSuchDay("Choose a day in the future.", "date_in_the_past")
    _check_not_too_far(day, today)
    return Plan(day, anchor_day=day.day)


def in_month_of(text: str, *, today: date) -> Plan:
    """
    The first day of the month in which a day lies, as the Guardian's `reminderPeriod` counts.

    For this month, whose first day is over, it is tomorrow.

    :raises NoSuchDay: no day, or a month before this one, or more than 18 months away.
    """
    first = read_day(text).replace(day=1)
    if first < today.replace(day=1):
        raise NoSuchDay("Choose this month or a later one.", "date_in_the_past")
    _check_not_too_far(first, today)
    return Plan(max(first, today + timedelta(days=1)), anchor_day=1)


def read_day(text: str) -> date:
    """
    A day written as 2027-01-15, whenever that is.

    :raises NoSuchDay: no such day, or not written like that.
    """
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise NoSuchDay("Write the day as year, month and day: 2027-01-15.") from None


def _check_not_too_far(day: date, today: date) -> None:
    if day.replace(day=1) > add_months(today, FURTHEST_MONTHS):
        raise NoSuchDay(f"Choose a day within the next {FURTHEST_MONTHS} months.", "date_too_far")


# --- From a day to a moment


def due_at(day: date, zone: ZoneInfo) -> datetime:
    """Ten in the morning of that day in that zone, in UTC, whatever the clocks did in the night before."""
    return datetime.combine(day, TEN, tzinfo=zone).astimezone(UTC)


def is_night(moment: datetime, zone: ZoneInfo) -> bool:
    """Whether people in that zone sleep: from 21:00 to 08:00."""
    local = moment.astimezone(zone).time()
    return local < DAY_BEGINS or local >= DAY_ENDS


def next_morning(moment: datetime, zone: ZoneInfo) -> datetime:
    """The next ten o'clock in that zone after this moment, in UTC."""
    today = moment.astimezone(zone).date()
    morning = due_at(today, zone)
    return morning if morning > moment else due_at(today + timedelta(days=1), zone)


def following(day: date, *, anchor_day: int, every: int, zone: ZoneInfo, after: datetime) -> Plan:
    """
    The next day of a series after `day` whose moment lies after `after`; days that were missed are left out.

    :param every: months between two reminders, 1 to 24.
    """
    month = add_months(day, every)
    while due_at(day_in(month, anchor_day), zone) <= after:
        month = add_months(month, every)
    return Plan(day_in(month, anchor_day), anchor_day, every_months=every)
