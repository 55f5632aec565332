"""
Sums of several currencies in one: the reporting currency, by the rates of the days on which the money moved.

Everything is reckoned exactly, as fractions; a sum is rounded once, at its end, half to even. Where a rate is missing
there is no sum, and it is said which rate: a total that silently leaves something out is worse than none.
"""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from donations import currencies
from donations.models import DayRate
from donations.reports.periods import Period

BASE = "EUR"
OLDEST = timedelta(days=7)  # how old a rate may be: Easter, and a file that is fetched once a week
CHUNK = 2_000


class UnreadableRates(ValueError):
    """The file is not in the shape of the European Central Bank; says where."""


@dataclass(slots=True)
class Rates:
    """The rates that a period needs, at hand."""

    _days: dict[str, list[date]] = field(default_factory=lambda: defaultdict(list))
    _rates: dict[str, list[Decimal]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, period: Period) -> Rates:
        found = cls()
        rows = DayRate.objects.filter(day__gte=period.first - OLDEST, day__lte=period.last)
        for currency, day, rate in rows.order_by("currency", "day").values_list("currency", "day", "rate"):
            found._days[currency].append(day)
            found._rates[currency].append(rate)
        return found

    def on(self, day: date, currency: str) -> Fraction | None:
        """How much of it one euro bought that day, or on the last day before that is told; None if that is too old."""
        if currency == BASE:
            return Fraction(1)
        days = self._days.get(currency, [])
        place = bisect_right(days, day) - 1
        if place < 0 or day - days[place] > OLDEST:
            return None
        return Fraction(self._rates[currency][place])


@dataclass(slots=True)
class Total:
    """A sum in the reporting currency that is being added up."""

    rates: Rates
    into: str
    _exact: Fraction = field(default_factory=Fraction)
    missing: set[tuple[str, date]] = field(default_factory=set)

    def add(self, minor: Fraction | int, currency: str, day: date) -> None:
        """So many minor units of a currency, which moved that day."""
        if not minor or currency == self.into:
            self._exact += minor
            return
        theirs, ours = self.rates.on(day, currency), self.rates.on(day, self.into)
        for code, rate in ((currency, theirs), (self.into, ours)):
            if rate is None:
                self.missing.add((code, day))
        if theirs is None or ours is None:
            return
        scale = Fraction(10) ** (currencies.get(self.into).exponent - currencies.get(currency).exponent)
        # Times the reciprocal: what is divided here is a fraction, and stays exact.
        self._exact += Fraction(minor) * Fraction(theirs.denominator, theirs.numerator) * ours * scale

    def told(self) -> dict[str, Any]:
        """`minor` units of the reporting currency, null if a rate is missing; and which are."""
        return {
            "minor": None if self.missing else round(self._exact),
            "missing": [{"currency": code, "day": day} for code, day in sorted(self.missing)],
        }


def total(amounts: Iterable[tuple[Fraction | int, str, date]], into: str, rates: Rates) -> dict[str, Any]:
    """Amounts (minor units, currency, day) as one sum, see `Total.told`."""
    found = Total(rates, into)
    for minor, currency, day in amounts:
        found.add(minor, currency, day)
    return found.told()


# --- The European Central Bank's files


def read(content: bytes) -> Iterator[DayRate]:
    """
    The rates in a file of the European Central Bank: its CSV of all days, or its XML. Raises UnreadableRates.

    Currencies that Stripe does not know are left out, and so are days without a rate ("N/A").
    """
    text = content.decode("utf-8-sig", errors="replace").lstrip()
    return _read_xml(text) if text.startswith("<") else _read_csv(text)


def _read_csv(text: str) -> Iterator[DayRate]:
    rows = csv.reader(io.StringIO(text))
    heading = [name.strip() for name in next(rows, [])]
    if heading[:1] != ["Date"]:
        raise UnreadableRates('The first column of a file of rates is called "Date".')
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        for currency, cell in zip(heading[1:], row[1:], strict=False):
            if currency in currencies.CURRENCIES and cell.strip() not in ("", "N/A"):
                yield _rate(row[0].strip(), currency, cell.strip(), f"line {number}")


def _read_xml(text: str) -> Iterator[DayRate]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UnreadableRates("A file of rates declares no entities.")
    try:
        root = ET.fromstring(text)  # noqa: S314  # the operator's own file, and without entities
    except ET.ParseError as error:
        raise UnreadableRates(f"No XML: {error}.") from error
    for of_day in (cube for cube in root.iter() if cube.tag.endswith("Cube") and "time" in cube.attrib):
        for cube in of_day:
            currency = cube.attrib.get("currency", "")
            if currency in currencies.CURRENCIES:
                yield _rate(
                    of_day.attrib["time"], currency, cube.attrib.get("rate", ""), of_day.attrib["time"]
                )


def _rate(day: str, currency: str, text: str, where: str) -> DayRate:
    try:
        rate = Decimal(text)
        if not (rate.is_finite() and rate > 0):
            raise InvalidOperation
        return DayRate(day=date.fromisoformat(day), currency=currency, rate=rate)
    except (ValueError, InvalidOperation) as error:
        raise UnreadableRates(f"{where}: {day} {currency} {text} is no rate of a day.") from error


def store(rates: Iterable[DayRate]) -> int:
    """Keep them; one that is here already is replaced. How many there were."""
    count = 0
    page: list[DayRate] = []
    for rate in rates:
        page.append(rate)
        if len(page) == CHUNK:
            count += _store(page)
            page = []
    return count + _store(page)


def _store(page: list[DayRate]) -> int:
    DayRate.objects.bulk_create(
        page, update_conflicts=True, unique_fields=["currency", "day"], update_fields=["rate"]
    )
    return len(page)
