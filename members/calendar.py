"""
The newsroom's calendar: months, days and the moments at which they end. Pure; no clock, no database.

Periods that Stripe bills come from Stripe, to the second. What we reckon ourselves (for how long a gift makes a member,
on which day a complimentary membership ends) is reckoned as people do: by the wall clock of the newsroom, in whole
calendar months that end with the month where it is too short.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def add_months(moment: datetime, count: int, zone: ZoneInfo) -> datetime:
    """
    The same time of the same day so many months later by the clocks of a zone; in UTC.

    The 31st becomes the last day of a shorter month, 29 February the 28th. A time that the clocks leave out that day
    is as much later as they are moved.

    >>> add_months(datetime(2027, 1, 31, 12, tzinfo=UTC), 1, ZoneInfo("UTC")).day
    28
    """
    local = moment.astimezone(zone)
    total = local.year * 12 + local.month - 1 + count
    year, month = total // 12, total % 12 + 1
    day = min(local.day, calendar.monthrange(year, month)[1])
    later = datetime.combine(date(year, month, day), local.time(), tzinfo=zone)
    return later.replace(fold=local.fold).astimezone(UTC)


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The moment at which a day is over in a zone, which is the first of the next one; in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
