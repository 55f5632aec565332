"""Payments that failed and came after all, and what is at risk or due now."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, Sum

from donations.models import Dispute, Dunning, Payment, Subscription
from donations.reports.periods import Period
from donations.reports.plans import EVERYTHING, Filters
from donations.reports.rates import rate

UPCOMING = timedelta(days=30)


def recovery(period: Period, filters: Filters = EVERYTHING) -> dict[str, Any]:
    """
    Renewals that failed at first, and what became of them, by currency; and why, by decline code.

    - `failed`: renewals that were refused at least once ÷ renewals that came due; by number, and by value.
    - `recovered`: of those refused, the ones that were paid after all, by any means ÷ all of them; by number and value.
    - `open`: still being tried.
    - `by_code`: of those refused that were not paid (yet), how many and what they come to, by the bank's latest decline
      code; `unknown` where Stripe told none. Where the money came after all, no reason is kept.

    A renewal belongs to the day on which it came due (its invoice was made). First payments are left out: there a
    reader tries again on the page. Unit: payments, minor units. Source: `Payment`, `Dunning`.
    """
    due = _narrow(
        Payment.objects.filter(
            is_renewal=True, created_at__gte=period.starts_at, created_at__lt=period.ends_at
        ).exclude(state=Payment.State.PROCESSING, dunning=None),
        filters,
    )
    refused, back, open_ = (
        Q(dunning__isnull=False),
        Q(dunning__isnull=False, state=Payment.State.SUCCEEDED),
        Q(dunning__state=Dunning.State.OPEN),
    )
    rows = (
        due.order_by()
        .values("currency")
        .annotate(
            due=Count("pk"),
            due_value=Sum("amount_minor"),
            refused=Count("pk", filter=refused),
            refused_value=Sum("amount_minor", filter=refused, default=0),
            back=Count("pk", filter=back),
            back_value=Sum("amount_minor", filter=back, default=0),
            open=Count("pk", filter=open_),
            open_value=Sum("amount_minor", filter=open_, default=0),
        )
    )
    found: dict[str, dict[str, Any]] = {
        row["currency"]: {
            "failed": rate(row["refused"], row["due"]),
            "failed_value": rate(row["refused_value"], row["due_value"]),
            "recovered": rate(row["back"], row["refused"]),
            "recovered_value": rate(row["back_value"], row["refused_value"]),
            "open": {"count": row["open"], "value": row["open_value"]},
            "by_code": {},
        }
        for row in rows
    }
    codes = due.filter(refused).exclude(state=Payment.State.SUCCEEDED)
    by_code: Counter[str] = Counter()
    for currency, code, number, value in (
        codes.order_by("currency", "failure_code")
        .values_list("currency", "failure_code")
        .annotate(Count("pk"), Sum("amount_minor"))
    ):
        by_code[code or "unknown"] += number
        found[currency]["by_code"][code or "unknown"] = {"count": number, "value": value}
    return {"currencies": dict(sorted(found.items())), "by_code": dict(sorted(by_code.items()))}


def explain_recovery(
    period: Period, filters: Filters, figure: str, *, first: int, count: int
) -> tuple[list[dict[str, Any]], int, dict[str, int]]:
    """
    The renewals behind `failed` (refused at least once) and `recovered`, the oldest first: a page of them, how many
    there are, and what all of them come to by currency.
    """
    rows = _narrow(
        Payment.objects.filter(
            is_renewal=True,
            created_at__gte=period.starts_at,
            created_at__lt=period.ends_at,
            dunning__isnull=False,
        ),
        filters,
    ).order_by("created_at", "pk")
    if figure == "recovered":
        rows = rows.filter(state=Payment.State.SUCCEEDED)
    wanted = rows.values("public_id", "created_at", "state", "failure_code", "currency", "amount_minor")
    page = [
        {
            "payment": str(row["public_id"]),
            "due_at": row["created_at"],
            "state": row["state"],
            "code": row["failure_code"],
            "currency": row["currency"],
            "value": row["amount_minor"],
        }
        for row in wanted[first : first + count]
    ]
    sums = rows.order_by("currency").values_list("currency").annotate(Sum("amount_minor"))
    return page, rows.count(), dict(sums)


def at_risk(filters: Filters = EVERYTHING) -> dict[str, Any]:
    """
    Plans of which a payment failed and is to be tried again, by currency. As of now.

    Formula: number of failed renewals with a next try, and their sum. Unit: payments, minor units. Source: `Dunning`.
    """
    rows = Payment.objects.filter(dunning__state=Dunning.State.OPEN, next_attempt_at__isnull=False)
    return _count(_narrow(rows, filters).values_list("currency", "amount_minor"))


def upcoming(now: datetime, filters: Filters = EVERYTHING) -> dict[str, Any]:
    """
    Within 30 days from now: plans that will be charged, and plans that will end, by currency.

    Formula: number and sum of the next payment of each plan that is active or past due and is not going to end before;
    number and sum of the plans that are to end. Unit: plans, minor units. Source: `Subscription`.
    """
    until = now + UPCOMING
    plans = Subscription.objects.filter(
        state__in=[Subscription.State.ACTIVE, Subscription.State.PAST_DUE]
    ).filter(Q(current_period_end__lt=until) | Q(next_payment_at__lt=until) | Q(cancel_at__lt=until))
    if filters.currency is not None:
        plans = plans.filter(currency=filters.currency)
    if filters.campaign is not None:
        plans = plans.filter(contribution__campaign__slug=filters.campaign)
    due, ends = [], []
    for plan in plans.order_by("pk").iterator():
        at = plan.upcoming_payment_at
        if at is not None and now <= at < until:
            due.append((plan.currency, plan.amount_minor))
        if plan.cancel_at is not None and now <= plan.cancel_at < until:
            ends.append((plan.currency, plan.amount_minor))
    return {"renewals": _count(due), "ends": _count(ends)}


def dispute_rate(period: Period, filters: Filters = EVERYTHING) -> dict[str, Any]:
    """
    Payments of a period that a reader's bank asked back, whenever it did, by currency.

    Formula: payments with a dispute (inquiries are none) ÷ payments that arrived; by number. Source: `Dispute`,
    `Payment`.
    """
    paid = _narrow(
        Payment.objects.filter(
            state=Payment.State.SUCCEEDED, paid_at__gte=period.starts_at, paid_at__lt=period.ends_at
        ),
        filters,
    )
    real = Dispute.objects.exclude(state__in=[Dispute.State.INQUIRY, Dispute.State.INQUIRY_CLOSED])
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for currency, number in paid.order_by().values_list("currency").annotate(Count("pk")):
        counts[currency][1] = number
    asked = paid.filter(pk__in=real.values("payment"))
    for currency, number in asked.order_by().values_list("currency").annotate(Count("pk")):
        counts[currency][0] = number
    return {currency: rate(*count) for currency, count in sorted(counts.items())}


def _narrow(rows: Any, filters: Filters) -> Any:
    if filters.currency is not None:
        rows = rows.filter(currency=filters.currency)
    if filters.campaign is not None:
        rows = rows.filter(contribution__campaign__slug=filters.campaign)
    return rows


def _count(rows: Any) -> dict[str, Any]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for currency, amount in rows:
        counts[currency].update({"count": 1, "value": amount})
    return {
        currency: {"count": count["count"], "value": count["value"]}
        for currency, count in sorted(counts.items())
    }
