"""
Lengths of time and moments, as a script writes them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from sandbox.errors import invalid
from sandbox.periods import period_start

UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}


def span(text: str, *, since: int, param: str) -> timedelta:
    """
    How long ``"31 days"``, ``"2 hours"`` or ``"1 month"`` is, counted from a moment in unix seconds: months and
    years have no length of their own. Raises 400 for what is none of these, and for the end of the calendar.
    """
    match = re.fullmatch(r"\s*(\d{1,6})\s*(second|minute|hour|day|week|month|year)s?\s*", text)
    if not match:
        raise invalid(f"Not a length of time: {text!r}. Try '31 days' or '1 month'.", param=param)
    count, unit = int(match[1]), match[2]
    try:
        if unit in UNITS:
            length = UNITS[unit] * count
            datetime.fromtimestamp(since, UTC) + length
            return length
        end = period_start(since, {"interval": unit, "interval_count": 1}, count)
        return timedelta(seconds=end - since)
    except (OverflowError, ValueError):
        raise invalid("That is beyond the end of the calendar.", param=param) from None


def moment(text: str, *, param: str) -> datetime:
    """The aware moment that an ISO time means, UTC unless it says otherwise. Raises 400 for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(f"Not an ISO time: {text!r}.", param=param) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
