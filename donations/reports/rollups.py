"""
The sums by day, and how they are kept equal to the journal.

An entry is in the sums or in the journal's small rest that is not rolled up yet; a question adds both, in one
statement, and so never misses or doubles one. A sweep carries the rest over. Nothing that books money touches the
sums: a day on which a thousand renewals arrive at once would have a thousand workers wait for one row.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Count, F, Sum

from donations.ledger import journal
from donations.ledger.journal import Fact
from donations.models import BalanceEntry, Campaign, JournalEntry, Payment, Refund, RevenueDay
from donations.reports.periods import Period
from donations.reports.plans import EVERYTHING, Filters
from members.rows import insert_new

BATCH = 5_000
_KEY = ("day", "campaign_id", "interval", "currency", "kind")
_SUMS = ("count", "amount_minor", "fee_minor")
Key = tuple[Any, ...]
Sums = tuple[int, int, int]  # count, amount, fee
Progress = Callable[[str, int], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """What moved on one day, of one kind, in one currency, at one interval: count, amount and fee in minor units."""

    day: Any
    currency: str
    interval: str
    kind: str
    count: int
    amount: int
    fee: int


def read(period: Period, filters: Filters = EVERYTHING, *, known_at: datetime | None = None) -> list[Row]:
    """What moved in a period: from the sums and what is not in them yet, or as it was known then, from the journal."""
    entries = JournalEntry.objects.filter(day__gte=period.first, day__lte=period.last)
    sums = RevenueDay.objects.filter(day__gte=period.first, day__lte=period.last)
    if filters.campaign is not None:
        entries = entries.filter(campaign__slug=filters.campaign)
        sums = sums.filter(campaign_id__in=_ids_of(filters.campaign))
    else:
        sums = sums.filter(campaign_id=RevenueDay.ALL_CAMPAIGNS)
    if filters.currency is not None:
        entries, sums = entries.filter(currency=filters.currency), sums.filter(currency=filters.currency)
    columns = ("day", "currency", "interval", "kind")
    if known_at is not None:
        found = _grouped(entries.filter(recorded_at__lte=known_at), columns)
    else:
        found = _grouped(sums, columns).union(_grouped(entries.filter(is_rolled_up=False), columns), all=True)
    totals: dict[Key, Counter[str]] = defaultdict(Counter)
    for *key, count, amount, fee in found:
        totals[tuple(key)].update({"count": count, "amount": amount, "fee": fee})
    return [
        Row(day, code, interval, kind, each["count"], each["amount"], each["fee"])
        for (day, code, interval, kind), each in sorted(totals.items())
        if each["count"] or each["amount"] or each["fee"]
    ]


def read_by_campaign(
    period: Period, filters: Filters = EVERYTHING, *, known_at: datetime | None = None
) -> dict[str, dict[str, dict[str, int]]]:
    """By campaign (slug) and currency: gross, refunds, disputes and what was kept, in minor units."""
    names = dict(Campaign.objects.values_list("pk", "slug"))
    entries = JournalEntry.objects.filter(day__gte=period.first, day__lte=period.last)
    sums = RevenueDay.objects.filter(day__gte=period.first, day__lte=period.last)
    sums = sums.exclude(campaign_id=RevenueDay.ALL_CAMPAIGNS)
    if filters.currency is not None:
        entries, sums = entries.filter(currency=filters.currency), sums.filter(currency=filters.currency)
    columns = ("campaign_id", "currency", "kind")
    if known_at is not None:
        found = _grouped(entries.filter(recorded_at__lte=known_at), columns)
    else:
        found = _grouped(sums, columns).union(_grouped(entries.filter(is_rolled_up=False), columns), all=True)
    totals: dict[str, dict[str, dict[str, int]]] = {}
    for campaign, currency, kind, _, amount, _ in found:
        slug = names[campaign]
        if kind not in _NAMES or filters.campaign not in (None, slug):
            continue
        row = totals.setdefault(slug, {}).setdefault(
            currency, {"gross": 0, "refunds": 0, "disputes": 0, "kept": 0}
        )
        row[_NAMES[kind]] += amount
        row["kept"] += amount
    return totals


_NAMES = {"PAYMENT": "gross", "REFUND": "refunds", "DISPUTE": "disputes"}


def _ids_of(slug: str) -> Any:
    return Campaign.objects.filter(slug=slug).values("pk")


def _grouped(rows: Any, columns: Iterable[str]) -> Any:
    # `total_…`: an alias may not be called like a column.
    return (
        rows.order_by()
        .values_list(*columns)
        .annotate(total_count=Sum("count"), total_amount=Sum("amount_minor"), total_fee=Sum("fee_minor"))
    )


def grouped_with_number(rows: Any, columns: Iterable[str]) -> Any:
    """Per group of journal entries: how many there are, their amounts and their fees."""
    return (
        rows.order_by()
        .values_list(*columns)
        .annotate(number=Count("pk"), total_amount=Sum("amount_minor"), total_fee=Sum("fee_minor"))
    )


def roll_up(*, limit: int = BATCH) -> int:
    """
    Carry entries that are not in the sums yet over to them, once each; how many.

    Can be done at any time, by several at once, and again. The sums are locked in one order, so that nobody waits in a
    circle.
    """
    with transaction.atomic():
        waiting = JournalEntry.objects.filter(is_rolled_up=False).order_by("pk")
        if connection.features.has_select_for_update_skip_locked:
            waiting = waiting.select_for_update(skip_locked=True, of=("self",))
        rows = list(waiting.values_list("pk", *_KEY, *_SUMS)[:limit])
        if not rows:
            return 0
        totals: dict[Key, list[int]] = {}
        for _, day, campaign, interval, currency, kind, *sums in rows:
            for grain in (RevenueDay.ALL_CAMPAIGNS, campaign):
                total = totals.setdefault((day, grain, interval, currency, kind), [0, 0, 0])
                for place, value in enumerate(sums):
                    total[place] += value
        _add(totals)
        JournalEntry.objects.filter(pk__in=[row[0] for row in rows]).update(is_rolled_up=True)
    return len(rows)


def _add(totals: dict[Key, list[int]]) -> None:
    for place in range(0, len(totals), 500):
        keys = sorted(totals)[place : place + 500]
        insert_new([RevenueDay(**dict(zip(_KEY, key, strict=True))) for key in keys])
    for key in sorted(totals):
        changes = {name: F(name) + value for name, value in zip(_SUMS, totals[key], strict=True)}
        RevenueDay.objects.filter(**dict(zip(_KEY, key, strict=True))).update(**changes)


# --- Comparing and building anew


@dataclass(slots=True)
class Comparison:
    """
    What did not agree.

    :param journal: facts of the books that the journal tells otherwise, or not at all, or that it tells and the books
        do not.
    :param sums: sums by day that differ from their entries.
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
    entries = {
        **_sums_of_entries(("day", "campaign_id", "interval", "currency", "kind")),
        **{
            (key[0], RevenueDay.ALL_CAMPAIGNS, *key[1:]): sums
            for key, sums in _sums_of_entries(("day", "interval", "currency", "kind")).items()
        },
    }
    kept = {
        tuple(row[:5]): tuple(row[5:]) for row in RevenueDay.objects.values_list(*_KEY, *_SUMS).iterator()
    }
    nothing = (0, 0, 0)
    found.sums = sum(kept.get(key, nothing) != entries.get(key, nothing) for key in {*entries, *kept})
    progress("sums compared", len({*entries, *kept}))
    return found


def _sums_of_entries(columns: tuple[str, ...]) -> dict[Key, Sums]:
    rolled_up = JournalEntry.objects.filter(is_rolled_up=True)
    return {tuple(key): (count, amount, fee) for *key, count, amount, fee in _grouped(rolled_up, columns)}


def rebuild(*, now: datetime, progress: Progress = lambda _, __: None) -> Comparison:
    """
    Tell the journal what it misses, and make all sums anew.

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
    progress("sums made", _sum_anew())
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


_INSERT = """
    INSERT INTO {sums} (day, campaign_id, "interval", currency, kind, count, amount_minor, fee_minor)
    SELECT day, {campaign}, "interval", currency, kind, SUM(count), SUM(amount_minor), SUM(fee_minor)
    FROM {entries} WHERE is_rolled_up GROUP BY day, {group}"interval", currency, kind
"""


def _sum_anew() -> int:
    """All sums from all entries, in three statements that the database does alone; how many sums there are."""
    sums, entries = RevenueDay._meta.db_table, JournalEntry._meta.db_table
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL statement_timeout = 0")
            # Who rolls up waits for us or has finished: an entry is in the sums if, and only if, it is marked.
            cursor.execute(f"LOCK TABLE {sums} IN EXCLUSIVE MODE")
        cursor.execute(f"DELETE FROM {sums}")  # noqa: S608  # the names of our own tables
        JournalEntry.objects.filter(is_rolled_up=False).update(is_rolled_up=True)
        made = 0
        for campaign, group in ((str(RevenueDay.ALL_CAMPAIGNS), ""), ("campaign_id", "campaign_id, ")):
            cursor.execute(_INSERT.format(sums=sums, entries=entries, campaign=campaign, group=group))
            made += cursor.rowcount
    return made


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
