"""
What each type of event means: the one table from Stripe's words to the ledger's verbs.

`prepare` reads the event, fetches from Stripe what it lacks (outside of any transaction; only refunds,
failed renewals and changed cards need it), and returns the work to do inside the transaction. The work returns
the ids of Stripe that are known from now on, so that events that were parked for them are woken.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q

from donations import (
    card_expiry,
    changes,
    declines,
    dunning,
    facts,
    fulfilment,
    gateway,
    last_gate,
    ledger,
    one_time,
    returns,
)
from donations.errors import GoneAtStripe
from donations.models import Contribution, Payment, StripeCustomer, Subscription

Work = Callable[[datetime], Collection[str]]
State = Payment.State
LATE = timedelta(minutes=10)  # what belongs to an event has mostly come by then


class Overtaken(Exception):
    """The books changed between `prepare` and the work, so that what was asked of Stripe is out of date: ask again."""


def prepare(kind: str, event: dict[str, Any], *, now: datetime) -> Work | None:
    """
    The work for an event; None for a type that we do not handle. The work may raise Overtaken.

    Raises facts.Malformed, PaymentsUnavailable, PaymentsRefused, GoneAtStripe.
    """
    handler = HANDLERS.get(kind)
    if handler is None:
        return None
    work = handler(event)
    link = _lost_link(event, now) if handler in (_refund, _charge_refunded, _dispute) else None
    return work if link is None else _linked(link, work)


def is_known(stripe_id: str) -> bool:
    """Whether an id for which an event waits has meanwhile reached our books."""
    return (
        Payment.objects.filter(
            Q(stripe_payment_intent_id=stripe_id)
            | Q(stripe_invoice_id=stripe_id)
            | Q(stripe_charge_id=stripe_id)
        ).exists()
        or Subscription.objects.filter(stripe_id=stripe_id).exists()
    )


def _object(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = event["data"]["object"]
    return found


def _at(event: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(event["created"], tz=UTC)


def _done(contribution: Contribution, now: datetime, *known: str) -> Collection[str]:
    fulfilment.follow_through(contribution, now=now)
    return known


# --- Checkout -----------------------------------------------------------------------------------


def _checkout_completed(event: dict[str, Any]) -> Work:
    session = facts.session(_object(event))
    _must_be_for_money(session)

    def work(now: datetime) -> Collection[str]:
        contribution = ledger.note_checkout(session, at=_at(event))
        return _done(contribution, now, session.subscription, session.payment_intent, session.invoice)

    return work


def _checkout_failed(event: dict[str, Any]) -> Work:
    session = facts.session(_object(event))
    _must_be_for_money(session)

    def work(now: datetime) -> Collection[str]:
        contribution = ledger.note_checkout_failed(session, at=_at(event))
        return _done(contribution, now, session.payment_intent, session.invoice)

    return work


def _checkout_expired(event: dict[str, Any]) -> Work:
    session = facts.session(_object(event))

    def work(now: datetime) -> Collection[str]:
        ledger.note_checkout_expired(session)
        return ()

    return work


def _must_be_for_money(session: facts.Session) -> None:
    if session.mode not in ("payment", "subscription"):
        raise ledger.NotOurs("a checkout that only saves a card")


# --- Payments -----------------------------------------------------------------------------------


def _intent(state: str) -> Callable[[dict[str, Any]], Work]:
    def handler(event: dict[str, Any]) -> Work:
        intent = facts.intent(_object(event))

        def work(now: datetime) -> Collection[str]:
            return _done(ledger.note_intent(intent, state=state, at=_at(event)), now, intent.id)

        return work

    return handler


def _charge(event: dict[str, Any]) -> Work:
    charge = facts.charge(_object(event))

    def work(now: datetime) -> Collection[str]:
        is_later_word = event["type"] == "charge.updated" and charge.status == "succeeded"
        contribution = ledger.note_charge(charge, at=_at(event), now=now, is_later_word=is_later_word)
        return _done(contribution, now, charge.id, charge.payment_intent)

    return work


def _invoice_paid(event: dict[str, Any]) -> Work:
    invoice = facts.invoice(_object(event))

    def work(now: datetime) -> Collection[str]:
        contribution = ledger.note_invoice_paid(invoice, at=_at(event))
        known = _done(contribution, now, invoice.id, invoice.subscription)
        dunning.note_end(contribution, contribution.subscription, now=now)
        return known

    return work


def _invoice_failed(event: dict[str, Any]) -> Work:
    invoice = facts.invoice(_object(event))
    # The invoice does not say why; its PaymentIntent does.
    intent = gateway.get_invoice_intent(invoice.id) if invoice.subscription else None
    if intent is not None and event["type"] == "invoice.payment_action_required":
        # No bank refused anything: the reader has to say yes to it.
        intent = dataclasses.replace(intent, failure_code=intent.failure_code or declines.CONFIRM)

    def work(now: datetime) -> Collection[str]:
        contribution, payment = ledger.note_invoice_failed(invoice, intent, at=_at(event))
        dunning.note_failure(contribution, payment, at=_at(event), now=now)
        fulfilment.follow_through(contribution, now=now)
        return (invoice.id, invoice.subscription, intent.id if intent else "")

    return work


def _invoice_created(event: dict[str, Any]) -> Work:
    """The last gate before an annual payment of which its reader was not told: the draft stays a draft."""
    invoice = facts.invoice(_object(event))
    is_untold = last_gate.is_untold(invoice)
    was_kept = gateway.keep_draft(invoice.id) if is_untold else False

    def work(now: datetime) -> Collection[str]:
        if is_untold and was_kept is not None:
            last_gate.note_untold(invoice, was_kept=was_kept, now=now)
        return ()

    return work


def _invoice_upcoming(event: dict[str, Any]) -> Work:
    invoice = facts.invoice(_object(event))

    def work(now: datetime) -> Collection[str]:
        ledger.note_invoice_upcoming(invoice)
        return (invoice.subscription,)

    return work


def _invoice_payment(event: dict[str, Any]) -> Work:
    link = facts.invoice_payment(_object(event))

    def work(now: datetime) -> Collection[str]:
        ledger.note_invoice_payment(link)
        return (link.payment_intent,)

    return work


# --- Subscriptions and cards --------------------------------------------------------------------


def _subscription(event: dict[str, Any]) -> Work:
    """
    A snapshot replaces an older one. Two snapshots of the same second cannot be told apart by their age:
    then Stripe is asked how the subscription stands now (RELIABILITY.md, F2 and F3).
    """
    told = facts.subscription(_object(event))
    before = facts.subscription_before(event["data"])
    as_of, event_id = _at(event), str(event["id"])
    known = (
        Subscription.objects.filter(stripe_id=told.id).values_list("as_of", "as_of_event", "revision").first()
    )
    current: facts.SubscriptionFacts | None = None
    if known and known[0] == as_of and known[1] != event_id:
        current = gateway.get_subscription(told.id)

    def work(now: datetime) -> Collection[str]:
        row = ledger.find_subscription(told)
        card = before.default_payment_method if before else row.default_payment_method
        ledger.note_changes(row, told, before, at=as_of, event_id=event_id)
        if row.as_of is None or row.as_of < as_of:
            ledger.apply_subscription(row, told, as_of=as_of, event_id=event_id)
        elif row.as_of == as_of and row.as_of_event != event_id:
            if current is None or known is None or row.revision != known[2]:
                raise Overtaken
            ledger.apply_subscription(row, current, as_of=as_of, event_id=event_id)
        if card and told.default_payment_method not in ("", card):
            dunning.note_new_card([row.pk], at=as_of)
        known_ids = _done(row.contribution, now, told.id)
        dunning.note_end(row.contribution, row, now=now)
        changes.note(row, current or told, at=as_of, now=now)
        changes.note_card(row, told, before, at=as_of, now=now)
        one_time.tell(row.contribution, row, now=now)
        return known_ids

    return work


def _customer(event: dict[str, Any]) -> Work:
    """
    A new default card goes to the customer's subscriptions as well, or renewals would go on asking the old
    one (STRIPE.md, section 3); and what is owed is tried at once.

    Which card, and which subscriptions, is asked of Stripe: news that was on its way for days must not bring back a
    card that was replaced meanwhile, and may come before we know the customer at all.
    """
    customer = facts.customer(_object(event))
    gone = event["type"] == "customer.deleted"
    before = event["data"].get("previous_attributes") or {}
    is_new_card = "default_payment_method" in (before.get("invoice_settings") or {})
    if is_new_card and customer.default_payment_method and not gone:
        _move_to_new_card(customer.id, because=str(event["id"]))

    def work(now: datetime) -> Collection[str]:
        told = facts.Customer(customer.id, customer.default_payment_method, customer.livemode, gone)
        ledger.note_customer(told, at=_at(event))
        if is_new_card and customer.default_payment_method and not gone:
            theirs = Subscription.objects.filter(stripe_customer_id=customer.id)
            dunning.note_new_card(theirs.values_list("pk", flat=True), at=_at(event))
        return ()

    return work


def _move_to_new_card(customer: str, *, because: str) -> None:
    try:
        card = gateway.get_default_payment_method(customer)
        running = gateway.get_running_subscriptions(customer) if card else []
    except GoneAtStripe:
        return
    references = [one.reference for one in running if one.reference]
    ours = set(Contribution.objects.filter(public_id__in=references).values_list("public_id", flat=True))
    # One that was imported does not carry our reference.
    ids = [one.id for one in running]
    known = set(Subscription.objects.filter(stripe_id__in=ids).values_list("stripe_id", flat=True))
    for subscription in running:
        if subscription.reference not in ours and subscription.id not in known:
            continue
        if subscription.default_payment_method != card:
            gateway.use_payment_method(subscription.id, card, because=because)
        if subscription.state in (Subscription.State.PAST_DUE, Subscription.State.UNPAID):
            gateway.pay_open_invoices(subscription.id, because=because)


def _payment_method(event: dict[str, Any]) -> Work:
    """Which card there is, is Stripe's to know; a detached one is no longer a customer's default."""
    data = _object(event)
    method = data.get("id")
    is_detached = event["type"] == "payment_method.detached"
    is_replaced = event["type"] == "payment_method.automatically_updated"

    def work(now: datetime) -> Collection[str]:
        if is_replaced:
            card_expiry.note_replaced(str(method))
        if is_detached:
            StripeCustomer.objects.filter(default_payment_method=method).update(default_payment_method="")
            Subscription.objects.filter(default_payment_method=method).update(default_payment_method="")
        return ()

    return work


def _lost_link(event: dict[str, Any], now: datetime) -> facts.InvoicePayment | None:
    """
    Which invoice a payment was for whose money goes back; asked of Stripe once the news is LATE and still unknown.

    A single event tells it (invoice_payment.paid). Were that one lost, a refund of a renewal would wait for the next
    comparison with Stripe.
    """
    told = _object(event).get("payment_intent")
    intent = told.get("id", "") if isinstance(told, dict) else told
    if not intent or now - _at(event) < LATE or is_known(intent):
        return None
    return gateway.get_invoice_payment(intent)


def _linked(link: facts.InvoicePayment, work: Work) -> Work:
    """
    The work, after what that payment was for is booked. If the word that the invoice is paid was lost as well, Stripe
    is asked for the invoice.
    """
    invoice = None if is_known(link.invoice) else gateway.get_invoice(link.invoice)

    def linked(now: datetime) -> Collection[str]:
        if invoice is not None and invoice.status == "paid":
            ledger.note_invoice_paid(invoice, at=invoice.paid_at or now)
        ledger.note_invoice_payment(link)
        return (link.invoice, link.payment_intent, *work(now))

    return linked


# --- Money back ---------------------------------------------------------------------------------


def _refund(event: dict[str, Any]) -> Work:
    refund = facts.refund(_object(event))

    def work(now: datetime) -> Collection[str]:
        contribution = ledger.note_refund(refund, now=now)
        known = _done(contribution, now, refund.id)
        returns.tell(contribution, now=now)
        return known

    return work


def _charge_refunded(event: dict[str, Any]) -> Work:
    """This event names the charge and the sum, not the refunds (since 2022-11-15): they are fetched."""
    charge = facts.charge(_object(event))
    refunds = gateway.get_refunds(charge.id)

    def work(now: datetime) -> Collection[str]:
        contribution = None
        for refund in refunds:
            contribution = ledger.note_refund(refund, now=now)
        if contribution is not None:
            fulfilment.follow_through(contribution, now=now)
            returns.tell(contribution, now=now)
        return [refund.id for refund in refunds]

    return work


def _dispute(event: dict[str, Any]) -> Work:
    dispute = facts.dispute(_object(event))

    def work(now: datetime) -> Collection[str]:
        contribution = ledger.note_dispute(dispute, at=_at(event), now=now)
        known = _done(contribution, now, dispute.id)
        returns.tell(contribution, now=now)
        return known

    return work


# --- To the bank --------------------------------------------------------------------------------


def _payout(event: dict[str, Any]) -> Work:
    payout = facts.payout(_object(event))

    def work(now: datetime) -> Collection[str]:
        ledger.note_payout(payout)
        return ()

    return work


HANDLERS: dict[str, Callable[[dict[str, Any]], Work]] = {
    "checkout.session.completed": _checkout_completed,
    "checkout.session.async_payment_succeeded": _checkout_completed,
    "checkout.session.async_payment_failed": _checkout_failed,
    "checkout.session.expired": _checkout_expired,
    "payment_intent.succeeded": _intent(State.SUCCEEDED),
    "payment_intent.processing": _intent(State.PROCESSING),
    "payment_intent.payment_failed": _intent(State.FAILED),
    "charge.succeeded": _charge,
    "charge.updated": _charge,
    "charge.failed": _charge,
    "charge.refunded": _charge_refunded,
    "charge.dispute.created": _dispute,
    "charge.dispute.updated": _dispute,
    "charge.dispute.closed": _dispute,
    "charge.dispute.funds_withdrawn": _dispute,
    "charge.dispute.funds_reinstated": _dispute,
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "invoice.created": _invoice_created,
    "invoice.paid": _invoice_paid,
    "invoice.payment_failed": _invoice_failed,
    "invoice.payment_action_required": _invoice_failed,
    "invoice.upcoming": _invoice_upcoming,
    "invoice_payment.paid": _invoice_payment,
    "customer.subscription.created": _subscription,
    "customer.subscription.updated": _subscription,
    "customer.subscription.deleted": _subscription,
    "customer.subscription.paused": _subscription,
    "customer.subscription.resumed": _subscription,
    "customer.updated": _customer,
    "customer.deleted": _customer,
    "payment_method.attached": _payment_method,
    "payment_method.automatically_updated": _payment_method,
    "payment_method.detached": _payment_method,
    "payout.created": _payout,
    "payout.updated": _payout,
    "payout.reconciliation_completed": _payout,
    "payout.paid": _payout,
    "payout.failed": _payout,
    "payout.canceled": _payout,
}
