"""
A time zone's rules as a calendar file tells them (VTIMEZONE, RFC 5545, 3.6.5), from the tz database. Pure.

Where the clocks change by a rule ("the last Sunday in March"), the rule is written down and holds for ever; where
they do not (Ramadan in Morocco), each change of the next ten years is.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_YEARS = 10
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@dataclass(frozen=True, slots=True)
class _Change:
    """The clocks go from one distance to Greenwich to another; `wall` is what they showed at that moment."""

    wall: datetime
    before: timedelta
    after: timedelta
    name: str

    @property
    def kind(self) -> tuple[int, int, tuple[int, int, int], timedelta, timedelta]:
        """All but the place in the month: what two years have in common."""
        time = (self.wall.hour, self.wall.minute, self.wall.second)
        return self.wall.month, self.wall.weekday(), time, self.before, self.after

    @property
    def places(self) -> set[int]:
        """Which of its weekdays in the month it is, counted from the start and, if the last one, from the end."""
        day, last = self.wall.day, calendar.monthrange(self.wall.year, self.wall.month)[1]
        return {(day - 1) // 7 + 1} | ({-1} if day + 7 > last else set())


def lines(zone: ZoneInfo, *, first: date) -> list[str]:
    """The component's lines, unfolded, good for every moment from the year of `first` on."""
    return list(_lines(zone, first.year))


@lru_cache(maxsize=256)
def _lines(zone: ZoneInfo, year: int) -> tuple[str, ...]:
    begin = datetime(year, 1, 1, tzinfo=UTC)
    offset = begin.astimezone(zone).utcoffset() or timedelta()
    changes = list(_changes(zone, begin, datetime(year + _YEARS, 1, 1, tzinfo=UTC)))
    least = min([offset, *(change.after for change in changes)])
    name = begin.astimezone(zone).tzname() or zone.key
    start = _Change(datetime.combine(date(year, 1, 1), time()), offset, offset, name)
    found = ["BEGIN:VTIMEZONE", f"TZID:{zone.key}", *_observance(start, least)]
    rules = _rules(changes)
    for change, rule in rules or [(change, "") for change in changes]:
        found += _observance(change, least, rule)
    return (*found, "END:VTIMEZONE")


def _changes(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[_Change]:
    """Each moment at which the zone's clocks change."""
    moment, offset = begin, begin.astimezone(zone).utcoffset()
    while moment < end:
        later = moment + timedelta(days=1)
        if later.astimezone(zone).utcoffset() != offset:
            low, high = moment, later
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                low, high = (middle, high) if middle.astimezone(zone).utcoffset() == offset else (low, middle)
            at = high.replace(microsecond=0)
            local, before = at.astimezone(zone), offset or timedelta()
            after = local.utcoffset() or timedelta()
            yield _Change((at + before).replace(tzinfo=None), before, after, local.tzname() or zone.key)
            offset = later.astimezone(zone).utcoffset()
        moment = later


def _rules(changes: Sequence[_Change]) -> list[tuple[_Change, str]]:
    """The changes of the first year, each with the rule by which it comes again; none if there is no rule."""
    years: dict[int, list[_Change]] = {}
    for change in changes:
        years.setdefault(change.wall.year, []).append(change)
    found: list[tuple[_Change, str]] = []
    if len(years) != _YEARS or len({len(each) for each in years.values()}) != 1:
        return found
    for same in zip(*years.values(), strict=True):
        places = set.intersection(*(change.places for change in same))
        if len({change.kind for change in same}) != 1 or not places:
            return []
        day = f"{min(places)}{_DAYS[same[0].wall.weekday()]}"
        found.append((same[0], f"RRULE:FREQ=YEARLY;BYMONTH={same[0].wall.month};BYDAY={day}"))
    return found


def _observance(change: _Change, least: timedelta, rule: str = "") -> list[str]:
    # By what the clocks do, not by what the law calls it: Ireland's law calls its winter the exception.
    kind = "DAYLIGHT" if change.after > least else "STANDARD"
    return [
        f"BEGIN:{kind}",
        f"DTSTART:{change.wall:%Y%m%dT%H%M%S}",
        f"TZOFFSETFROM:{_offset(change.before)}",
        f"TZOFFSETTO:{_offset(change.after)}",
        f"TZNAME:{change.name}",
        *([rule] if rule else []),
        f"END:{kind}",
    ]


def _offset(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"
