"""
Rows of the books for a spreadsheet: streamed, so that a million of them take as much memory as one, and harmless.

A cell that a spreadsheet would take for a formula is defused. Numbers and moments of ours stay what they are. No column
is personal: rows name readers by their ids, and only who looks one up in the admin learns a name.
"""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import IO, Any
from uuid import UUID

import xlsxwriter

from donations.models import Contribution, Payment
from donations.money import Money
from donations.reports.catalogue import Question
from members import audit
from members.models import Member

PERMISSION = "donations.export_data"
_CHUNK = 500  # rows written at once
SHEET_ROWS = 1_048_575  # what a sheet of a workbook holds, below its heading
_BLANK = "\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff"
_FORMULA = re.compile(f"[{_BLANK}]*[=+\\-@\uff1d\uff0b\uff0d\uff20|%]|[\t\r\n]")
_AFTER_A_BREAK = re.compile(f"[\r\n][{_BLANK}]*[=+\\-@\uff1d\uff0b\uff0d\uff20]")

Cell = str | int | Decimal | date | datetime | UUID | None


@dataclass(frozen=True, slots=True)
class Export:
    """
    :param columns: the heading.
    :param rows: the rows that a question is about, one after the other, with constant memory.
    """

    columns: tuple[str, ...]
    rows: Callable[[Question], Iterable[Sequence[Cell]]]


@dataclass(slots=True)
class _Known:
    exports: dict[str, Export] = field(default_factory=dict)


_known = _Known()


def register(name: str, export: Export) -> None:
    _known.exports[name] = export


def get(name: str) -> Export | None:
    return _known.exports.get(name)


def names() -> list[str]:
    return sorted(_known.exports)


def note(name: str, question: Question, *, kind: str, actor: str, now: datetime) -> None:
    """Write into the audit log who takes which rows away."""
    audit.record(
        actor=actor,
        act=audit.Act.EXPORTED,
        what=name,
        facts={
            "kind": kind,
            "from": str(question.period.first),
            "to": str(question.period.last),
            "currency": question.filters.currency or "",
            "campaign": question.filters.campaign or "",
        },
        now=now,
    )


# --- Cells


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


def plain(cell: Cell) -> str | int | Decimal:
    """A cell's value: numbers stay numbers, moments are UTC, and texts are defused."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, int | Decimal):
        return cell
    return defuse(str(cell))


def major(minor: int | None, currency: str) -> Decimal | None:
    """An amount in major units, exactly; None where it is not known."""
    return None if minor is None or not currency else Money(minor, currency).major()


# --- Files


def as_csv(export: Export, question: Question) -> Iterator[bytes]:
    """The file, piece by piece. It begins with a mark that tells a spreadsheet that it is UTF-8."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    buffer.write("\ufeff")
    writer.writerow(export.columns)
    for number, row in enumerate(export.rows(question), start=1):
        writer.writerow([plain(cell) for cell in row])
        if number % _CHUNK == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def as_workbook(export: Export, question: Question) -> IO[bytes]:
    """
    The file, on disk, to be read and then closed, which deletes it. Written row by row.

    What begins like a formula is text there by its type; it is defused all the same, for whoever saves it as CSV.
    Rows beyond what a sheet holds go to further sheets.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115  # who reads it closes it
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(file, options) as book:
        sheet, place = _sheet(book, export), 0
        for row in export.rows(question):
            if place == SHEET_ROWS:
                sheet, place = _sheet(book, export), 0
            place += 1
            for column, cell in enumerate(row):
                value = plain(cell)
                if isinstance(value, str):
                    sheet.write_string(place, column, value)
                else:
                    sheet.write_number(place, column, value)
    file.seek(0)
    return file


def _sheet(book: Any, export: Export) -> Any:
    sheet = book.add_worksheet()
    for column, name in enumerate(export.columns):
        sheet.write_string(0, column, name)
    return sheet


# --- The exports of this floor


def _payments(asked: Question) -> Iterator[Sequence[Cell]]:
    """One row for each payment that arrived in the period."""
    rows = Payment.objects.filter(
        state=Payment.State.SUCCEEDED,
        paid_at__gte=asked.period.starts_at,
        paid_at__lt=asked.period.ends_at,
    )
    if asked.filters.currency is not None:
        rows = rows.filter(currency=asked.filters.currency)
    if asked.filters.campaign is not None:
        rows = rows.filter(contribution__campaign__slug=asked.filters.campaign)
    wanted = rows.order_by("paid_at", "pk").values_list(
        "public_id", "receipt_number", "paid_at", "contribution__public_id", "contribution__campaign__slug",
        "contribution__interval", "is_renewal", "currency", "amount_minor", "refunded_minor", "settlement_currency",
        "settlement_minor", "fee_minor", "net_minor", "stripe_charge_id", "stripe_invoice_id",
    )  # fmt: skip
    for (
        payment, receipt, paid_at, contribution, campaign, interval, is_renewal, currency, amount, refunded,
        settled_in, settled, fee, net, charge, invoice,
    ) in wanted.iterator(chunk_size=2_000):  # fmt: skip
        yield (
            payment, receipt, paid_at, contribution, campaign, interval, "yes" if is_renewal else "no", currency,
            major(amount, currency), major(refunded, currency), settled_in, major(settled, settled_in),
            major(fee, settled_in), major(net, settled_in), charge, invoice,
        )  # fmt: skip


def _contributions(asked: Question) -> Iterator[Sequence[Cell]]:
    """One row for each contribution that was begun in the period, paid or not."""
    rows = Contribution.objects.filter(
        created_at__gte=asked.period.starts_at, created_at__lt=asked.period.ends_at
    )
    if asked.filters.currency is not None:
        rows = rows.filter(currency=asked.filters.currency)
    if asked.filters.campaign is not None:
        rows = rows.filter(campaign__slug=asked.filters.campaign)
    wanted = rows.order_by("created_at", "pk").values_list(
        "public_id", "created_at", "campaign__slug", "member__public_id", "interval", "currency", "amount_minor",
        "fee_cover_minor", "checkout_state", "subscription__state", "subscription__ended_at",
        "subscription__end_reason", "locale", "source",
    )  # fmt: skip
    for (
        public_id, created_at, campaign, member, interval, currency, amount, cover, checkout, state, ended_at,
        reason, locale, source,
    ) in wanted.iterator(chunk_size=2_000):  # fmt: skip
        told = source if isinstance(source, dict) else {}
        yield (
            public_id, created_at, campaign, member, interval, currency, major(amount, currency),
            major(cover, currency), checkout, state, ended_at, reason, locale,
            *(str(told.get(name, "")) for name in _SOURCE),
        )  # fmt: skip


_SOURCE = ("page_url", "component", "utm_source", "utm_medium", "utm_campaign")


def _members(asked: Question) -> Iterator[Sequence[Cell]]:
    """One row for each member who joined in the period."""
    rows = Member.objects.filter(joined_at__gte=asked.period.starts_at, joined_at__lt=asked.period.ends_at)
    wanted = rows.order_by("joined_at", "pk").values_list(
        "public_id", "joined_at", "locale", "merged_into__public_id"
    )
    yield from wanted.iterator(chunk_size=2_000)


register(
    "payments",
    Export(
        (
            "payment", "receipt", "paid at (UTC)", "contribution", "campaign", "interval", "renewal", "currency",
            "gross", "refunded", "settled in", "settled", "fee", "net", "stripe charge", "stripe invoice",
        ),
        _payments,
    ),
)  # fmt: skip
register(
    "contributions",
    Export(
        (
            "contribution", "begun at (UTC)", "campaign", "member", "interval", "currency", "gift", "fee cover",
            "checkout", "subscription", "ended at (UTC)", "end reason", "language",
            *(name.replace("_", " ") for name in _SOURCE),
        ),
        _contributions,
    ),
)  # fmt: skip
register("members", Export(("member", "joined at (UTC)", "language", "merged into"), _members))
