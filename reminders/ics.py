"""
A reminder in the reader's own calendar (RFC 5545): for people who would rather not leave an address anywhere.

Nothing is stored: the entry holds its links itself, and whoever follows them brings along what it was. One entry
has one UID for ever; a later file about it has a higher SEQUENCE, and so replaces or cancels it (RFC 5546). It
carries its time zone's rules, so that ten in the morning stays ten in the morning wherever the calendar is read.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from reminders import calendar, vtimezone

_LASTS = timedelta(minutes=15)
# What was made later counts (RFC 5545, 3.8.7.4): as nobody remembers how often an entry was changed, the time tells.
_SEQUENCE_BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
_LONGEST_LINE = 75  # bytes, without the line break


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One entry or one series at 10:00.

    :param organizer: the newsroom's name and its address for questions, as RFC 5546 wants in a published entry.
    :param text: what stands in its description, links included; none once it is cancelled.
    """

    uid: uuid.UUID
    plan: calendar.Plan
    zone: ZoneInfo
    title: str
    organizer: tuple[str, str]
    text: str = ""
    link: str = ""


def published(entry: Entry, *, now: datetime) -> str:
    """The file that puts the entry, with an alarm, into a calendar, or replaces what it was there."""
    lines = [
        *_times(entry),
        *_repetition(entry.plan),
        f"SUMMARY:{_escaped(entry.title)}",
        f"DESCRIPTION:{_escaped(entry.text)}",
        f"URL:{entry.link}",
        "STATUS:CONFIRMED",
        "TRANSP:TRANSPARENT",
        "CLASS:PRIVATE",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        f"DESCRIPTION:{_escaped(entry.title)}",
        "TRIGGER:PT0S",
        "END:VALARM",
    ]
    return _file("PUBLISH", entry, lines, now)


def cancelled(entry: Entry, *, now: datetime) -> str:
    """The file that takes the entry, all of its days, out of a calendar again."""
    lines = [
        *_times(entry),
        *_repetition(entry.plan),
        f"SUMMARY:{_escaped(entry.title)}",
        "STATUS:CANCELLED",
        "TRANSP:TRANSPARENT",
    ]
    return _file("CANCEL", entry, lines, now)


def _file(method: str, entry: Entry, about: list[str], now: datetime) -> str:
    name, email = entry.organizer
    stamp = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Sustainer//Reminders//EN",
        "CALSCALE:GREGORIAN",
        f"METHOD:{method}",
        *vtimezone.lines(entry.zone, first=entry.plan.day),
        "BEGIN:VEVENT",
        f"UID:{entry.uid}@sustainer",
        f"DTSTAMP:{stamp}",
        f"LAST-MODIFIED:{stamp}",
        f"SEQUENCE:{max(0, int((now - _SEQUENCE_BEGINS).total_seconds()))}",
        f"ORGANIZER;CN={_quoted(name)}:mailto:{email}",
        *about,
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{folded}\r\n" for line in lines for folded in _folded(line))


def _times(entry: Entry) -> list[str]:
    start = datetime.combine(entry.plan.day, calendar.TEN)
    zone = entry.zone.key
    return [
        f"DTSTART;TZID={zone}:{start:%Y%m%dT%H%M%S}",
        f"DTEND;TZID={zone}:{start + _LASTS:%Y%m%dT%H%M%S}",
    ]


def _repetition(plan: calendar.Plan) -> list[str]:
    if not plan.every_months:
        return []
    rule = f"RRULE:FREQ=MONTHLY;INTERVAL={plan.every_months}"
    if plan.anchor_day <= 28:
        return [f"{rule};BYMONTHDAY={plan.anchor_day}"]
    # The last of the days up to the anchor that the month has: the 28th of February, the 31st of March.
    days = ",".join(str(day) for day in range(28, plan.anchor_day + 1))
    return [f"{rule};BYMONTHDAY={days};BYSETPOS=-1"]


def _escaped(text: str) -> str:
    plain = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return plain.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "")


def _quoted(text: str) -> str:
    """A parameter's value; it cannot hold a double quote or a line break at all."""
    return '"' + "".join(letter for letter in text.replace('"', "'") if letter.isprintable()) + '"'


def _folded(line: str) -> Iterator[str]:
    """A line of at most 75 bytes and its continuations, never cut inside a letter."""
    part, size = "", 0
    for letter in line:
        width = len(letter.encode())
        if size + width > _LONGEST_LINE:
            yield part
            part, size = " ", 1
        part += letter
        size += width
    yield part
