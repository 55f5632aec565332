"""
Looking whether the journal and the sums are what the books say, and making them so.

The books tell the journal, the journal makes the sums of days by campaign, and these make all others. Whatever is
compared here is also what is added, so that sums which are right cost a look, and nobody who reads meanwhile misses
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from django.db import connection, transaction

from donations.ledger import journal
from donations.ledger.journal import Fact
from donations.models import BalanceEntry, JournalEntry, Payment, Refund, RevenueDay, RevenueMonth
from donations.models.journal import RevenueSum
from donations.reports.rollups import BATCH, KEY, SUMS, adding
from members.rows import insert_new

_MEMORY = (
    "128MB"  # that PostgreSQL may use for each grouping; its usual 4 have it sort millions of rows on disk
)
_KEY = tuple(f'"{name}"' for name in KEY)
Progress = Callable[[str, int], None]
T = TypeVar("T")


@dataclass(slots=True)
class Comparison:
    """
    What did not agree.

    :param journal: facts of the books that the journal tells otherwise, or not at all, or that it tells and the books
        do not.
    :param sums: sums by day that differ from their entries, and other sums that differ from these.
    """

    facts: int = 0
    journal: int = 0
    sums: int = 0

    @property
    def agrees(self) -> bool:
        return not self.journal and not self.sums


def compare(*, progress: Progress = lambda _, __: None) -> Comparison:
    """Look at each fact of the books beside the journal, and at each sum beside its entries. Changes nothing."""
    found = Comparison()
    agreeing = 0
    for page in _pages(_facts(), BATCH):
        told = _standing([fact.reference for fact in page])
        found.facts += len(page)
        agreeing += sum(told.get(fact.reference) == fact for fact in page)
        progress("facts compared", found.facts)
    # What the books say and the journal does not, and the other way round.
    standing = JournalEntry.objects.filter(stands=True).count()
    found.journal = max(found.facts - agreeing, standing - agreeing)
    for step in _steps():
        found.sums += _number(f"SELECT COUNT(*) FROM ({step.missing()}) AS each")  # noqa: S608  # our own names
    progress("sums that differ", found.sums)
    return found


def rebuild(*, now: datetime, progress: Progress = lambda _, __: None) -> Comparison:
    """
    Tell the journal what it misses, and have all sums be those of its entries.

    A fact that no entry tells is taken as known since it happened: it is older than the journal. One that is told
    otherwise is put right as of now, so that what was reported before can still be found.
    """
    done = Comparison()
    for page in _pages(_facts(), 500):
        with transaction.atomic():
            told = _standing([fact.reference for fact in page])
            differing = [fact for fact in page if told.get(fact.reference) != fact]
            missing = [fact for fact in differing if fact.reference not in told]
            insert_new([fact.entry(now=min(fact.at, now)) for fact in missing])
            journal.tell(differing, now=now)
        done.facts += len(page)
        done.journal += len(differing)
        progress("facts told", done.facts)
    _take_back_what_did_not_happen(now=now)
    progress("sums put right", sum_anew())
    take_stock()
    return done


def _take_back_what_did_not_happen(*, now: datetime) -> None:
    """What the journal tells and the books do not: refunds that failed, gifts entered by mistake."""
    happened: dict[str, Any] = {
        "REFUND": Refund.objects.filter(state__in=Refund.IN_EFFECT),
        "PAYMENT": Payment.objects.filter(state=Payment.State.SUCCEEDED),
    }
    for kind, rows in happened.items():
        told = JournalEntry.objects.filter(kind=kind, stands=True).order_by("pk")
        for page in _pages(told.values_list("reference", flat=True).iterator(), 500):
            ids = [reference.partition(":")[2] for reference in page]
            there = rows.filter(pk__in=ids).values_list("pk", flat=True)
            for reference in {*page} - {f"{kind.lower()}:{pk}" for pk in there}:
                with transaction.atomic():
                    journal.take_back(reference, now=now)


@dataclass(frozen=True, slots=True)
class _Step:
    """
    Sums that are those of other rows.

    :param sums: where they are kept, and which of the rows there.
    :param rows: what they are the sums of, and which of the rows there.
    :param key: what their key is, in terms of these rows.
    """

    sums: type[RevenueSum]
    sums_where: str
    rows: Any
    rows_where: str
    key: tuple[str, ...]

    def missing(self) -> str:
        """SQL for what the sums would need added to be right: nothing, where nothing was ever wrong."""
        kept, names = ", ".join(_KEY), ", ".join(SUMS)
        sums = ", ".join(f"CAST(SUM({name}) AS BIGINT) AS {name}" for name in SUMS)
        is_any = " OR ".join(f"SUM({name}) <> 0" for name in SUMS)
        key = ", ".join(f"{value} AS {name}" for name, value in zip(_KEY, self.key, strict=True))
        less = ", ".join(f"-{name}" for name in SUMS)
        return (
            f"SELECT {kept}, {sums} FROM ("  # noqa: S608  # our own names
            f"SELECT {key}, {names} FROM {self.rows._meta.db_table} WHERE {self.rows_where} "
            f"UNION ALL SELECT {kept}, {less} FROM {self.sums._meta.db_table} WHERE {self.sums_where}"
            f") AS moved GROUP BY {kept} HAVING {is_any}"
        )


def _steps() -> list[_Step]:
    """From the journal to all sums, in the order in which each is right once those before it are."""
    day, *others = _KEY
    _, *of_all = others
    everything = str(RevenueSum.ALL_CAMPAIGNS)
    month = f"CAST(DATE_TRUNC('month', {day}) AS DATE)"
    if connection.vendor != "postgresql":
        month = f"DATE({day}, 'start of month')"
    one, together = f"campaign_id <> {everything}", f"campaign_id = {everything}"
    return [
        _Step(RevenueDay, one, JournalEntry, "is_rolled_up", _KEY),
        _Step(RevenueDay, together, RevenueDay, one, (day, everything, *of_all)),
        _Step(RevenueMonth, "TRUE", RevenueDay, "TRUE", (month, *others)),
    ]


def sum_anew() -> int:
    """Have all sums be those of the entries, in statements that the database does alone; how many were not."""
    with transaction.atomic(), connection.cursor() as cursor:
        waiting = JournalEntry.objects.filter(is_rolled_up=False)
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute(f"SET LOCAL work_mem = '{_MEMORY}'")
            # Who rolls up waits for us or has finished: an entry is in the sums if, and only if, it is marked.
            tables = ", ".join(model._meta.db_table for model in (RevenueDay, RevenueMonth))
            cursor.execute(f"LOCK TABLE {tables} IN EXCLUSIVE MODE")
            # Who waits for us holds the entries that it carries over. They are left to it, or each would wait for the
            # other.
            waiting = waiting.select_for_update(skip_locked=True)
        JournalEntry.objects.filter(pk__in=waiting.values("pk")).update(is_rolled_up=True)
        added = 0
        for step in _steps():
            cursor.execute(adding(step.sums, step.missing()))
            added += cursor.rowcount
    return added


def _number(statement: str) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute(f"SET LOCAL work_mem = '{_MEMORY}'")
        cursor.execute(statement)
        (number,) = cursor.fetchone()
    return int(number)


def take_stock() -> None:
    """Have PostgreSQL count the tables: until it has, it thinks that nothing is rolled up, and looks through all."""
    if connection.vendor == "postgresql":
        tables = ", ".join(model._meta.db_table for model in (RevenueDay, RevenueMonth, JournalEntry))
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {tables}")


def _facts() -> Iterator[Fact]:
    """All that the books say moved."""
    related = ("payment__contribution", "refund__payment__contribution", "dispute__payment__contribution")
    arrived = Payment.objects.filter(state=Payment.State.SUCCEEDED).select_related("contribution")
    for payment in arrived.order_by("pk").iterator(chunk_size=2_000):
        yield journal.fact_of_payment(payment, payment.contribution)
    refunds = Refund.objects.filter(state__in=Refund.IN_EFFECT).select_related("payment__contribution")
    for refund in refunds.order_by("pk").iterator(chunk_size=2_000):
        yield journal.fact_of_refund(refund, refund.payment.contribution)
    lines = BalanceEntry.objects.filter(journal.lines_with_cause()).select_related(*related)
    for entry in lines.order_by("pk").iterator(chunk_size=2_000):
        yield from journal.facts_of_line(entry)


def _standing(references: list[str]) -> dict[str, Fact]:
    found = {}
    for place in range(0, len(references), 500):
        some = references[place : place + 500]
        for entry in JournalEntry.objects.filter(reference__in=some, stands=True):
            found[entry.reference] = journal.fact_of(entry)
    return found


def _pages(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while page := list(islice(items, size)):
        yield page
