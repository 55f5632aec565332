"""
The tz database read by a few lines of our own (RFC 9636), so that tests do not ask the library that the house asks.

Only what a moment after 1970 needs: when a zone's distance to Greenwich becomes which, and the rule for later years.
"""

from __future__ import annotations

import bisect
import importlib.resources
import re
import struct
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import TZPATH

_NAME = r"(?:<[^>]+>|[A-Za-z]+)"
_TIME = r"[+-]?[\d:]+"
_RULE = re.compile(
    rf"{_NAME}(?P<std>{_TIME})(?:{_NAME}(?P<dst>{_TIME})?,(?P<begin>[^,/]+)(?:/(?P<at>{_TIME}))?"
    rf",(?P<end>[^,/]+)(?:/(?P<until>{_TIME}))?)?"
)


def ten_on_the_wall(day: date, name: str) -> int:
    """The Unix second at which the clocks on the wall of a zone show 10:00 on a day; there must be exactly one."""
    moments, offsets = changes(name, until=day.year + 1)
    wall = (day - date(1970, 1, 1)).days * 86400 + 10 * 3600
    found = {
        wall - offset
        for offset in set(offsets)
        if offsets[max(bisect.bisect_right(moments, wall - offset) - 1, 0)] == offset
    }
    [one] = found
    return one


@lru_cache(maxsize=64)
def changes(name: str, *, until: int) -> tuple[list[int], list[int]]:
    """The Unix seconds at which the distance to Greenwich becomes the one (in seconds) beside it, up to a year."""
    moments, offsets, rule = _read(name)
    last = moments[-1] if moments else 0
    for moment, offset in sorted(_by_rule(rule, 1970, until)):
        if moment > last:
            moments, offsets = [*moments, moment], [*offsets, offset]
    return moments, offsets


@lru_cache(maxsize=64)
def _read(name: str) -> tuple[list[int], list[int], str]:
    data = _bytes(name)
    _, _, second = _block(data, 0, 4)
    moments, offsets, end = _block(data, second, 8)
    return moments, offsets, data[end:].strip().decode()


def _block(data: bytes, at: int, size: int) -> tuple[list[int], list[int], int]:
    isutc, isstd, leap, times, types, chars = struct.unpack(">6l", data[at + 20 : at + 44])
    at += 44
    moments = list(struct.unpack(f">{times}{'l' if size == 4 else 'q'}", data[at : at + times * size]))
    at += times * size
    kinds = data[at : at + times]
    at += times
    offsets = [struct.unpack(">l", data[at + 6 * kind : at + 6 * kind + 4])[0] for kind in range(types)]
    end = at + 6 * types + chars + leap * (size + 4) + isstd + isutc
    return moments, [offsets[kind] for kind in kinds] or offsets[:1], end


def _by_rule(rule: str, first: int, until: int) -> list[tuple[int, int]]:
    """The changes of some years by a POSIX rule, such as EET-2EEST,M3.5.0/3,M10.5.0/4."""
    read = _RULE.fullmatch(rule)
    if read is None or read["begin"] is None:
        return []
    standard = -_seconds(read["std"])  # POSIX counts west of Greenwich
    summer = -_seconds(read["dst"]) if read["dst"] else standard + 3600
    found = []
    for year in range(first, until + 1):
        begin = _day(read["begin"], year) + _seconds(read["at"] or "2") - standard
        end = _day(read["end"], year) + _seconds(read["until"] or "2") - summer
        found += [(begin, summer), (end, standard)]
    return found


def _day(text: str, year: int) -> int:
    """Midnight, as a Unix second of wall time, of Mm.w.d (week 5 is the last) or Jn (no 29 February)."""
    if text.startswith("J"):
        day = date(year, 1, 1) + timedelta(days=int(text[1:]) - 1)
        is_leap = date(year, 12, 31).timetuple().tm_yday == 366
        day += timedelta(days=1 if is_leap and int(text[1:]) >= 60 else 0)
    else:
        month, week, weekday = map(int, text[1:].split("."))
        one = date(year, month, 1)
        day = one + timedelta(days=(weekday - one.isoweekday()) % 7 + 7 * (week - 1))
        while day.month != month:
            day -= timedelta(days=7)
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _seconds(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    parts = [int(part) for part in text.lstrip("+-").split(":")] + [0, 0]
    return sign * (parts[0] * 3600 + parts[1] * 60 + parts[2])


def _bytes(name: str) -> bytes:
    for folder in TZPATH:
        if (path := Path(folder) / name).is_file():
            return path.read_bytes()
    return (importlib.resources.files("tzdata") / "zoneinfo" / name).read_bytes()
