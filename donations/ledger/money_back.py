"""Money that goes back: refunds and disputes."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Sum

from donations import facts
from donations.ledger import journal
from donations.ledger.balance import fill_balance_entry, note_balance_id
from donations.ledger.common import NotOurs, Unmatched, change, locked
from donations.models import Contribution, Dispute, Payment, Refund
from members.rows import insert_new


def note_refund(refund: facts.RefundFacts, *, now: datetime) -> Contribution:
    """Money goes back to a reader, or came back to us. Keyed by the refund's id. Raises Unmatched, NotOurs."""
    payment, contribution = _payment_of_charge(refund.payment_intent, refund.charge)
    insert_new(
        [
            Refund(
                payment=payment,
                stripe_id=refund.id,
                state=refund.state,
                amount_minor=refund.amount,
                currency=refund.currency,
                reason=refund.reason,
                failure_reason=refund.failure_reason,
                created_at=refund.created_at,
            )
        ]
    )
    row = Refund.objects.get(stripe_id=refund.id)
    if Refund.RANK[refund.state] > Refund.RANK[row.state]:
        change(row, {"state": refund.state, "failure_reason": refund.failure_reason})
    for transaction_id in (refund.balance_transaction, refund.failure_balance_transaction):
        if transaction_id:
            note_balance_id(transaction_id, at=now, now=now, refund=row)
    journal.tell_refund(row, now=now)
    in_effect = Refund.objects.filter(payment=payment, state__in=Refund.IN_EFFECT)
    total = in_effect.aggregate(total=Sum("amount_minor"))["total"] or 0
    change(payment, {"refunded_minor": min(total, payment.amount_minor)})
    return contribution


def note_dispute(dispute: facts.DisputeFacts, *, at: datetime, now: datetime) -> Contribution:
    """A bank asks money back, or has decided; Stripe said so `at` that moment. Raises Unmatched, NotOurs."""
    payment, contribution = _payment_of_charge(dispute.payment_intent, dispute.charge)
    insert_new(
        [
            Dispute(
                payment=payment,
                stripe_id=dispute.id,
                state=dispute.state,
                rank=dispute.rank,
                stripe_status=dispute.status[:40],
                amount_minor=dispute.amount,
                currency=dispute.currency,
                reason=dispute.reason[:60],
                answer_due_at=dispute.answer_due_at,
                opened_at=dispute.opened_at,
                lost_at=at if dispute.state == Dispute.State.LOST else None,
            )
        ]
    )
    row = Dispute.objects.get(stripe_id=dispute.id)
    if dispute.state == Dispute.State.LOST and (row.lost_at is None or at < row.lost_at):
        change(row, {"lost_at": at})
    if dispute.rank > row.rank:
        change(
            row,
            {
                "state": dispute.state,
                "rank": dispute.rank,
                "stripe_status": dispute.status[:40],
                "answer_due_at": dispute.answer_due_at or row.answer_due_at,
            },
        )
    for movement in dispute.balance_transactions:
        note_balance_id(movement.id, at=now, now=now, dispute=row)
        fill_balance_entry(movement, now=now)
    return contribution


def _payment_of_charge(intent_id: str, charge_id: str) -> tuple[Payment, Contribution]:
    payment = None
    if intent_id:
        payment = Payment.objects.filter(stripe_payment_intent_id=intent_id).first()
    if payment is None and charge_id:
        payment = Payment.objects.filter(stripe_charge_id=charge_id).first()
    if payment is None:
        if not (intent_id or charge_id):
            raise NotOurs("money back for a charge that has no id")
        raise Unmatched(intent_id or charge_id)
    contribution: Contribution = locked().get(pk=payment.contribution_id)
    return Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk), contribution
