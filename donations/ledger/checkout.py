"""How the reader came through Stripe's page, and who the payer is there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog

from donations import facts
from donations.ledger.common import NotOurs, change, lock_contribution, locked, must_match
from donations.ledger.payments import note_single_payment
from donations.ledger.recurring import get_or_make_subscription, note_expected_invoice
from donations.models import Contribution, Payment, StripeCustomer
from members.rows import insert_new

_log = structlog.get_logger(__name__)

CheckoutState = Contribution.CheckoutState
PaymentState = Payment.State


def note_checkout(session: facts.Session, *, at: datetime) -> Contribution:
    """
    The reader came through Stripe's page, and the money is there or on its way.

    `at` is the moment that Stripe says so. Raises Unmatched, Mismatch.
    """
    contribution = _paid_contribution(session)
    link_customer(session.customer, contribution)
    if contribution.is_recurring:
        if session.payment_status == "unpaid" and session.invoice:
            note_expected_invoice(contribution, session.invoice, at=at)
    elif session.payment_intent:
        note_single_payment(
            contribution,
            session.payment_intent,
            state=PaymentState.PROCESSING if session.payment_status == "unpaid" else PaymentState.SUCCEEDED,
            amount=contribution.total,
            at=at,
        )
    return contribution


def note_checkout_failed(session: facts.Session, *, at: datetime) -> Contribution:
    """A bank debit that was on its way did not arrive. Raises Unmatched, Mismatch."""
    contribution = _paid_contribution(session)
    if contribution.is_recurring:
        if session.invoice:
            note_expected_invoice(contribution, session.invoice, at=at)
            Payment.objects.filter(stripe_invoice_id=session.invoice, state=PaymentState.PROCESSING).update(
                state=PaymentState.FAILED
            )
    elif session.payment_intent:
        note_single_payment(
            contribution, session.payment_intent, state=PaymentState.FAILED, amount=contribution.total, at=at,
            is_final=True,
        )  # fmt: skip
    return contribution


def note_checkout_expired(session: facts.Session) -> Contribution:
    """
    The page was left unpaid. A page that was paid does not expire, whatever comes late. Raises Unmatched.

    A copy of a page, opened by Stripe's recovery link, can be left as well: that is no news. The link is kept
    only for a reader who agreed to a mail with it, and whose address is not forgotten yet.
    """
    contribution = _contribution_of(session)
    is_ours = contribution.stripe_session_id in (None, session.id) and not session.recovered_from
    if not is_ours or contribution.checkout_state == CheckoutState.COMPLETED:
        return contribution
    changes: dict[str, Any] = {
        "checkout_state": CheckoutState.EXPIRED,
        "stripe_session_id": session.id,
        "checkout_url": "",
    }
    if contribution.can_be_recovered and session.recovery_url and session.recovery_expires_at:
        changes["recovery_url"] = session.recovery_url
        changes["recovery_expires_at"] = session.recovery_expires_at
    change(contribution, changes)
    return contribution


def _paid_contribution(session: facts.Session) -> Contribution:
    """
    The contribution for which the reader came through this page, marked as such.

    Of a recurring gift each copy of a page that was paid has a contribution of its own, as it has a
    subscription of its own; single gifts that were paid on two copies are two payments of one contribution.
    """
    contribution = _contribution_of(session)
    must_match(contribution, session.amount_total, session.currency, session.livemode)
    if contribution.is_recurring and session.subscription:
        contribution = get_or_make_subscription(
            contribution, session.subscription, session.customer
        ).contribution
    _complete(contribution, session)
    return contribution


def _contribution_of(session: facts.Session) -> Contribution:
    found: Contribution | None = None
    if session.reference:
        found = lock_contribution(reference=session.reference)
    if found is None:
        found = locked().filter(stripe_session_id=session.id).first()
    if found is None:
        raise NotOurs("a checkout that we did not open")
    return found


def _complete(contribution: Contribution, session: facts.Session) -> None:
    changed = []
    if contribution.checkout_state != CheckoutState.COMPLETED or not contribution.stripe_session_id:
        contribution.checkout_state = CheckoutState.COMPLETED
        contribution.stripe_session_id = session.id
        contribution.checkout_url = contribution.recovery_url = ""
        contribution.recovery_expires_at = None
        changed = [
            "checkout_state", "stripe_session_id", "checkout_url", "recovery_url", "recovery_expires_at",
        ]  # fmt: skip
    elif contribution.stripe_session_id != session.id:
        _log.warning("a page was paid twice", contribution=str(contribution.public_id), session=session.id)
    if session.customer and not contribution.stripe_customer_id:
        contribution.stripe_customer_id = session.customer
        changed.append("stripe_customer_id")
    if not contribution.email and not contribution.member_id and session.email:
        contribution.email = session.email
        changed.append("email")
    if not contribution.name and not contribution.member_id and session.name:
        contribution.name = session.name
        changed.append("name")
    if changed:
        contribution.save(update_fields=changed)


def link_customer(stripe_id: str, contribution: Contribution) -> None:
    if stripe_id:
        insert_new(
            [
                StripeCustomer(
                    stripe_id=stripe_id, livemode=contribution.livemode, member_id=contribution.member_id
                )
            ]
        )
        if contribution.member_id:
            StripeCustomer.objects.filter(stripe_id=stripe_id, member=None).update(
                member_id=contribution.member_id
            )


def note_customer(customer: facts.Customer, *, at: datetime) -> None:
    """A customer's default card changed, or the customer is gone. Raises NotOurs for one that we never met."""
    changes: dict[str, Any] = {"default_payment_method": customer.default_payment_method}
    if customer.is_deleted:
        changes = {"deleted_at": at}
    if not StripeCustomer.objects.filter(stripe_id=customer.id).update(**changes):
        raise NotOurs("a customer that we never met")
