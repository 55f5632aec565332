"""Recurring gifts: subscriptions and the invoices that renew them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog
from django.db.models import F
from django.db.models.functions import Greatest

from donations import facts
from donations.ledger import copies
from donations.ledger.common import (
    Mismatch,
    NotOurs,
    Unmatched,
    change,
    lock_contribution,
    locked,
    must_match,
)
from donations.ledger.payments import note_reason
from donations.models import Contribution, Payment, Subscription
from members.rows import insert_new

_log = structlog.get_logger(__name__)

PaymentState = Payment.State


def get_or_make_subscription(contribution: Contribution, stripe_id: str, customer: str) -> Subscription:
    """
    The row of a subscription of which we may so far know only the id; its `contribution` is locked.

    That is the given contribution, or, where this one has another subscription, a copy of it: Stripe's recovery
    link opens a new copy of a page that was left each time, and two of them can be paid (docs/decisions/0018).
    Raises Mismatch for a subscription that repeats quite another contribution.
    """
    subscription = _insert(contribution, stripe_id, customer)
    if subscription is None:
        copy = copies.make_copy(contribution)
        _log.warning(
            "a page was paid twice", contribution=str(contribution.public_id), copy=str(copy.public_id)
        )
        subscription = _insert(copy, stripe_id, customer)
        assert subscription is not None, "nobody else knows the copy yet"
        contribution = copy
    elif subscription.contribution_id != contribution.pk:
        original, contribution = contribution, locked().get(pk=subscription.contribution_id)
        if contribution.copy_of_id != original.pk:
            raise Mismatch("a subscription of another contribution")
    contribution.subscription = subscription
    subscription.contribution = contribution
    return subscription


def _insert(contribution: Contribution, stripe_id: str, customer: str) -> Subscription | None:
    """The row of this subscription, made for this contribution if that is free; None if it has another one."""
    insert_new(
        [
            Subscription(
                contribution=contribution,
                stripe_id=stripe_id,
                stripe_customer_id=customer,
                amount_minor=contribution.total.minor,
                currency=contribution.currency,
                interval=contribution.interval,
            )
        ]
    )
    return Subscription.objects.filter(stripe_id=stripe_id).first()


def note_invoice_paid(invoice: facts.Invoice, *, at: datetime) -> Contribution:
    """A first or later payment of a recurring gift arrived. Raises Unmatched, NotOurs, Mismatch."""
    contribution = _invoice_owner(invoice)
    if invoice.amount_paid == 0:
        raise NotOurs("nothing was paid")
    if invoice.billing_reason == "subscription_create":
        must_match(contribution, invoice.amount_paid, invoice.currency, invoice.livemode)
    elif invoice.currency != contribution.currency or invoice.livemode != contribution.livemode:
        raise Mismatch(f"renewed in {invoice.currency}, asked in {contribution.currency}")
    paid_at = invoice.paid_at or at
    wanted: dict[str, Any] = {
        "state": PaymentState.SUCCEEDED,
        "amount_minor": invoice.amount_paid,
        "currency": invoice.currency,
        "created_at": invoice.created_at,
        "paid_at": paid_at,
        "is_renewal": invoice.billing_reason != "subscription_create",
        "period_start": invoice.period_start,
        "period_end": invoice.period_end,
        "failure_code": "",
        "failed_at": None,
        "attempt_count": invoice.attempt_count,
        "next_attempt_at": None,
    }
    if not insert_new([Payment(contribution=contribution, stripe_invoice_id=invoice.id, **wanted)]):
        _change_invoice_payment(Payment.objects.get(stripe_invoice_id=invoice.id), invoice, wanted)
    return contribution


def note_invoice_failed(
    invoice: facts.Invoice, intent: facts.Intent | None, *, at: datetime
) -> tuple[Contribution, Payment]:
    """
    A payment of a recurring gift was refused; Stripe may try again. Never undoes one that arrived.

    `intent` tells why, where it could be fetched. Raises Unmatched, NotOurs.
    """
    contribution = _invoice_owner(invoice)
    wanted: dict[str, Any] = {
        "state": PaymentState.FAILED,
        "amount_minor": invoice.amount_due,
        "currency": invoice.currency,
        "created_at": invoice.created_at,
        "is_renewal": invoice.billing_reason != "subscription_create",
        "period_start": invoice.period_start,
        "period_end": invoice.period_end,
        "attempt_count": invoice.attempt_count,
        "next_attempt_at": invoice.next_payment_attempt,
    }
    if intent is not None:
        wanted["stripe_payment_intent_id"] = intent.id
    payment = Payment.objects.filter(stripe_invoice_id=invoice.id).first()
    if payment is None:
        payment = Payment(contribution=contribution, stripe_invoice_id=invoice.id, **wanted)
        payment.save(force_insert=True)
    else:
        _change_invoice_payment(payment, invoice, wanted)
    if intent is not None:
        note_reason(payment, intent.failure_code, at=at)
    return contribution, payment


def note_invoice_upcoming(invoice: facts.Invoice) -> Contribution:
    """Stripe announces the next charge. Raises Unmatched, NotOurs."""
    contribution = _invoice_owner(invoice)
    if invoice.next_payment_attempt:
        Subscription.objects.filter(contribution=contribution).update(
            next_payment_at=Greatest(F("next_payment_at"), invoice.next_payment_attempt)
        )
        Subscription.objects.filter(contribution=contribution, next_payment_at=None).update(
            next_payment_at=invoice.next_payment_attempt
        )
    return contribution


def note_invoice_payment(link: facts.InvoicePayment) -> Contribution:
    """Which PaymentIntent paid which invoice; the charge and its fee follow. Raises Unmatched, NotOurs."""
    if not link.payment_intent:
        raise NotOurs("paid without a payment intent")
    payment = Payment.objects.filter(stripe_invoice_id=link.invoice).first()
    if payment is None:
        raise Unmatched(link.invoice)
    contribution: Contribution = locked().get(pk=payment.contribution_id)
    if payment.stripe_payment_intent_id != link.payment_intent:
        Payment.objects.filter(pk=payment.pk).update(stripe_payment_intent_id=link.payment_intent)
    return contribution


def note_expected_invoice(contribution: Contribution, invoice_id: str, *, at: datetime) -> None:
    """A bank debit for the first invoice is under way; what becomes of it is told later."""
    insert_new(
        [
            Payment(
                contribution=contribution,
                stripe_invoice_id=invoice_id,
                state=PaymentState.PROCESSING,
                amount_minor=contribution.total.minor,
                currency=contribution.currency,
                created_at=at,
            )
        ]
    )


def _invoice_owner(invoice: facts.Invoice) -> Contribution:
    if not invoice.subscription:
        raise NotOurs("an invoice without a subscription")
    contribution: Contribution | None = locked().filter(subscription__stripe_id=invoice.subscription).first()
    if contribution is None and invoice.reference:
        contribution = lock_contribution(reference=invoice.reference)
        if contribution is not None:
            contribution = get_or_make_subscription(
                contribution, invoice.subscription, invoice.customer
            ).contribution
    if contribution is None:
        raise Unmatched(invoice.subscription)
    return contribution


def _change_invoice_payment(payment: Payment, invoice: facts.Invoice, wanted: dict[str, Any]) -> None:
    """Take over a later word about an invoice. What arrived stays arrived; an older try is no news."""
    if payment.state == PaymentState.SUCCEEDED:
        wanted = {"stripe_payment_intent_id": wanted.get("stripe_payment_intent_id")}
    elif wanted["state"] == PaymentState.FAILED and payment.attempt_count > invoice.attempt_count:
        return
    change(
        payment, {key: value for key, value in wanted.items() if key != "stripe_payment_intent_id" or value}
    )


def find_subscription(wanted: facts.SubscriptionFacts) -> Subscription:
    """The row of this subscription, made if its contribution is ours; locked. Raises Unmatched."""
    contribution: Contribution | None = locked().filter(subscription__stripe_id=wanted.id).first()
    if contribution is None and wanted.reference:
        contribution = lock_contribution(reference=wanted.reference)
        if contribution is not None and not contribution.is_recurring:
            raise Mismatch("a subscription for a gift that was to be given once")
    if contribution is None:
        raise Unmatched(wanted.id)
    if wanted.livemode != contribution.livemode:
        raise Mismatch("live and test do not mix")
    return get_or_make_subscription(contribution, wanted.id, wanted.customer)


def apply_subscription(
    subscription: Subscription, told: facts.SubscriptionFacts, *, as_of: datetime, event_id: str
) -> None:
    """Take over Stripe's description. The caller knows that it is not older than what is here."""
    if told.currency != subscription.currency:
        raise Mismatch(f"now in {told.currency}, was in {subscription.currency}")
    changes: dict[str, Any] = {
        "stripe_customer_id": told.customer,
        "state": told.state,
        "amount_minor": told.amount,
        "interval": told.interval,
        "item_id": told.item_id,
        "product_id": told.product_id,
        # What Stripe does not tell this time is not forgotten.
        "default_payment_method": told.default_payment_method or subscription.default_payment_method,
        "current_period_end": told.current_period_end or subscription.current_period_end,
        "pause_resumes_at": told.pause_resumes_at,
        "cancel_at": told.cancel_at,
        "cancelled_at": told.cancelled_at,
        "ended_at": told.ended_at or (as_of if told.state == Subscription.State.CANCELLED else None),
        "end_reason": told.end_reason,
        "was_made_one_time": told.cancel_at is not None and told.end_comment == facts.MEANT_ONCE,
        "as_of": as_of,
        "as_of_event": event_id,
        "revision": subscription.revision + 1,
    }
    change(subscription, changes)
