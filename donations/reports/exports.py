"""
Rows of the books for a spreadsheet: piece by piece, so that a million of them take as much memory as one.

No column is personal: rows name readers by their ids, and only who looks one up in the admin learns a name. So
PostgreSQL can write the rows on its own (`COPY`), many times as quickly as we could.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import IO, Any

import xlsxwriter
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.fields.json import KT

from donations.models import Contribution, Payment
from donations.reports import cells
from donations.reports.catalogue import Question
from donations.reports.cells import Column, Kind
from members import audit
from members.models import Member

PERMISSION = "donations.export_data"
PIECE = 50_000  # rows in one, at most: some ten megabytes
SHEET_ROWS = 1_048_575  # what a sheet of a workbook holds, below its heading
_BEGINNING = "\ufeff"  # tells a spreadsheet that the file is UTF-8


@dataclass(frozen=True, slots=True)
class Export:
    """
    :param columns: what each row tells.
    :param rows: the rows that a question is about; they are told in the order of their primary keys.
    """

    columns: tuple[Column, ...]
    rows: Callable[[Question], QuerySet[Any]]

    @property
    def heading(self) -> list[str]:
        return [column.heading for column in self.columns]


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


# --- Files


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows as they stand in the file, and how many they are."""

    content: bytes
    rows: int


def pieces(export: Export, question: Question) -> Iterator[Piece]:
    """The rows as CSV, without a heading, some thousand at a time."""
    rows = export.rows(question).order_by("pk")
    return _copied(export, rows) if connection.vendor == "postgresql" else _written(export, rows)


def as_csv(export: Export, question: Question) -> Iterator[bytes]:
    """The file, piece by piece."""
    yield beginning(export)
    for piece in pieces(export, question):
        yield piece.content


def beginning(export: Export) -> bytes:
    """What stands above the rows of a CSV file."""
    return _text([export.heading], _BEGINNING)


def _copied(export: Export, rows: QuerySet[Any]) -> Iterator[Piece]:
    wanted = rows.values_list(*map(cells.in_sql, export.columns))
    for piece in _stretches(rows, wanted):
        # Composed beforehand: COPY takes no parameters, nor does Django's own cursor for it.
        operations: Any = connection.ops
        sql = operations.compose_sql(*piece.query.sql_with_params())
        content = io.BytesIO()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL datestyle TO ISO")
            # For one piece, workers of its own and what they prepare for each other cost more than they save.
            cursor.execute("SET LOCAL max_parallel_workers_per_gather TO 0")
            with cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT csv)") as copy:
                # Not joined in one go: a hundred thousand objects take their time to tidy up.
                for row in copy:
                    content.write(row)
            count = cursor.rowcount
        if count:
            yield Piece(content.getvalue(), count)


def _stretches(rows: QuerySet[Any], wanted: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
    """
    What is wanted of the rows, in stretches of keys with no more of them than a piece may have.

    Where a piece ends is not asked, which would read all that lies before: a stretch is twice as long as the last one
    where that had few rows, and no longer than a piece where it would have too many.
    """
    if rows.order_by()[: PIECE + 1].count() <= PIECE:  # by whatever index finds them
        yield wanted
        return
    keys = rows.values_list("pk", flat=True)
    first, width = keys.first(), PIECE
    while first is not None:
        end = first + width
        number = rows.order_by().filter(pk__gte=first, pk__lt=end)[: PIECE + 1].count()
        if number > PIECE:
            width = PIECE
            continue
        yield wanted.filter(pk__gte=first, pk__lt=end)
        if number < PIECE // 2:  # few of these keys are wanted: each statement has its fixed cost
            width *= 2
        first = keys.filter(pk__gte=end).first()


def _written(export: Export, rows: QuerySet[Any]) -> Iterator[Piece]:
    page: list[list[str | int | Decimal]] = []
    for row in told(export, rows):
        page.append(row)
        if len(page) == PIECE:
            yield Piece(_text(page), len(page))
            page = []
    if page:
        yield Piece(_text(page), len(page))


def told(export: Export, rows: QuerySet[Any]) -> Iterator[list[str | int | Decimal]]:
    """The rows with their cells, one after the other, in constant memory."""
    read = cells.reader(export.columns)
    for row in rows.values_list(*cells.sources(export.columns)).iterator(chunk_size=2_000):
        yield read(row)


def _text(rows: Sequence[Sequence[Any]], beginning: str = "") -> bytes:
    buffer = io.StringIO(newline="")
    buffer.write(beginning)
    # Quoted, since the writer does not see a break in a lone \r.
    csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    return buffer.getvalue().encode()


def as_workbook(
    export: Export, question: Question, *, progress: Callable[[int], None] = lambda _: None
) -> IO[bytes]:
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
        for number, row in enumerate(told(export, export.rows(question).order_by("pk")), start=1):
            if place == SHEET_ROWS:
                sheet, place = _sheet(book, export), 0
            place += 1
            for column, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(place, column, value)
                else:
                    sheet.write_number(place, column, value)
            if number % PIECE == 0:
                progress(number)
    file.seek(0)
    return file


def _sheet(book: Any, export: Export) -> Any:
    sheet = book.add_worksheet()
    for column, name in enumerate(export.heading):
        sheet.write_string(0, column, name)
    return sheet


# --- The exports of this floor


def _payments(asked: Question) -> QuerySet[Any]:
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
    return rows


def _contributions(asked: Question) -> QuerySet[Any]:
    """One row for each contribution that was begun in the period, paid or not."""
    rows = Contribution.objects.filter(
        created_at__gte=asked.period.starts_at, created_at__lt=asked.period.ends_at
    )
    if asked.filters.currency is not None:
        rows = rows.filter(currency=asked.filters.currency)
    if asked.filters.campaign is not None:
        rows = rows.filter(campaign__slug=asked.filters.campaign)
    return rows


def _members(asked: Question) -> QuerySet[Any]:
    """One row for each member who joined in the period."""
    return Member.objects.filter(joined_at__gte=asked.period.starts_at, joined_at__lt=asked.period.ends_at)


_SOURCE = ("page_url", "component", "utm_source", "utm_medium", "utm_campaign")

register(
    "payments",
    Export(
        (
            Column("payment", "public_id"),
            Column("receipt", "receipt_number"),
            Column("paid at (UTC)", "paid_at", Kind.MOMENT),
            Column("contribution", "contribution__public_id"),
            Column("campaign", "contribution__campaign__slug", Kind.TEXT),
            Column("interval", "contribution__interval"),
            Column("renewal", "is_renewal", Kind.FLAG),
            Column("currency", "currency"),
            Column("gross", "amount_minor", Kind.MONEY, "currency"),
            Column("refunded", "refunded_minor", Kind.MONEY, "currency"),
            Column("settled in", "settlement_currency"),
            Column("settled", "settlement_minor", Kind.MONEY, "settlement_currency"),
            Column("fee", "fee_minor", Kind.MONEY, "settlement_currency"),
            Column("net", "net_minor", Kind.MONEY, "settlement_currency"),
            Column("stripe charge", "stripe_charge_id"),
            Column("stripe invoice", "stripe_invoice_id"),
        ),
        _payments,
    ),
)
register(
    "contributions",
    Export(
        (
            Column("contribution", "public_id"),
            Column("begun at (UTC)", "created_at", Kind.MOMENT),
            Column("campaign", "campaign__slug", Kind.TEXT),
            Column("member", "member__public_id"),
            Column("interval", "interval"),
            Column("currency", "currency"),
            Column("gift", "amount_minor", Kind.MONEY, "currency"),
            Column("fee cover", "fee_cover_minor", Kind.MONEY, "currency"),
            Column("checkout", "checkout_state"),
            Column("subscription", "subscription__state"),
            Column("ended at (UTC)", "subscription__ended_at", Kind.MOMENT),
            Column("end reason", "subscription__end_reason", Kind.TEXT),
            Column("language", "locale", Kind.TEXT),
            *(Column(name.replace("_", " "), KT(f"source__{name}"), Kind.TEXT) for name in _SOURCE),
        ),
        _contributions,
    ),
)
register(
    "members",
    Export(
        (
            Column("member", "public_id"),
            Column("joined at (UTC)", "joined_at", Kind.MOMENT),
            Column("language", "locale", Kind.TEXT),
            Column("merged into", "merged_into__public_id"),
        ),
        _members,
    ),
)
