"""
What share of a new contribution's first year is likely to remain, by how often it is given and in which currency.

An assumption of the newsroom, in a setting: some readers leave within the year, and a fee is taken. It is used where
contributions of different kinds are to be weighed against each other, and nowhere in the books.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from donations import currencies
from donations.intervals import Interval

# "month=83%" or "month:EUR=87%"
_ENTRY: Final = re.compile(r"([a-z]+)(?::([A-Za-z]+))?=([0-9]{1,3})%", re.ASCII)

Margins = Mapping[tuple[Interval, str], int]  # whole percent; "" stands for every currency that is not named


def parse_margins(text: str) -> Margins:
    """
    Read a setting such as "once=99%,month=83%,year=99%,month:EUR=87%": whole percent by interval, and by currency.

    Each interval has a margin without a currency, for all that are not named. Raises ValueError with a sentence that
    tells the operator what to write.

    >>> margin_for(parse_margins("once=99%, month=83%, year=99%, month:EUR=87%"), Interval.MONTH, "EUR")
    87
    >>> parse_margins("once=99%")
    Traceback (most recent call last):
    ValueError: Add a margin for every interval, such as once=99%,month=83%,year=99%.
    """
    margins: dict[tuple[Interval, str], int] = {}
    for entry in (part.strip() for part in text.split(",")):
        match = _ENTRY.fullmatch(entry)
        if match is None or match[1] not in list(Interval) or int(match[3]) > 100:
            raise ValueError(f"{entry!r} is not a margin; write one like month=83% or month:EUR=87%.")
        key = (Interval(match[1]), match[2] or "")
        if key in margins:
            raise ValueError(f"{entry!r} is the second margin of its kind; keep one.")
        if key[1] and key[1] not in currencies.CURRENCIES:
            raise ValueError(
                f"{key[1]!r} is not a currency that Stripe charges in; write its upper-case code."
            )
        margins[key] = int(match[3])
    if any((interval, "") not in margins for interval in Interval):
        raise ValueError("Add a margin for every interval, such as once=99%,month=83%,year=99%.")
    return margins


def margin_for(margins: Margins, interval: Interval, currency: str) -> int:
    """The margin of an interval in a currency, or the one for all other currencies; whole percent."""
    return margins.get((interval, currency), margins[interval, ""])
