"""Stripe's account of our money: what each movement cost, and what was left."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from donations import facts
from donations.ledger import journal
from donations.models import BalanceEntry, Dispute, Payment, Refund
from members.rows import insert_new


def note_balance_id(
    transaction_id: str,
    *,
    at: datetime,
    now: datetime,
    payment: Payment | None = None,
    refund: Refund | None = None,
    dispute: Dispute | None = None,
) -> None:
    """
    Remember that a balance transaction exists, so that its figures are fetched.

    A payout may have told it before, without a cause; then it gets its cause now, and a payment its figures.
    """
    cause = {"payment": payment, "refund": refund, "dispute": dispute}
    if insert_new([BalanceEntry(stripe_id=transaction_id, noted_at=at, **cause)]):
        return
    orphans = BalanceEntry.objects.filter(stripe_id=transaction_id, payment=None, refund=None, dispute=None)
    if orphans.update(**cause):
        take_figures(transaction_id, now=now)


def fill_balance_entry(movement: facts.BalanceTransaction, *, now: datetime) -> bool:
    """
    Write the figures of a balance transaction, once; a payment's own fee and net follow from them.

    True if this call filled it.
    """
    waiting = BalanceEntry.objects.filter(stripe_id=movement.id, net_minor=None)
    filled = waiting.update(**figures_of(movement))
    if filled:
        take_figures(movement.id, now=now)
    return bool(filled)


def figures_of(movement: facts.BalanceTransaction) -> dict[str, Any]:
    """What a `BalanceEntry` holds of a balance transaction."""
    return {
        "kind": movement.kind[:40],
        "currency": movement.currency,
        "amount_minor": movement.amount,
        "fee_minor": movement.fee,
        "net_minor": movement.net,
        "exchange_rate": movement.exchange_rate[:32],
        "occurred_at": movement.occurred_at,
        "available_on": movement.available_on,
    }


def take_figures(transaction_id: str, *, now: datetime) -> None:
    """
    What follows from the figures of a line, once they and its cause are known: the journal has it, and a payment's
    own fee and net are those of its line.
    """
    entry = BalanceEntry.objects.filter(stripe_id=transaction_id).exclude(net_minor=None).first()
    if entry is None:
        return
    journal.tell_line(entry, now=now)
    if entry.payment_id is None:
        return
    Payment.objects.filter(pk=entry.payment_id, net_minor=None).update(
        settlement_currency=entry.currency,
        settlement_minor=entry.amount_minor,
        fee_minor=entry.fee_minor,
        net_minor=entry.net_minor,
    )
