"""One-off gifts: payment intents and charges."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from donations import facts
from donations.ledger.balance import note_balance_id
from donations.ledger.common import NotOurs, Unmatched, change, lock_contribution, locked, must_match
from donations.ledger.traces import note_trace
from donations.models import Contribution, Payment
from donations.money import Money

PaymentState = Payment.State


def note_intent(intent: facts.Intent, *, state: str, at: datetime) -> Contribution:
    """A PaymentIntent succeeded, is under way or failed. Raises Unmatched, NotOurs, Mismatch."""
    contribution, payment = _payment_owner(
        intent.id, intent.reference, waits_for=intent.id, is_failure=state == PaymentState.FAILED
    )
    if payment is not None and payment.stripe_invoice_id:
        # The invoice tells of recurring money; only the reason of a failure is news here.
        note_reason(payment, intent.failure_code, at=at)
        return contribution
    must_match(contribution, intent.amount, intent.currency, intent.livemode)
    note_single_payment(
        contribution, intent.id, state=state, amount=Money(intent.amount, intent.currency), at=at,
        failure_code=intent.failure_code, charge=intent.latest_charge,
    )  # fmt: skip
    return contribution


def note_charge(
    charge: facts.Charge, *, at: datetime, now: datetime, is_later_word: bool = False
) -> Contribution:
    """
    A charge succeeded, failed, or got its balance transaction.

    :param is_later_word: it tells of what became of a charge, such as its fee or a dispute, perhaps months later: `at`
        is not when it was paid, and whether it was is told by others.

    Raises Unmatched while we do not know whose it is; NotOurs for a failed one that belongs to nobody yet:
    no money moved, and the try that succeeds will tell its own story.
    """
    failed = charge.status == "failed"
    contribution, payment = _payment_owner(
        charge.payment_intent,
        charge.reference,
        waits_for=charge.payment_intent or charge.id,
        is_failure=failed,
        charge_id=charge.id,
    )
    if payment is None or not payment.stripe_invoice_id:
        must_match(contribution, charge.amount, charge.currency, charge.livemode)
        if is_later_word and payment is None:
            raise Unmatched(charge.payment_intent or charge.id)
    if payment is None or not (payment.stripe_invoice_id or is_later_word):
        states = {"succeeded": PaymentState.SUCCEEDED, "failed": PaymentState.FAILED}
        payment = note_single_payment(
            contribution,
            charge.payment_intent,
            state=states.get(charge.status, PaymentState.PROCESSING),
            amount=Money(charge.amount, charge.currency),
            at=at,
            charge=charge.id,
        )
    if not failed:
        if payment.stripe_charge_id != charge.id:
            payment.stripe_charge_id = charge.id
            payment.save(update_fields=["stripe_charge_id"])
        if charge.card:
            note_trace(payment, contribution, card=charge.card, payer=charge.payer, now=at)
        if charge.balance_transaction:
            note_balance_id(charge.balance_transaction, at=at, now=now, payment=payment)
    return contribution


def _payment_owner(
    intent_id: str, reference: UUID | None, *, waits_for: str, is_failure: bool, charge_id: str = ""
) -> tuple[Contribution, Payment | None]:
    payment = _find(intent_id, charge_id)
    if payment is not None:
        return locked().get(pk=payment.contribution_id), Payment.objects.get(pk=payment.pk)
    contribution = lock_contribution(reference=reference) if reference else None
    if contribution is not None:
        return contribution, None
    if not intent_id:
        raise NotOurs("a charge without a payment intent")
    if reference is not None or is_failure:
        raise NotOurs("a payment that we did not ask for, or that moved nothing")
    raise Unmatched(waits_for)


def _find(intent_id: str, charge_id: str) -> Payment | None:
    """The payment of an intent; of a charge from before there were intents, by the charge itself."""
    if intent_id:
        return Payment.objects.filter(stripe_payment_intent_id=intent_id).first()
    return Payment.objects.filter(stripe_charge_id=charge_id).first() if charge_id else None


def note_single_payment(
    contribution: Contribution,
    intent_id: str,
    *,
    state: str,
    amount: Money,
    at: datetime,
    failure_code: str = "",
    charge: str = "",
    is_final: bool = False,
) -> Payment:
    """
    Upsert the payment of a one-off gift: declined < under way < failed for good < succeeded.

    A card that is declined on Stripe's page can be followed by another try on the same page; only the end
    of an asynchronous payment (`is_final`) is a failure that nothing but success outranks. `paid_at` is the
    earliest moment at which Stripe called it paid, so that it is the same in any order.
    """
    payment = _find(intent_id, charge)
    if payment is None:
        payment = Payment(
            contribution=contribution,
            stripe_payment_intent_id=intent_id or None,
            state=state,
            amount_minor=amount.minor,
            currency=amount.currency,
            created_at=at,
            paid_at=at if state == PaymentState.SUCCEEDED else None,
            failure_code=failure_code if state == PaymentState.FAILED else "",
            failed_at=at if failure_code and state == PaymentState.FAILED else None,
            failure_is_final=is_final,
            stripe_charge_id=charge if charge and state != PaymentState.FAILED else None,
        )
        payment.save(force_insert=True)
        return payment
    changes: dict[str, Any] = {}
    if at < payment.created_at:
        changes["created_at"] = at
    if state == PaymentState.SUCCEEDED:
        changes |= {"state": state, "failure_code": "", "failed_at": None, "failure_is_final": False}
        changes["paid_at"] = min(filter(None, [payment.paid_at, at]))
    elif payment.state != PaymentState.SUCCEEDED:
        if is_final or payment.failure_is_final:
            changes |= {"state": PaymentState.FAILED, "failure_is_final": True}
        elif PaymentState.PROCESSING in (state, payment.state):
            changes["state"] = PaymentState.PROCESSING
        note_reason(payment, failure_code, at=at)
    if charge and state != PaymentState.FAILED:
        changes["stripe_charge_id"] = charge
    change(payment, changes)
    return payment


def note_reason(payment: Payment, code: str, *, at: datetime) -> None:
    """
    Why a payment failed; the latest reason counts.

    Only PaymentIntents tell it: a charge says the same in other words, and one of two words must not win by chance.
    """
    if not code or payment.state == PaymentState.SUCCEEDED:
        return
    if payment.failed_at is None or (at, code) > (payment.failed_at, payment.failure_code):
        change(payment, {"failure_code": code, "failed_at": at})
