"""
A file of members and gifts, read: from bytes to rows that we can take, and a list of what is wrong with the others.

Pure: no database and no clock. What cannot be meant in one way only is refused: a date such as 03/04/2026, an amount
such as 1,000, letters in an unknown encoding. Amounts are exact decimal text from the cell to minor units.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from donations import currencies
from donations.forms import read_amount
from donations.intervals import Interval
from donations.money import Money
from members import addresses
from members.validation import name_or_nothing

MOST_BYTES = 10 * 1024 * 1024
MOST_ROWS = 100_000
LONGEST = 500  # characters of a cell
COLUMNS = ("email", "name", "amount", "currency", "date", "interval", "campaign", "reference")
ENCODINGS = {
    "auto": "",
    "utf-8": "utf-8-sig",
    "utf-16": "utf-16",
    "windows-1252": "cp1252",
    "windows-1251": "cp1251",
}
_EARLIEST = date(1990, 1, 1)
_MOST_MINOR = 10**15
_DELIMITERS = ",;\t"
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DOTTED_DAY = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
_INTERVALS = {
    "": Interval.ONCE,
    "once": Interval.ONCE,
    "month": Interval.MONTH,
    "monthly": Interval.MONTH,
    "year": Interval.YEAR,
    "yearly": Interval.YEAR,
    "annual": Interval.YEAR,
}

MESSAGES = {
    "file_too_large": "The file is larger than 10 MB. Please split it.",
    "too_many_rows": "The file has more than 100,000 rows. Please split it.",
    "file_empty": "The file holds nothing.",
    "nul_byte": "The file holds NUL bytes. Please save it as CSV; a spreadsheet's own format cannot be read.",
    "encoding_unknown": "The file is not UTF-8. Please save it as UTF-8, or say which encoding it has.",
    "not_csv": "The file cannot be read as CSV: a quotation mark is open or misplaced, or a cell is far too long.",
    "no_header": "The first row must name the columns. There has to be a column “email”.",
    "unknown_column": "This column is not known. Known are: " + ", ".join(COLUMNS) + ".",
    "column_twice": "This column is there twice.",
    "wrong_length": "The row has more or fewer cells than the first row.",
    "cell_too_long": f"A cell may hold {LONGEST} characters at most.",
    "formula": "A text may not begin with =, +, - or @: a spreadsheet would run it as a formula.",
    "email_missing": "There has to be an e-mail address.",
    "email_invalid": "This is no e-mail address that mail can reach.",
    "was_erased": "This reader asked to be erased. Leave the row out.",
    "name_invalid": "A name may have 100 letters and no special characters.",
    "amount_invalid": "Write the amount in digits, such as 12.50, without a currency sign or thousands separators.",
    "amount_not_positive": "The amount must be more than nothing.",
    "amount_too_large": "The amount is too large to be true.",
    "currency_missing": "An amount needs a currency.",
    "currency_unknown": "This is no currency that we know. Write its three letters, such as EUR.",
    "amount_missing": "A currency or an interval needs an amount.",
    "date_missing": "A gift needs the day on which it arrived.",
    "date_invalid": "Write the day as 2026-11-24 or 24.11.2026.",
    "date_too_early": "The day is before 1990.",
    "date_in_future": "The day has not come yet.",
    "interval_unknown": "Write once, month or year.",
    "campaign_unknown": "There is no campaign with this name in its address.",
    "reference_twice": "This reference is in the file twice.",
    "changed_since": "A row with this reference was imported before, with other contents. Void that gift instead.",
}


class BadFile(Exception):
    """The file as a whole cannot be read; `code` is one of MESSAGES."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(MESSAGES[code] + (f" ({detail})" if detail else ""))
        self.code = code


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a cell. `row` counts as a spreadsheet does: the first row names the columns."""

    row: int
    column: str
    code: str

    @property
    def message(self) -> str:
        return MESSAGES[self.code]

    def __str__(self) -> str:
        where = f"row {self.row}, {self.column}" if self.column else f"row {self.row}"
        return f"{where}: {self.message} [{self.code}]"


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be taken; without `amount` it is a member who gave nothing (here)."""

    number: int
    email: str
    name: str
    amount: Money | None
    day: date | None
    interval: Interval
    campaign: str
    reference: str

    @property
    def content(self) -> str:
        """All that it says, as one text: two rows that say the same have the same."""
        money = f"{self.amount.minor} {self.amount.currency}" if self.amount else ""
        parts = (
            self.email.lower(),
            self.name,
            money,
            str(self.day or ""),
            self.interval.value,
            self.campaign,
        )
        return "\x1f".join((*parts, self.reference))


@dataclass(frozen=True, slots=True)
class Table:
    """A file, read: the rows that can be taken, and what is wrong with the others."""

    rows: Sequence[Row]
    faults: Sequence[Fault]
    count: int


def decode(data: bytes, *, encoding: str = "auto") -> str:
    """The text of a file. Raises BadFile."""
    if len(data) > MOST_BYTES:
        raise BadFile("file_too_large")
    if not data.strip():
        raise BadFile("file_empty")
    name = ENCODINGS[encoding]
    if not name:
        name = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(name)
    except UnicodeError as error:
        raise BadFile("encoding_unknown") from error
    if "\0" in text:
        raise BadFile("nul_byte")
    return text


def read(text: str, *, campaigns: Mapping[str, object], default_campaign: str, today: date) -> Table:
    """
    The rows of a file's text. Raises BadFile where it cannot be read at all.

    :param campaigns: the slugs that there are.
    :param default_campaign: to which a row belongs that names none.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    rows: list[Row] = []
    faults: list[Fault] = []
    references: set[str] = set()
    count = 0
    try:
        columns = _columns(next(reader, []))
        for number, cells in enumerate(reader, start=2):
            if not any(cell.strip() for cell in cells):
                continue
            count += 1
            if count > MOST_ROWS:
                raise BadFile("too_many_rows")
            found = list(_faults_of_form(number, columns, cells))
            if not found:
                row = _read(
                    number, dict(zip(columns, cells, strict=True)), found, campaigns, default_campaign, today
                )
                if row is not None and row.reference:
                    if row.reference in references:
                        found.append(Fault(number, "reference", "reference_twice"))
                    references.add(row.reference)
                if row is not None and not found:
                    rows.append(row)
            faults += found
    except csv.Error as error:
        raise BadFile("not_csv") from error
    if not count:
        raise BadFile("file_empty")
    return Table(rows, faults, count)


def _delimiter(text: str) -> str:
    """What parts the cells of the first row: whatever of comma, semicolon and tab is there most often."""
    head = text.lstrip("\r\n").partition("\n")[0]
    return max(_DELIMITERS, key=head.count)


def _columns(cells: Sequence[str]) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    for name in names:
        if name not in COLUMNS:
            raise BadFile("no_header" if "email" not in names else "unknown_column", name[:40])
        if names.count(name) > 1:
            raise BadFile("column_twice", name)
    if "email" not in names:
        raise BadFile("no_header")
    return names


def _faults_of_form(number: int, columns: Sequence[str], cells: Sequence[str]) -> Iterator[Fault]:
    if len(cells) != len(columns):
        yield Fault(number, "", "wrong_length")
        return
    for name, cell in zip(columns, cells, strict=True):
        if len(cell) > LONGEST:
            yield Fault(number, name, "cell_too_long")
        elif name != "amount" and cell.lstrip()[:1] in ("=", "+", "-", "@") and cell.strip():
            yield Fault(number, name, "formula")


def _read(
    number: int,
    cells: Mapping[str, str],
    found: list[Fault],
    campaigns: Mapping[str, object],
    default_campaign: str,
    today: date,
) -> Row | None:
    """A row; None, and faults in `found`, if something is wrong with it."""
    texts = {name: cells.get(name, "").strip() for name in COLUMNS}

    def fault(column: str, code: str) -> None:
        found.append(Fault(number, column, code))

    email = ""
    if not texts["email"]:
        fault("email", "email_missing")
    else:
        try:
            email = addresses.normalise(texts["email"])
        except addresses.InvalidAddress:
            fault("email", "email_invalid")
    if texts["name"] and not name_or_nothing(texts["name"]):
        fault("name", "name_invalid")
    interval = _INTERVALS.get(texts["interval"].lower())
    if interval is None:
        fault("interval", "interval_unknown")
    campaign = texts["campaign"] or default_campaign
    if campaign not in campaigns:
        fault("campaign", "campaign_unknown")
    day = _day(texts["date"], today, fault) if texts["date"] else None
    amount = None
    if texts["amount"]:
        amount = _amount(texts["amount"], texts["currency"].upper(), fault)
        if not texts["date"]:
            fault("date", "date_missing")
    elif texts["currency"] or texts["interval"]:
        fault("amount", "amount_missing")
    if found or interval is None:
        return None
    return Row(number, email, texts["name"], amount, day, interval, campaign, texts["reference"])


def _amount(text: str, currency: str, fault: Callable[[str, str], None]) -> Money | None:
    if not currency:
        fault("currency", "currency_missing")
        return None
    if currency not in currencies.CURRENCIES:
        fault("currency", "currency_unknown")
        return None
    try:
        amount = read_amount(text, currency)
    except ValueError:
        fault("amount", "amount_invalid")
        return None
    if amount.minor <= 0:
        fault("amount", "amount_not_positive")
    elif amount.minor > _MOST_MINOR:
        fault("amount", "amount_too_large")
    return amount


def _day(text: str, today: date, fault: Callable[[str, str], None]) -> date | None:
    try:
        if _ISO_DAY.fullmatch(text):
            day = date.fromisoformat(text)
        elif dotted := _DOTTED_DAY.fullmatch(text):
            day = datetime(int(dotted[3]), int(dotted[2]), int(dotted[1])).date()  # noqa: DTZ001  # a day
        else:
            raise ValueError
    except ValueError:
        fault("date", "date_invalid")
        return None
    if day < _EARLIEST:
        fault("date", "date_too_early")
    elif day > today:
        fault("date", "date_in_future")
    return day
