"""
The sums by day and by month, and how they are kept equal to the journal.

An entry is in the sums or in the journal's small rest that is not rolled up yet; a question adds both, in one
statement, and so never misses or doubles one. A sweep carries the rest over. Nothing that books money touches the
sums: a day on which a thousand renewals arrive at once would have a thousand workers wait for one row.

Months are there for questions about years: what asks for whole months, quarters or years reads some thousand rows
instead of a hundred thousand. Sums of days and of months change in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Count, DateField, F, Func, QuerySet, Sum
from django.db.models.functions import Trunc

from donations.models import Campaign, JournalEntry, RevenueDay, RevenueMonth
from donations.models.journal import RevenueSum
from donations.reports import periods
from donations.reports.periods import Granularity, Period
from donations.reports.plans import EVERYTHING, Filters

BATCH = 5_000
KEY = ("day", "campaign_id", "interval", "currency", "kind")
SUMS = ("count", "amount_minor", "fee_minor")
_AT_ONCE = 500  # sums in one statement; SQLite takes 32,766 parameters
_OF_WHOLE_MONTHS = {Granularity.MONTH, Granularity.QUARTER, Granularity.YEAR}
Key = tuple[Any, ...]


class Row(NamedTuple):
    """What moved on a day, of one kind, in one currency, at one interval: how often, amount and fee in minor units."""

    day: Any
    currency: str
    interval: str
    kind: str
    number: int
    amount: int
    fee: int


def read(
    period: Period,
    filters: Filters = EVERYTHING,
    *,
    granularity: Granularity = Granularity.DAY,
    known_at: datetime | None = None,
) -> list[Row]:
    """
    What moved in a period: from the sums and what is not in them yet, or as it was known then, from the journal.

    :param granularity: what is added up before it comes here; a row then has the first day of its part.
    """
    part = _first_of(granularity)
    columns = ("part", "currency", "interval", "kind")
    entries = _about(_entries(period), filters).annotate(part=part)
    if known_at is not None:
        found = _grouped(entries.filter(recorded_at__lte=known_at), columns)
    else:
        found = _grouped(entries.filter(is_rolled_up=False), columns)
        of_campaigns: dict[str, Any] = {"campaign_id": RevenueSum.ALL_CAMPAIGNS}
        if filters.campaign is not None:
            of_campaigns = {"campaign_id__in": Campaign.objects.filter(slug=filters.campaign).values("pk")}
        for sums in _sums(period, by_month=granularity in _OF_WHOLE_MONTHS):
            sums = _in_currency(sums.filter(**of_campaigns), filters).annotate(part=part)
            found = found.union(_grouped(sums, columns), all=True)
    totals: dict[Key, list[int]] = {}
    for *key, count, amount, fee in found:
        total = totals.setdefault(tuple(key), [0, 0, 0])
        total[0] += count
        total[1] += amount
        total[2] += fee
    return [
        Row(max(day, period.first), code, interval, kind, *total)
        for (day, code, interval, kind), total in sorted(totals.items())
        if any(total)
    ]


def read_by_campaign(
    period: Period, filters: Filters = EVERYTHING, *, known_at: datetime | None = None
) -> dict[str, dict[str, dict[str, int]]]:
    """By campaign (slug) and currency: gross, refunds, disputes and what was kept, in minor units."""
    names = dict(Campaign.objects.values_list("pk", "slug"))
    columns = ("campaign_id", "currency", "kind")
    entries = _in_currency(_entries(period), filters)
    if known_at is not None:
        found = _grouped(entries.filter(recorded_at__lte=known_at), columns)
    else:
        found = _grouped(entries.filter(is_rolled_up=False), columns)
        for sums in _sums(period, by_month=True):
            sums = _in_currency(sums.exclude(campaign_id=RevenueSum.ALL_CAMPAIGNS), filters)
            found = found.union(_grouped(sums, columns), all=True)
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


def _entries(period: Period) -> QuerySet[JournalEntry]:
    return JournalEntry.objects.filter(day__gte=period.first, day__lte=period.last)


def _sums(period: Period, *, by_month: bool) -> Iterator[QuerySet[Any]]:
    """The sums of a period: those of its whole months, if months will do, and those of the days around them."""
    before, months, after = period.in_months() if by_month else (period, None, None)
    of: tuple[tuple[type[RevenueSum], Period | None], ...] = (
        (RevenueDay, before),
        (RevenueMonth, months),
        (RevenueDay, after),
    )
    for model, days in of:
        if days is not None:
            yield model._default_manager.filter(day__gte=days.first, day__lte=days.last)


def _about(rows: QuerySet[Any], filters: Filters) -> QuerySet[Any]:
    if filters.campaign is not None:
        rows = rows.filter(campaign__slug=filters.campaign)
    return _in_currency(rows, filters)


def _in_currency(rows: QuerySet[Any], filters: Filters) -> QuerySet[Any]:
    return rows if filters.currency is None else rows.filter(currency=filters.currency)


def _first_of(granularity: Granularity) -> Any:
    """The first day of the week, month … that a row's day lies in."""
    if granularity is Granularity.DAY:
        return F("day")
    if connection.vendor != "postgresql":
        return Trunc("day", granularity.value)
    # Without a zone, which `Trunc` would have each day converted to and back.
    shape = f"date_trunc('{granularity.value}', %(expressions)s::timestamp)::date"
    return Func(F("day"), template=shape, output_field=DateField())


_NAMES = {"PAYMENT": "gross", "REFUND": "refunds", "DISPUTE": "disputes"}


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
        rows = list(waiting.values_list("pk", *KEY, *SUMS)[:limit])
        if not rows:
            return 0
        of_days: dict[Key, list[int]] = {}
        of_months: dict[Key, list[int]] = {}
        for _, day, campaign, interval, currency, kind, *sums in rows:
            for of, first in ((of_days, day), (of_months, periods.month_of(day))):
                for grain in (RevenueSum.ALL_CAMPAIGNS, campaign):
                    total = of.setdefault((first, grain, interval, currency, kind), [0, 0, 0])
                    for place, value in enumerate(sums):
                        total[place] += value
        _add(RevenueDay, of_days)
        _add(RevenueMonth, of_months)
        JournalEntry.objects.filter(pk__in=[row[0] for row in rows]).update(is_rolled_up=True)
    return len(rows)


def _add(model: type[RevenueSum], totals: dict[Key, list[int]]) -> None:
    """Add to the sums, one statement for some hundred of them."""
    ordered = sorted(totals.items())
    row = f"({', '.join(['%s'] * (len(KEY) + len(SUMS)))})"
    for place in range(0, len(ordered), _AT_ONCE):
        some = ordered[place : place + _AT_ONCE]
        with connection.cursor() as cursor:
            cursor.execute(
                adding(model, f"VALUES {', '.join([row] * len(some))}"),
                [value for (day, *key), sums in some for value in (_stored(day), *key, *sums)],
            )


def adding(model: type[RevenueSum], rows: str) -> str:
    """The statement that adds rows of SQL, each a key and its sums, to those that are there."""
    quoted, table = connection.ops.quote_name, model._meta.db_table
    keys = ", ".join(quoted(name) for name in KEY)
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in SUMS)
    return (
        f"INSERT INTO {table} ({keys}, {', '.join(SUMS)}) {rows} ON CONFLICT ({keys}) DO UPDATE SET {added}"
    )


def _stored(day: date) -> Any:
    return connection.ops.adapt_datefield_value(day)
