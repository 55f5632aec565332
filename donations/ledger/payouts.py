"""How our balance at Stripe reaches the bank: payouts, and the lines that each is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Sum

from donations import facts
from donations.ledger.balance import fill_balance_entry, take_figures
from donations.ledger.common import change
from donations.models import BalanceEntry, Dispute, Payment, Payout, Refund
from members.rows import insert_new


def note_payout(told: facts.PayoutFacts) -> Payout:
    """A payout is made, on its way, at the bank or back. The later of two descriptions counts."""
    insert_new(
        [
            Payout(
                stripe_id=told.id,
                state=told.state,
                amount_minor=told.amount,
                currency=told.currency,
                is_automatic=told.is_automatic,
                created_at=told.created_at,
                arrives_at=told.arrives_at,
                failure_code=told.failure_code[:60],
                can_be_listed=told.can_be_listed,
            )
        ]
    )
    row = Payout.objects.select_for_update().get(stripe_id=told.id)
    changes: dict[str, Any] = {"can_be_listed": row.can_be_listed or told.can_be_listed}
    if Payout.RANK[told.state] > Payout.RANK[row.state]:
        changes |= {
            "state": told.state,
            "arrives_at": told.arrives_at,
            "failure_code": told.failure_code[:60],
        }
    change(row, changes)
    return row


def note_payout_lines(payout: Payout, lines: Sequence[facts.BalanceTransaction], *, now: datetime) -> None:
    """
    Write down lines of a payout, each with what caused it if that is in our books. Can be told again.

    A line that we know already keeps its figures, and gets those that it waits for.
    """
    causes = _causes([line.source for line in lines])
    insert_new(
        [BalanceEntry(stripe_id=line.id, noted_at=now, **causes.get(line.source, {})) for line in lines]
    )
    for line in lines:
        orphans = BalanceEntry.objects.filter(stripe_id=line.id, payment=None, refund=None, dispute=None)
        was_orphan = line.source in causes and orphans.update(**causes[line.source])
        if not fill_balance_entry(line, now=now) and was_orphan:
            take_figures(line.id, now=now)
    BalanceEntry.objects.filter(stripe_id__in=[line.id for line in lines]).update(payout=payout)


def close_payout(payout: Payout, *, now: datetime) -> int | None:
    """
    All lines of a payout are here: remember what they come to, in minor units; the difference follows from it.

    None if another worker did it.
    """
    total = payout.lines.aggregate(total=Sum("net_minor"))["total"] or 0
    closed = Payout.objects.filter(pk=payout.pk, listed_at=None).update(listed_at=now, listed_minor=total)
    return total if closed else None


def _causes(sources: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Which row of ours each of Stripe's objects is, as far as we know them; three questions for any number."""
    ids = [source for source in sources if source]
    found: dict[str, dict[str, Any]] = {}
    charges = Payment.objects.filter(stripe_charge_id__in=ids)
    for pk, charge in charges.values_list("pk", "stripe_charge_id"):
        found[str(charge)] = {"payment_id": pk}
    for pk, refund in Refund.objects.filter(stripe_id__in=ids).values_list("pk", "stripe_id"):
        found[refund] = {"refund_id": pk}
    for pk, dispute in Dispute.objects.filter(stripe_id__in=ids).values_list("pk", "stripe_id"):
        found[dispute] = {"dispute_id": pk}
    return found
