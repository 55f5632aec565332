"""
Parts of the world, so that a test can be for readers of a region without naming its countries one by one.

Which countries there are in a continent is the United Nations' M49 list; the European Union's are its members. Codes
are ISO 3166-1 alpha-2, as proxies tell them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from babel.numbers import get_territory_currencies
from django.conf import settings
from django.http import HttpRequest

REGIONS: Final[dict[str, tuple[str, frozenset[str]]]] = {
    key: (name, frozenset(codes.split()))
    for key, name, codes in (
        (
            "EU",
            "European Union",
            "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK",
        ),
        (
            "EUROPE",
            "Europe",
            "AD AL AT AX BA BE BG BY CH CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD "
            "ME MK MT NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK",
        ),
        (
            "ASIA",
            "Asia",
            "AE AF AM AZ BD BH BN BT CN CY GE HK ID IL IN IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM MN MO MV MY NP "
            "OM PH PK PS QA SA SG SY TH TJ TL TM TR TW UZ VN YE",
        ),
        (
            "AFRICA",
            "Africa",
            "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW IO KE KM LR LS LY MA MG ML MR MU "
            "MW MZ NA NE NG RE RW SC SD SH SL SN SO SS ST SZ TD TF TG TN TZ UG YT ZA ZM ZW",
        ),
        (
            "AMERICAS",
            "Americas",
            "AG AI AR AW BB BL BM BO BQ BR BS BV BZ CA CL CO CR CU CW DM DO EC FK GD GF GL GP GS GT GY HN HT JM KN "
            "KY LC MF MQ MS MX NI PA PE PM PR PY SR SV SX TC TT US UY VC VE VG VI",
        ),
        (
            "OCEANIA",
            "Oceania",
            "AS AU CC CK CX FJ FM GU HM KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TO TV UM VU WF WS",
        ),
    )
}


def country_of(request: HttpRequest) -> str:
    """Where the reader is, if our proxy says so in the header that settings.COUNTRY_HEADER names; else ""."""
    if not settings.COUNTRY_HEADER:
        return ""
    told = request.headers.get(settings.COUNTRY_HEADER, "").upper()
    return told if is_country(told) else ""


def is_country(code: str) -> bool:
    """Whether this is a country's code, in capital letters."""
    return code in _countries()


def contains(region: str, country: str) -> bool:
    """Whether a country lies in a region of ours."""
    return country in REGIONS[region][1]


@lru_cache(maxsize=512)
def currency_of(country: str) -> str:
    """What people pay with in a country, by the CLDR; "" where nobody knows."""
    found = get_territory_currencies(country) if is_country(country) else []
    return str(found[0]) if found else ""


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    return frozenset().union(*(codes for _, codes in REGIONS.values()))
