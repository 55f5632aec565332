"""What reached the bank, and whether it adds up."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, Count, Q, QuerySet, Sum, Value, When

from donations import payouts
from donations.models import BalanceEntry, Payout
from donations.reports.periods import Period


def payout_report(period: Period, currency: str | None) -> dict[str, Any]:
    """
    Each payout that was made in a period, with what it is made of, beside what the bank got.

    Formula: of an automatic payout, payments + refunds + disputes + earlier payouts + others = the sum of its lines;
    `difference` = payout − that sum. One that was asked for by hand cannot be compared: Stripe does not tell its lines,
    so that those are listed apart. `unsettled`: lines that are in no payout yet, by currency.
    Unit: minor units of the payout's currency. Source: `Payout`, `BalanceEntry`.
    """
    rows = Payout.objects.filter(created_at__gte=period.starts_at, created_at__lt=period.ends_at)
    if currency is not None:
        rows = rows.filter(currency=currency)
    rows = rows.order_by("created_at", "pk")
    parts = _parts(rows)
    automatic = [_row(payout, parts.get(payout.pk, {})) for payout in rows if payout.is_automatic]
    open_lines = BalanceEntry.objects.filter(payout=None, net_minor__isnull=False).exclude(
        kind__startswith="payout"
    )
    if currency is not None:
        open_lines = open_lines.filter(currency=currency)
    return {
        "payouts": automatic,
        "by_hand": [_row(payout, {}) for payout in rows if not payout.is_automatic],
        "do_not_fit": [row["payout"] for row in automatic if row["difference"]],
        "unsettled": dict(open_lines.order_by("currency").values_list("currency").annotate(Sum("net_minor"))),
    }


def _parts(rows: QuerySet[Payout]) -> dict[int, dict[str, dict[str, int]]]:
    """By payout, what it is made of: one question for any number of them."""
    cause = Case(
        When(payment__isnull=False, then=Value("payments")),
        When(refund__isnull=False, then=Value("refunds")),
        When(dispute__isnull=False, then=Value("disputes")),
        When(Q(kind__startswith="payout"), then=Value("earlier_payouts")),
        default=Value("others"),
    )
    found: dict[int, dict[str, dict[str, int]]] = {}
    sums = (
        BalanceEntry.objects.filter(payout__in=rows.order_by().values("pk"))
        .order_by()
        .values_list("payout", cause)
        .annotate(Count("pk"), Sum("amount_minor"), Sum("fee_minor"), Sum("net_minor"))
    )
    for payout, name, count, amount, fee, net in sums:
        found.setdefault(payout, {})[name] = {"count": count, "amount": amount, "fees": fee, "net": net}
    return found


def _row(payout: Payout, parts: dict[str, dict[str, int]]) -> dict[str, Any]:
    nothing = {"count": 0, "amount": 0, "fees": 0, "net": 0}
    return {
        "payout": payout.stripe_id,
        "state": payout.state,
        "created_at": payout.created_at,
        "arrives_at": payout.arrives_at,
        "currency": payout.currency,
        "amount": payout.amount_minor,
        "lines": payout.listed_minor,
        "difference": None if payout.difference is None else payout.difference.minor,
        "parts": {name: parts.get(name, nothing) for name in payouts.CAUSES},
    }


def explain_payouts(
    period: Period, currency: str | None, *, first: int, count: int
) -> tuple[list[dict[str, Any]], int, dict[str, int]]:
    """The lines of the payouts of a period: a page of them, how many there are, and their net by currency."""
    rows = BalanceEntry.objects.filter(
        payout__created_at__gte=period.starts_at, payout__created_at__lt=period.ends_at
    )
    if currency is not None:
        rows = rows.filter(currency=currency)
    lines = rows.order_by("payout__created_at", "payout", "pk").select_related("payout")
    page = [
        {
            "payout": line.payout.stripe_id if line.payout else "",
            "line": line.stripe_id,
            "kind": line.kind,
            "at": line.occurred_at,
            "currency": line.currency,
            "amount": line.amount_minor,
            "fee": line.fee_minor,
            "value": line.net_minor,
        }
        for line in lines[first : first + count]
    ]
    sums = rows.order_by("currency").values_list("currency").annotate(Sum("net_minor"))
    return page, rows.count(), dict(sums)
