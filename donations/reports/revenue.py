"""What came in and what went out again, from the journal."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from typing import Any

from donations.models import JournalEntry
from donations.reports import rollups
from donations.reports.exchange import Rates, total
from donations.reports.periods import Granularity, Period
from donations.reports.plans import EVERYTHING, Filters

Kind = JournalEntry.Kind
_FIGURES = {
    "gross": Kind.PAYMENT,
    "refunds": Kind.REFUND,
    "disputes": Kind.DISPUTE,
    "settled": Kind.SETTLEMENT,
}
FIGURES = tuple(_FIGURES)
_KINDS = tuple(kind.value for kind in _FIGURES.values())  # in the order of the figures
_PAYMENT = Kind.PAYMENT.value


def revenue(
    period: Period,
    granularity: Granularity,
    filters: Filters = EVERYTHING,
    *,
    known_at: datetime | None = None,
) -> dict[str, Any]:
    """
    Revenue by currency and part of the period, each with its intervals apart.

    - `gross`: payments that arrived, by the day on which they were paid.
    - `refunds`: below zero; by the day on which they were made, whenever the payment was. A refund that failed is none.
    - `disputes`: what banks took (below zero) or gave back, by the day of Stripe's account.
    - `kept` = gross + refunds + disputes, in the currency that readers paid in.
    - `settled`, `fees`, `net`: from Stripe's account (balance transactions), by its day, in the currency that it
      settles in; net = settled − fees. Where readers pay in another currency than the newsroom is paid in, these are
      under two currencies, and are not one sum.

    Unit: minor units. Source: `JournalEntry`, which follows `Payment`, `Refund`, `Dispute` and `BalanceEntry`.
    """
    rows = rollups.read(period, filters, granularity=granularity, known_at=known_at)
    currencies = sorted({row.currency for row in rows} | ({filters.currency} if filters.currency else set()))
    parts = list(period.parts(granularity))
    by_part: dict[tuple[str, int], list[rollups.Row]] = defaultdict(list)
    place = 0
    for row in rows:  # the earliest first
        while row.day > parts[place].last:
            place += 1
        by_part[row.currency, place].append(row)
    return {
        currency: [
            {"from": part.first, "to": part.last, **_totals(by_part[currency, number])}
            for number, part in enumerate(parts)
        ]
        for currency in currencies
    }


def _totals(rows: list[rollups.Row]) -> dict[str, Any]:
    intervals: dict[str, list[rollups.Row]] = defaultdict(list)
    for row in rows:
        intervals[row.interval].append(row)
    by_interval = {interval: _sums(some) for interval, some in sorted(intervals.items())}
    (*_, only) = by_interval.values() or (None,)
    return {**(only if only and len(by_interval) == 1 else _sums(rows)), "by_interval": by_interval}


def _sums(rows: list[rollups.Row]) -> dict[str, int]:
    amounts = dict.fromkeys(_KINDS, 0)
    payments = fees = 0
    for row in rows:
        amounts[row.kind] += row.amount
        fees += row.fee
        if row.kind == _PAYMENT:
            payments += row.number
    gross, refunds, disputes, settled = amounts.values()
    return {
        "payments": payments,
        "gross": gross,
        "refunds": refunds,
        "disputes": disputes,
        "kept": gross + refunds + disputes,
        "settled": settled,
        "fees": fees,
        "net": settled - fees,
    }


def converted(
    period: Period,
    granularity: Granularity,
    filters: Filters,
    into: str,
    *,
    known_at: datetime | None = None,
) -> list[dict[str, Any]]:
    """
    `gross`, `refunds`, `disputes`, `kept` and `net` of all currencies in one, per part of the period (`converted`).

    Formula: each day's sum ÷ its currency's rate × the reporting currency's rate of that day, added up exactly and
    rounded once, half to even. A day without a rate has the last one before it, at most seven days old; without that
    there is no sum, and `missing` says which rate it needs. Source: `DayRate`, in the European Central Bank's terms.
    """
    rates = Rates.of(period)
    rows = rollups.read(period, filters, known_at=known_at)
    found = []
    for part in period.parts(granularity):
        within = [row for row in rows if part.holds(row.day)]
        kept = [row for row in within if row.kind != Kind.SETTLEMENT]
        sums = {
            name: total(
                [(row.amount, row.currency, row.day) for row in within if row.kind == kind], into, rates
            )
            for name, kind in _FIGURES.items()
            if name != "settled"
        }
        sums["kept"] = total([(row.amount, row.currency, row.day) for row in kept], into, rates)
        settled = [row for row in within if row.kind == Kind.SETTLEMENT]
        sums["net"] = total([(row.amount - row.fee, row.currency, row.day) for row in settled], into, rates)
        found.append({"from": part.first, "to": part.last, **sums})
    return found


def explain(
    period: Period, filters: Filters, figure: str, *, known_at: datetime | None, first: int, count: int
) -> tuple[list[dict[str, Any]], int, dict[str, int]]:
    """
    The entries behind a figure of `revenue`, a page of them; how many there are; and what all of them come to.

    An entry that was taken back is there, and so is the one that takes it back: together they are nothing.
    """
    kinds = [kind for name, kind in _FIGURES.items() if name == figure]
    if figure == "kept":
        kinds = [Kind.PAYMENT, Kind.REFUND, Kind.DISPUTE]
    elif figure in ("fees", "net"):
        kinds = [Kind.SETTLEMENT]
    rows = JournalEntry.objects.filter(day__gte=period.first, day__lte=period.last, kind__in=kinds)
    if filters.currency is not None:
        rows = rows.filter(currency=filters.currency)
    if filters.campaign is not None:
        rows = rows.filter(campaign__slug=filters.campaign)
    if known_at is not None:
        rows = rows.filter(recorded_at__lte=known_at)
    totals: Counter[str] = Counter()
    number = 0
    for currency, entries, amount, fee in rollups.grouped_with_number(rows, ("currency",)):
        totals[currency] += _value(figure, amount, fee)
        number += entries
    wanted = rows.order_by("at", "pk").values(
        "day", "at", "recorded_at", "kind", "currency", "amount_minor", "fee_minor", "interval", "count",
        "payment__public_id", "contribution__public_id", "campaign__slug",
    )[first : first + count]  # fmt: skip
    page = [
        {
            "day": row["day"],
            "at": row["at"],
            "recorded_at": row["recorded_at"],
            "kind": row["kind"],
            "takes_back": row["count"] < 0,
            "payment": str(row["payment__public_id"]),
            "contribution": str(row["contribution__public_id"]),
            "campaign": row["campaign__slug"],
            "interval": row["interval"],
            "currency": row["currency"],
            "value": _value(figure, row["amount_minor"], row["fee_minor"]),
        }
        for row in wanted
    ]
    return page, number, dict(sorted(totals.items()))


def _value(figure: str, amount: int, fee: int) -> int:
    return {"fees": fee, "net": amount - fee}.get(figure, amount)
