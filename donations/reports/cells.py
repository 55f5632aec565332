"""
The cells of a file for a spreadsheet, each made in two ways that agree: by us, and by PostgreSQL on its own.

A text that a spreadsheet would take for a formula is defused. Numbers and moments of ours stay what they are.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, auto
from typing import Any
from uuid import UUID

from django.db.models import Case, F, Func, Q, TextField, Value, When
from django.db.models.functions import Cast, Ord, StrIndex
from django.db.models.lookups import Exact, Range

from donations import currencies
from donations.money import Money

_BLANK = "\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff"
_SIGN = "[=+\\-@\uff1d\uff0b\uff0d\uff20]"
_FORMULA = re.compile(f"[{_BLANK}]*(?:{_SIGN}|[|%])|[\t\r\n]")
_AFTER_A_BREAK = re.compile(f"[\r\n][{_BLANK}]*{_SIGN}")
# The same for PostgreSQL, whose texts hold no \x00 and whose dot matches a break: nothing, where a formula begins.
_IN_SQL = f"^(?=[{_BLANK}]*({_SIGN}|[|%])|[\t\r\n]|.*[\r\n][{_BLANK}]*{_SIGN})".replace("\x00", "\x01")

Cell = str | int | Decimal | date | datetime | UUID | bool | None


class Kind(Enum):
    """What a column holds."""

    OWN = auto()  # an id, a number or a word of ours or Stripe's: nothing that anybody could have typed
    TEXT = auto()
    MOMENT = auto()  # told in UTC, to the second
    FLAG = auto()  # yes or no
    MONEY = auto()  # stored in minor units, told in major units, with the decimals of its currency


@dataclass(frozen=True, slots=True)
class Column:
    """
    :param heading: its name in the file.
    :param source: the path of a field from the rows' model, or an expression.
    :param currency: of MONEY, the path of the field that says which.
    """

    heading: str
    source: Any
    kind: Kind = Kind.OWN
    currency: str = ""


def defuse(text: str) -> str:
    """
    The text as a spreadsheet may have it: one that would be a formula there begins with an apostrophe.

    So it is with what begins like one after blanks of any kind or in full-width signs, and with what does after a break
    within the cell.

    >>> defuse("=1+1"), defuse("\\u00a0-5"), defuse("a = b"), defuse("-")
    ("'=1+1", "'\\xa0-5", 'a = b', "'-")
    """
    if _FORMULA.match(text) or _AFTER_A_BREAK.search(text):
        return f"'{text}"
    return text


# --- By us


def sources(columns: Sequence[Column]) -> list[Any]:
    """What to select so that `reader` can make cells of it: each column, and after each amount its currency."""
    found = []
    for column in columns:
        found.append(column.source)
        if column.kind is Kind.MONEY:
            found.append(F(column.currency))
    return found


def reader(columns: Sequence[Column]) -> Callable[[Sequence[Cell]], list[str | int | Decimal]]:
    """What makes cells of a row of `sources`."""
    kinds = [column.kind for column in columns]

    def read(row: Sequence[Cell]) -> list[str | int | Decimal]:
        values, cells = iter(row), []
        for kind in kinds:
            value = next(values)
            if kind is Kind.MONEY:
                value = _major(value, next(values))
            cells.append(plain(value, is_own=kind is not Kind.TEXT))
        return cells

    return read


def plain(value: Cell, *, is_own: bool = False) -> str | int | Decimal:
    """A cell's value: numbers stay numbers, moments are UTC, and texts are defused, but for words of our own."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | Decimal):
        return value
    return str(value) if is_own else defuse(str(value))


def _major(minor: Any, currency: Any) -> Decimal | None:
    """An amount in major units, exactly; None where it is not known."""
    return None if minor is None or not currency else Money(minor, currency).major()


# --- By PostgreSQL


def in_sql(column: Column) -> Any:
    """An expression for the cell as text, to be copied out of PostgreSQL without passing through us."""
    source = F(column.source) if isinstance(column.source, str) else column.source
    match column.kind:
        case Kind.OWN:
            return source
        case Kind.TEXT:
            return _defused_in_sql(Cast(source, TextField()))
        case Kind.MOMENT:
            # Told as ISO has it: a third of the time that `to_char` takes. The copy sees to the style of dates.
            shape = "date_trunc('second', %(expressions)s AT TIME ZONE 'UTC')"
            return Func(source, template=shape, output_field=TextField())
        case Kind.FLAG:
            return Case(When(**{column.source: True}, then=Value("yes")), default=Value("no"))
        case Kind.MONEY:
            return _major_in_sql(source, column.currency)


def _defused_in_sql(text: Any) -> Any:
    """What `defuse` says. Most texts begin with a letter and have no break: they are not searched for more."""
    begins_with_a_letter = Range(Ord(text), (ord("A"), ord("z")))
    has_no_break = Exact(StrIndex(text, Value("\n")), 0) & Exact(StrIndex(text, Value("\r")), 0)
    searched = Func(text, Value(_IN_SQL), Value("'"), function="regexp_replace", output_field=TextField())
    return Case(
        When(Q(begins_with_a_letter) & has_no_break, then=text), default=searched, output_field=TextField()
    )


def _major_in_sql(minor: Any, currency: str) -> Any:
    """
    The amount times 0.01: exact, and with the decimals of that number, as `numeric` multiplies.

    A division would have to be rounded, and takes twice the time for each of a million amounts.
    """

    def told(decimals: int) -> Func:
        shape = f"%(expressions)s * {Decimal(1).scaleb(-decimals):f}"
        return Func(minor, template=shape, output_field=TextField())

    by_decimals: dict[int, list[str]] = defaultdict(list)
    for code in currencies.CURRENCIES:
        by_decimals[currencies.get(code).exponent].append(code)
    by_decimals.pop(_MOST_HAVE)  # without a list of more than a hundred to look through for each amount
    others = [code for codes in by_decimals.values() for code in codes]
    others.append("")  # not known: then the amount says nothing
    usual = When(~Q(**{f"{currency}__in": others}), then=told(_MOST_HAVE))  # one look for most amounts
    cases = [When(**{f"{currency}__in": codes}, then=told(each)) for each, codes in by_decimals.items()]
    return Case(usual, *cases, output_field=TextField())


_MOST_HAVE = 2  # decimals
