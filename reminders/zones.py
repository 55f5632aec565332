"""Where a reader's morning is: the zone that a browser tells, else the main zone of a country, else the newsroom's."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from babel.core import get_global
from django.conf import settings

# Where most people of a country with several zones live.
_MAIN: dict[str, str] = {
    "AR": "America/Argentina/Buenos_Aires", "AU": "Australia/Sydney", "BR": "America/Sao_Paulo",
    "CA": "America/Toronto", "CD": "Africa/Kinshasa", "CL": "America/Santiago", "CN": "Asia/Shanghai",
    "CY": "Asia/Nicosia", "DE": "Europe/Berlin", "EC": "America/Guayaquil", "ES": "Europe/Madrid",
    "FM": "Pacific/Pohnpei", "GL": "America/Nuuk", "ID": "Asia/Jakarta", "KI": "Pacific/Tarawa",
    "KZ": "Asia/Almaty", "MH": "Pacific/Majuro", "MN": "Asia/Ulaanbaatar", "MX": "America/Mexico_City",
    "MY": "Asia/Kuala_Lumpur", "NZ": "Pacific/Auckland", "PF": "Pacific/Tahiti", "PG": "Pacific/Port_Moresby",
    "PS": "Asia/Gaza", "PT": "Europe/Lisbon", "RU": "Europe/Moscow", "UA": "Europe/Kyiv",
    "US": "America/New_York", "UZ": "Asia/Tashkent", "VN": "Asia/Ho_Chi_Minh",
}  # fmt: skip


def is_zone(name: str) -> bool:
    """Whether this is the name of a place in the time zone database, such as Europe/Riga, or UTC."""
    return name == "UTC" or ("/" in name and name in _names())


def of_reader(*, time_zone: str, country: str) -> ZoneInfo:
    """The zone in which a reader lives, as far as we were told."""
    return _zone(time_zone or main_zone(country) or settings.NEWSROOM_TIME_ZONE)


def main_zone(country: str) -> str:
    """The zone of most people in a country (two capital letters); "" if the country is not known."""
    if country in _MAIN:
        return _MAIN[country]
    found = _by_country().get(country, [])
    return found[0] if len(found) == 1 else ""


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name if name == "UTC" or name in _names() else settings.NEWSROOM_TIME_ZONE)


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


@lru_cache(maxsize=1)
def _by_country() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for zone, country in get_global("zone_territories").items():
        if zone in _names():
            found[country].append(zone)
    return dict(found)
