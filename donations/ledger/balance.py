"""Stripe's account of our money: what each movement cost, and what was left."""

from __future__ import annotations

from datetime import datetime

from donations import facts
from donations.models import BalanceEntry, Dispute, Payment, Refund
from members.rows import insert_new


def note_balance_id(
    transaction_id: str,
    *,
    at: datetime,
    payment: Payment | None = None,
    refund: Refund | None = None,
    dispute: Dispute | None = None,
) -> None:
    """Remember that a balance transaction exists, so that its figures are fetched."""
    insert_new(
        [BalanceEntry(stripe_id=transaction_id, payment=payment, refund=refund, dispute=dispute, noted_at=at)]
    )


def fill_balance_entry(movement: facts.BalanceTransaction) -> bool:
    """
    Write the figures of a balance transaction, once; a payment's own fee and net follow from them.

    True if this call filled it.
    """
    waiting = BalanceEntry.objects.filter(stripe_id=movement.id, net_minor=None)
    filled = waiting.update(
        kind=movement.kind[:40],
        currency=movement.currency,
        amount_minor=movement.amount,
        fee_minor=movement.fee,
        net_minor=movement.net,
        exchange_rate=movement.exchange_rate[:32],
        occurred_at=movement.occurred_at,
        available_on=movement.available_on,
    )
    if filled:
        Payment.objects.filter(balance_entries__stripe_id=movement.id, net_minor=None).update(
            settlement_currency=movement.currency,
            settlement_minor=movement.amount,
            fee_minor=movement.fee,
            net_minor=movement.net,
        )
    return bool(filled)
