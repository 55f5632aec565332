"""
A reminder in the reader's own calendar (RFC 5545): for people who would rather not leave an address anywhere.

Nothing is stored: the entry holds the link itself. It carries its time zone's rules, so that ten in the morning
stays ten in the morning wherever the calendar is read.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from reminders import calendar

_LASTS = timedelta(minutes=15)
_RULES_FOR = timedelta(days=5 * 366)  # how far ahead the zone's changes are written down


def entry(*, plan: calendar.Plan, zone: ZoneInfo, title: str, text: str, link: str, now: datetime) -> str:
    """A calendar file with one entry (or one series) at 10:00, with an alarm."""
    start = datetime.combine(plan.day, calendar.TEN)
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Sustainer//Reminders//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        *_zone_rules(zone, plan.day),
        "BEGIN:VEVENT",
        f"UID:{uuid.uuid4()}@sustainer",
        f"DTSTAMP:{now.astimezone(UTC):%Y%m%dT%H%M%SZ}",
        "SEQUENCE:0",
        f"DTSTART;TZID={zone.key}:{start:%Y%m%dT%H%M%S}",
        f"DTEND;TZID={zone.key}:{start + _LASTS:%Y%m%dT%H%M%S}",
        *_repetition(plan),
        f"SUMMARY:{_escaped(title)}",
        f"DESCRIPTION:{_escaped(f'{text} {link}'.strip())}",
        f"URL:{link}",
        "TRANSP:TRANSPARENT",
        "CLASS:PRIVATE",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        f"DESCRIPTION:{_escaped(title)}",
        "TRIGGER:PT0S",
        "END:VALARM",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{folded}\r\n" for line in lines for folded in _folded(line))


def _repetition(plan: calendar.Plan) -> list[str]:
    if not plan.every_months:
        return []
    rule = f"RRULE:FREQ=MONTHLY;INTERVAL={plan.every_months}"
    if plan.anchor_day <= 28:
        return [f"{rule};BYMONTHDAY={plan.anchor_day}"]
    # The last of the days up to the anchor that the month has: the 28th of February, the 31st of March.
    days = ",".join(str(day) for day in range(28, plan.anchor_day + 1))
    return [f"{rule};BYMONTHDAY={days};BYSETPOS=-1"]


def _zone_rules(zone: ZoneInfo, first: date) -> Iterator[str]:
    yield "BEGIN:VTIMEZONE"
    yield f"TZID:{zone.key}"
    begin = datetime(first.year, 1, 1, tzinfo=UTC)
    yield from _observance(begin, zone, before=begin.astimezone(zone).utcoffset() or timedelta())
    for moment, before in _changes(zone, begin, begin + _RULES_FOR):
        yield from _observance(moment, zone, before=before)
    yield "END:VTIMEZONE"


def _changes(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[tuple[datetime, timedelta]]:
    """Each moment at which the zone's clocks change, with the offset before it."""
    moment, offset = begin, begin.astimezone(zone).utcoffset()
    while moment < end:
        later = moment + timedelta(days=1)
        if later.astimezone(zone).utcoffset() != offset:
            low, high = moment, later
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                low, high = (middle, high) if middle.astimezone(zone).utcoffset() == offset else (low, middle)
            change = high.replace(microsecond=0)
            yield change, offset or timedelta()
            offset = later.astimezone(zone).utcoffset()
        moment = later


def _observance(moment: datetime, zone: ZoneInfo, *, before: timedelta) -> Iterator[str]:
    local = moment.astimezone(zone)
    after = local.utcoffset() or timedelta()
    name = "DAYLIGHT" if local.dst() else "STANDARD"
    yield f"BEGIN:{name}"
    yield f"DTSTART:{moment + before:%Y%m%dT%H%M%S}"
    yield f"TZOFFSETFROM:{_offset(before)}"
    yield f"TZOFFSETTO:{_offset(after)}"
    yield f"TZNAME:{_escaped(local.tzname() or zone.key)}"
    yield f"END:{name}"


def _offset(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"


def _escaped(text: str) -> str:
    plain = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return plain.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "")


def _folded(line: str) -> Iterator[str]:
    """A line of at most 75 bytes and its continuations, never cut inside a letter."""
    part, size = "", 0
    for letter in line:
        width = len(letter.encode())
        if size + width > 75:
            yield part
            part, size = " ", 1
        part += letter
        size += width
    yield part
