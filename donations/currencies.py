"""
The currencies a reader can pay in, exactly as Stripe counts them.

Why a table of our own: ISO 4217 and CLDR describe coins and notes, while Stripe describes the integer that
it wants in a request, and the two disagree. Stripe charges Malagasy ariary in whole units, and takes
Icelandic krónur and Ugandan shillings with two decimals that must be zero. A library's exponent would
overcharge or undercharge a reader a hundredfold, silently.

Sources: https://docs.stripe.com/currencies (presentment currencies, zero-decimal and three-decimal
currencies, special cases, minimum and maximum charge amounts).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

MAXIMUM_MINOR: Final = 99_999_999
"""
The most that one charge may be, in minor units: eight digits.

Stripe lets some cards go to twelve digits, American Express to nine, and every other payment method to
eight. On a hosted page the reader picks the method after we have named the amount, so only the strictest
figure keeps each method on that page usable.
"""


class UnknownCurrency(ValueError):
    """Stripe does not charge in this currency, or the code is not written as three upper-case letters."""


@dataclass(frozen=True, slots=True)
class Currency:
    """
    What Stripe's rules say about one currency. All amounts are in its minor units.

    `exponent` is how many decimals the minor unit stands behind the point: 1250 with exponent 2 is 12.50.
    `step_minor` is the grid that charges must lie on: 1, or 10 for the three-decimal currencies, or 100
    for the currencies that are sent with two decimals but have no fraction.
    """

    code: str
    exponent: int
    minimum_minor: int
    step_minor: int
    maximum_minor: int = MAXIMUM_MINOR

    @property
    def decimals(self) -> int:
        """
        How many decimals a chargeable amount can really use, which is what people want to read.

        Three-decimal currencies keep three (KWD 5.120 is how a price is written in Kuwait); ISK and UGX
        have none, although Stripe wants two.
        """
        return 0 if self.step_minor == 10**self.exponent else self.exponent


def _codes(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Every presentment currency for cards. STD is Stripe's own code for the dobra, which ISO renamed to STN.
# BGN and HRK are gone: Bulgaria and Croatia pay in euro.
_PRESENTMENT = _codes("""
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN
    BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BWP BYN BZD
    CAD CDF CHF CLP CNY COP CRC CVE CZK
    DJF DKK DOP DZD EGP ETB EUR FJD FKP
    GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF
    IDR ILS INR ISK JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT
    LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN
    NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF
    SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TND TOP TRY TTD TWD TZS
    UAH UGX USD UYU UZS VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW
""")

_ZERO_DECIMAL = _codes("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF")

# Stripe's partners refuse the last digit unless it is a zero.
_THREE_DECIMAL = _codes("BHD JOD KWD OMR TND")

# No fraction in real life, yet sent with two decimals to stay compatible with older integrations: 5 ISK is
# 500. Stripe lists UGX among the zero-decimal currencies too; the special case is the one that applies.
# (HUF and TWD are special for payouts only. A charge in them has two ordinary decimals.)
_TWO_DECIMALS_ALWAYS_ZERO = _codes("ISK UGX")

# Stripe applies these after conversion into the account's settlement currency. For a currency that is not
# here, the smallest step is our minimum and Stripe's own answer (`amount_too_small`) is the judge.
_MINIMUM = {
    "AED": 200,
    "ARS": 50,
    "AUD": 50,
    "BRL": 50,
    "CAD": 50,
    "CHF": 50,
    "COP": 50,
    "CZK": 1500,
    "DKK": 250,
    "EUR": 50,
    "GBP": 30,
    "HKD": 400,
    "HUF": 17500,
    "IDR": 50,
    "ILS": 50,
    "INR": 50,
    "JPY": 50,
    "KRW": 50,
    "MXN": 1000,
    "MYR": 200,
    "NOK": 300,
    "NZD": 50,
    "PHP": 50,
    "PLN": 200,
    "RON": 200,
    "RUB": 50,
    "SEK": 300,
    "SGD": 50,
    "THB": 1000,
    "USD": 50,
    "ZAR": 50,
}

# Where a unit buys so little that eight digits would refuse ordinary gifts, Stripe allows more digits to
# every payment method: twelve, ten and nine.
_MAXIMUM = {"IDR": 999_999_999_999, "COP": 9_999_999_999, "INR": 999_999_999}


def _describe(code: str) -> Currency:
    exponent, step = 2, 1
    if code in _ZERO_DECIMAL:
        exponent = 0
    elif code in _THREE_DECIMAL:
        exponent, step = 3, 10
    elif code in _TWO_DECIMALS_ALWAYS_ZERO:
        step = 100
    return Currency(
        code=code,
        exponent=exponent,
        minimum_minor=_MINIMUM.get(code, step),
        step_minor=step,
        # The limit that we name to a reader must itself be a payable amount, so it is cut to the grid.
        maximum_minor=_MAXIMUM.get(code, MAXIMUM_MINOR) // step * step,
    )


CURRENCIES: Final = MappingProxyType({code: _describe(code) for code in _PRESENTMENT})
"""Every currency by its upper-case code."""


def get(code: str) -> Currency:
    """
    Return the currency with this upper-case code.

    Raises UnknownCurrency for everything else, "usd" included: one spelling means that two rows about the
    same money always compare as equal.

    >>> get("USD").exponent, get("JPY").exponent, get("KWD").exponent, get("UGX").exponent
    (2, 0, 3, 2)
    >>> get("usd")
    Traceback (most recent call last):
    donations.currencies.UnknownCurrency: Stripe charges in no currency with this code.
    """
    try:
        return CURRENCIES[code]
    except (KeyError, TypeError):  # TypeError: something unhashable came instead of text
        # The code is not repeated: it may come from a stranger, and errors end up in answers and logs.
        raise UnknownCurrency("Stripe charges in no currency with this code.") from None
