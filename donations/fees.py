"""
What a reader adds so that the newsroom keeps the whole gift.

The processor takes a percentage of what is charged plus a fixed part. Adding that fee to the gift is not
enough, since the fee is then taken from the sum as well. The amount to charge is the smallest one from
which, after the processor's own rounding, the whole gift is left.

The rates here are estimates for the offer to the reader; the fee that was really taken is read later from
Stripe's balance transaction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from donations import currencies
from donations.money import Money

_WHOLE: Final = 10_000  # basis points in 100 %

ANY_CURRENCY: Final = "*"

# "2.9%" or "2.9%+30": at most two decimals, which is what a basis point can hold.
_RATE_TEXT: Final = re.compile(r"([0-9]{1,2})(?:\.([0-9]{1,2}))?%(?:\+([0-9]{1,8}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class FeeRate:
    """
    A processor's price: hundredths of a percent of the charge, plus a fixed part in minor units.

    Raises ValueError unless the percentage is at least 0 and below 100 and the fixed part is not negative.

    >>> FeeRate(basis_points=290, fixed_minor=30).fee(Money(1000, "USD"))
    Money(minor=59, currency='USD')
    """

    basis_points: int
    fixed_minor: int

    def __post_init__(self) -> None:
        if type(self.basis_points) is not int or type(self.fixed_minor) is not int:
            raise TypeError("a fee is made of ints: basis points and minor units")
        if not 0 <= self.basis_points < _WHOLE:
            raise ValueError("the percentage of a fee is at least 0 and less than 100")
        if self.fixed_minor < 0:
            raise ValueError("the fixed part of a fee is not negative")

    def fee(self, gross: Money) -> Money:
        """What is taken from a charge of `gross`: the share rounded half up, then the fixed part."""
        share = (gross.minor * self.basis_points + _WHOLE // 2) // _WHOLE
        return Money(share + self.fixed_minor, gross.currency)


def cover(base: Money, rate: FeeRate) -> Money:
    """
    Return what to add to `base` so that all of `base` is left once the fee is taken.

    `base + cover(base, rate)` is the smallest amount on the currency's chargeable grid for which
    `gross - fee(gross) >= base`. It may lie above the currency's maximum; ask `check_chargeable` of the
    sum. Raises ValueError unless `base` is positive.

    >>> usual = FeeRate(basis_points=290, fixed_minor=30)
    >>> str(cover(Money(200, "USD"), usual)), str(cover(Money(20400, "USD"), usual))
    ('USD 0.37', 'USD 6.40')
    """
    if base.minor <= 0:
        raise ValueError("only a positive gift has a fee to cover")
    # gross - round_half_up(gross * bp / W) >= wanted, with W = 10,000, is the same as
    #   floor((gross * bp + W/2) / W) <= gross - wanted
    #   gross * bp + W/2 < W * (gross - wanted + 1)
    #   gross * (W - bp) > W * wanted - W/2
    # and the smallest integer above a quotient is its floor plus one.
    wanted = base.minor + rate.fixed_minor
    gross = (_WHOLE * wanted - _WHOLE // 2) // (_WHOLE - rate.basis_points) + 1
    # What is left never shrinks as the charge grows, so the next point of the grid suffices too.
    step = currencies.get(base.currency).step_minor
    return Money(-(-gross // step) * step - base.minor, base.currency)


def parse_rates(text: str) -> dict[str, FeeRate]:
    """
    Read a setting such as "USD:2.9%+30,EUR:1.5%+25,*:2.9%" into a rate for each currency.

    The part after the plus is in minor units of its currency. `*` stands for every currency that is not
    named; it must be there, so that each reader who wants to cover the fee can, and it has no fixed part,
    since 30 cents and 30 yen are different things. "*:0%" means that nothing is added.

    Raises ValueError with a sentence that tells the operator what to write.

    >>> parse_rates("USD:2.9%+30, *:2.9%")["USD"]
    FeeRate(basis_points=290, fixed_minor=30)
    >>> parse_rates("USD:2,9%")
    Traceback (most recent call last):
    ValueError: 'USD:2' is not a fee rate; write one like USD:2.9%+30 or *:2.9%.
    """
    rates: dict[str, FeeRate] = {}
    for entry in (part.strip() for part in text.split(",")):
        code, _, price = entry.partition(":")
        match = _RATE_TEXT.fullmatch(price)
        if match is None:
            raise ValueError(f"{entry!r} is not a fee rate; write one like USD:2.9%+30 or *:2.9%.")
        if code in rates:
            raise ValueError(f"{code} has two fee rates; keep one.")
        if code != ANY_CURRENCY and code not in currencies.CURRENCIES:
            raise ValueError(f"{code!r} is not a currency that Stripe charges in; write its upper-case code.")
        whole, decimals, fixed = match[1], match[2] or "", match[3]
        if code == ANY_CURRENCY and fixed is not None:
            raise ValueError("The rate for * has no fixed part: its minor unit would differ by currency.")
        rates[code] = FeeRate(int(whole + decimals.ljust(2, "0")), int(fixed or 0))
    if ANY_CURRENCY not in rates:
        raise ValueError("Add a fee rate for every other currency, such as *:2.9% (or *:0% for none).")
    return rates


def rate_for(rates: Mapping[str, FeeRate], currency: str) -> FeeRate:
    """
    Return the rate for this currency, or the one for all others. `rates` comes from `parse_rates`.

    >>> rate_for(parse_rates("USD:2.9%+30,*:2.9%"), "JPY")
    FeeRate(basis_points=290, fixed_minor=0)
    """
    return rates.get(currency, rates[ANY_CURRENCY])
