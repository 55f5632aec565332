"""
When a subscription's periods begin and end.
"""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

from sandbox.account import Obj


def period_start(anchor: int, recurring: Obj, cycle: int) -> int:
    """
    When a subscription's period number ``cycle`` (0 is the first) starts, in unix seconds. Months keep to the
    anchor's day, or to the last day of a month that has none: 31 January, 28 February, 31 March.
    """
    count = recurring["interval_count"] * cycle
    first = datetime.fromtimestamp(anchor, UTC)
    if recurring["interval"] in ("day", "week"):
        days = count * (7 if recurring["interval"] == "week" else 1)
        return int((first + timedelta(days=days)).timestamp())
    months = first.month - 1 + count * (12 if recurring["interval"] == "year" else 1)
    year, month = first.year + months // 12, months % 12 + 1
    day = min(first.day, calendar.monthrange(year, month)[1])
    return int(first.replace(year=year, month=month, day=day).timestamp())
