"""
Money: exact, in one currency, and never a float.

An amount is an integer of minor units from the first byte of a request to the last line of a report,
because that is how Stripe and the database hold it. Text is made only for people (`Money.format`) and for
logs (`str`). How many decimals a currency has is Stripe's business, told in `donations.currencies`.
"""

from __future__ import annotations

import copy
import decimal
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from functools import total_ordering
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.numbers import NumberPattern, get_currency_symbol

from donations import currencies
from donations.currencies import UnknownCurrency
from donations.intervals import Interval

__all__ = [
    "AboveMaximum",
    "AmountRefused",
    "BelowMinimum",
    "CurrencyMismatch",
    "Money",
    "NotChargeable",
    "UnknownCurrency",
]

# Fifteen digits before the point and three behind it still fit a 64-bit column.
_DECIMAL_TEXT: Final = re.compile(r"(-?)(0|[1-9][0-9]{0,14})(?:\.([0-9]{1,3}))?")

# Longer than any locale name that CLDR knows.
_LONGEST_LOCALE: Final = 35


class CurrencyMismatch(ValueError):
    """Two currencies met in one sum or in one comparison."""


class AmountRefused(ValueError):
    """
    Stripe would not charge this amount. The subclasses say why.

    `amount` is what was asked for; `limit` is the amount that the rule names, to show to the reader.
    """

    reason = "cannot be charged, because of the limit"

    def __init__(self, amount: Money, limit: Money) -> None:
        super().__init__(amount, limit)
        self.amount = amount
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.amount} {self.reason} {self.limit}"


class BelowMinimum(AmountRefused):
    """Less than the least that may be charged; `limit` is that least amount."""

    reason = "is less than"


class AboveMaximum(AmountRefused):
    """More than the most that may be charged at once; `limit` is that most."""

    reason = "is more than"


class NotChargeable(AmountRefused):
    """Finer than Stripe can charge in this currency; `limit` is the step it must be a multiple of."""

    reason = "is not a multiple of"


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """
    An exact amount in minor units, the way Stripe and the database hold it.

    It may be negative (a refund, a difference); only `check_chargeable` asks for an amount that can be
    charged. Raises TypeError when `minor` is not an int (True is not an amount of money either), and
    UnknownCurrency for a code that Stripe does not charge in.

    >>> Money(1250, "USD") + Money(50, "USD")
    Money(minor=1300, currency='USD')
    >>> str(Money.parse("12.50", "USD"))
    'USD 12.50'
    >>> Money(1250, "USD") + Money(50, "EUR")
    Traceback (most recent call last):
    donations.money.CurrencyMismatch: USD does not mix with EUR
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"minor units are an int, not {type(self.minor).__name__}")
        currencies.get(self.currency)

    @classmethod
    def parse(cls, text: str, currency: str) -> Money:
        """
        Read plain decimal text, such as "12.50", as an amount in major units.

        Only ASCII digits, one point and a leading minus are understood, so that what a person sees is
        what is read: no spaces, separators, exponents, plus signs or other scripts' digits. Raises
        ValueError for any other text and for more decimals than the currency has.

        >>> Money.parse("19.99", "USD").minor
        1999
        >>> Money.parse("12.505", "USD")
        Traceback (most recent call last):
        ValueError: USD has no more than 2 decimals
        """
        exponent = currencies.get(currency).exponent
        match = _DECIMAL_TEXT.fullmatch(text)
        if match is None:
            raise ValueError("not a plain decimal number")
        sign, whole, fraction = match[1], match[2], match[3] or ""
        if len(fraction) > exponent:
            raise ValueError(f"{currency} has no more than {exponent} decimals")
        minor = int(whole + fraction.ljust(exponent, "0"))
        return cls(-minor if sign else minor, currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Nothing, in this currency: where a sum starts."""
        return cls(0, currency)

    def __add__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        self._must_match(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        self._must_match(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        self._must_match(other)
        return self.minor < other.minor

    def __str__(self) -> str:
        """The code and every decimal that is stored, alike on every machine: for logs and tests."""
        digits = currencies.get(self.currency).exponent
        return f"{self.currency} {self.major():.{digits}f}"

    def major(self) -> Decimal:
        """
        The amount in major units, exactly.

        >>> Money(1250, "USD").major()
        Decimal('12.50')
        """
        # Built from its digits, because Decimal arithmetic would round at the context's precision.
        digits = tuple(int(digit) for digit in str(abs(self.minor)))
        return Decimal((int(self.minor < 0), digits, -currencies.get(self.currency).exponent))

    def annualised(self, interval: Interval | str) -> Money:
        """
        What a gift at this interval comes to in a year: a monthly one twelve times, the others as they are.

        >>> str(Money(200, "USD").annualised("month"))
        'USD 24.00'
        """
        return Money(self.minor * Interval(interval).charges_a_year, self.currency)

    def is_chargeable(self) -> bool:
        """Whether Stripe would take this amount in one charge."""
        try:
            self.check_chargeable()
        except AmountRefused:
            return False
        return True

    def check_chargeable(self) -> None:
        """
        Return quietly if Stripe would take this amount in one charge.

        Raises BelowMinimum, AboveMaximum or NotChargeable, each with the `limit` that was broken.

        >>> Money(150, "UGX").check_chargeable()
        Traceback (most recent call last):
        donations.money.NotChargeable: UGX 1.50 is not a multiple of UGX 1.00
        """
        rules = currencies.get(self.currency)
        if self.minor < rules.minimum_minor:
            raise BelowMinimum(self, Money(rules.minimum_minor, self.currency))
        if self.minor > rules.maximum_minor:
            raise AboveMaximum(self, Money(rules.maximum_minor, self.currency))
        if self.minor % rules.step_minor:
            raise NotChargeable(self, Money(rules.step_minor, self.currency))

    def format(self, locale: str) -> str:
        """
        The amount as people write it in this locale ("en", "ru", "pt-BR"); English if it is not known.

        >>> Money(1250, "USD").format("en"), Money(1200, "JPY").format("en")
        ('$12.50', '¥1,200')
        >>> Money(1250, "USD").format("ru").replace("\\xa0", " ")
        '12,50 $'
        """
        rules = currencies.get(self.currency)
        # An amount between two steps (a share of a fee, say) is shown in full rather than rounded.
        decimals = rules.exponent if self.minor % rules.step_minor else rules.decimals
        known = _find_locale(locale)
        # The pattern is shared by all of Babel's callers, so the decimals are set on a copy.
        pattern: NumberPattern = copy.copy(known.currency_formats["standard"])
        pattern.frac_prec = (decimals, decimals)
        with decimal.localcontext() as context:
            context.prec = len(str(self.minor)) + rules.exponent  # never round, however large a sum is
            text: str = pattern.apply(self.major(), known, currency=self.currency, currency_digits=False)
        return _part_symbol_from_digits(text, get_currency_symbol(self.currency, known))

    def _must_match(self, other: Money) -> None:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} does not mix with {other.currency}")


def _part_symbol_from_digits(text: str, symbol: str) -> str:
    """
    Put a no-break space between a digit and a symbol made of letters: "ISK 5", but "$5".

    It is CLDR's rule for currency spacing, which Babel leaves to its callers.
    """
    name = re.escape(symbol)
    if unicodedata.category(symbol[-1])[0] not in "SZ":
        text = re.sub(rf"{name}(?=\d)", f"{symbol}\N{NO-BREAK SPACE}", text)
    if unicodedata.category(symbol[0])[0] not in "SZ":
        text = re.sub(rf"(?<=\d){name}", f"\N{NO-BREAK SPACE}{symbol}", text)
    return text


def _find_locale(name: str) -> Locale:
    """The locale, else its language alone ("ru-XX" → "ru"), else English."""
    name = name.replace("-", "_") if len(name) <= _LONGEST_LOCALE else ""
    for candidate in (name, name.partition("_")[0]):
        try:
            return Locale.parse(candidate)
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse("en")
