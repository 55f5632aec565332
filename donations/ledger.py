"""
What Stripe's facts mean for our books.

Each verb takes facts (`donations.facts`) and writes what they mean, inside the caller's transaction and
under the lock of the contribution. Verbs only move forward: money that arrived stays arrived, a later word
about a refund or dispute is never replaced by an earlier one. So the books in the end do not depend on the
order in which facts come, or on how often.

A fact about something that is not here yet raises `Unmatched` with the id that it waits for. A fact that
contradicts what we asked for raises `Mismatch`: a person has to look (RELIABILITY.md, I7).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Greatest

from donations import facts
from donations.models import (
    BalanceEntry,
    Contribution,
    Dispute,
    Payment,
    Refund,
    StripeCustomer,
    Subscription,
)
from donations.money import Money
from members.rows import insert_new

CheckoutState = Contribution.CheckoutState
PaymentState = Payment.State


class Unmatched(Exception):
    """We do not know yet what the fact is about; `waits_for` is the id whose arrival may change that."""

    def __init__(self, waits_for: str) -> None:
        super().__init__(waits_for)
        self.waits_for = waits_for


class NotOurs(Exception):
    """The fact is about something that other software made in the same Stripe account, or moves nothing."""


class Mismatch(Exception):
    """Stripe's fact contradicts what we asked for: another amount, currency or mode."""


def lock_contribution(*, reference: UUID) -> Contribution | None:
    """The contribution with this public id, held until the transaction ends."""
    return _locked().filter(public_id=reference).first()


def _locked() -> QuerySet[Contribution]:
    return Contribution.objects.select_for_update(of=("self",)).select_related(
        "subscription", "member", "campaign"
    )


# --- Checkout -----------------------------------------------------------------------------------


def note_checkout(session: facts.Session, *, at: datetime) -> Contribution:
    """
    The reader came through Stripe's page, and the money is there or on its way.

    `at` is the moment that Stripe says so. Raises Unmatched, Mismatch.
    """
    contribution = _contribution_of(session)
    _must_match(contribution, session.amount_total, session.currency, session.livemode)
    _complete(contribution, session)
    _note_customer(session.customer, contribution)
    if contribution.is_recurring:
        if session.subscription:
            get_or_make_subscription(contribution, session.subscription, session.customer)
        if session.payment_status == "unpaid" and session.invoice:
            _note_expected_invoice(contribution, session.invoice, at=at)
    elif session.payment_intent:
        _note_single_payment(
            contribution,
            session.payment_intent,
            state=PaymentState.PROCESSING if session.payment_status == "unpaid" else PaymentState.SUCCEEDED,
            amount=contribution.total,
            at=at,
        )
    return contribution


def note_checkout_failed(session: facts.Session, *, at: datetime) -> Contribution:
    """A bank debit that was on its way did not arrive. Raises Unmatched, Mismatch."""
    contribution = _contribution_of(session)
    _must_match(contribution, session.amount_total, session.currency, session.livemode)
    _complete(contribution, session)
    if contribution.is_recurring:
        if session.invoice:
            _note_expected_invoice(contribution, session.invoice, at=at)
            Payment.objects.filter(stripe_invoice_id=session.invoice, state=PaymentState.PROCESSING).update(
                state=PaymentState.FAILED
            )
    elif session.payment_intent:
        _note_single_payment(
            contribution, session.payment_intent, state=PaymentState.FAILED, amount=contribution.total, at=at,
            is_final=True,
        )  # fmt: skip
    return contribution


def note_checkout_expired(session: facts.Session) -> Contribution:
    """The page was left unpaid. A page that was paid does not expire, whatever comes late. Raises Unmatched."""
    contribution = _contribution_of(session)
    if contribution.stripe_session_id in (None, session.id) and contribution.checkout_state in (
        CheckoutState.CREATED,
        CheckoutState.OPEN,
    ):
        contribution.checkout_state = CheckoutState.EXPIRED
        contribution.stripe_session_id = session.id
        contribution.checkout_url = ""
        contribution.save(update_fields=["checkout_state", "stripe_session_id", "checkout_url"])
    return contribution


def _contribution_of(session: facts.Session) -> Contribution:
    found: Contribution | None = None
    if session.reference:
        found = lock_contribution(reference=session.reference)
    if found is None:
        found = _locked().filter(stripe_session_id=session.id).first()
    if found is None:
        raise NotOurs("a checkout that we did not open")
    return found


def _must_match(contribution: Contribution, amount: int | None, currency: str, livemode: bool) -> None:
    """Raise Mismatch unless amount, currency and mode are those that we asked for."""
    if livemode != contribution.livemode:
        raise Mismatch("live and test do not mix")
    if currency != contribution.currency:
        raise Mismatch(f"paid in {currency}, asked in {contribution.currency}")
    if amount != contribution.total.minor:
        raise Mismatch(f"paid {amount}, asked {contribution.total.minor}")


def _complete(contribution: Contribution, session: facts.Session) -> None:
    changed = []
    if contribution.checkout_state != CheckoutState.COMPLETED:
        contribution.checkout_state = CheckoutState.COMPLETED
        contribution.stripe_session_id = session.id
        contribution.checkout_url = ""
        changed = ["checkout_state", "stripe_session_id", "checkout_url"]
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


# --- Customers ----------------------------------------------------------------------------------


def _note_customer(stripe_id: str, contribution: Contribution) -> None:
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


# --- One-off payments ---------------------------------------------------------------------------


def note_intent(intent: facts.Intent, *, state: str, at: datetime) -> Contribution:
    """A PaymentIntent succeeded, is under way or failed. Raises Unmatched, NotOurs, Mismatch."""
    contribution, payment = _payment_owner(
        intent.id, intent.reference, waits_for=intent.id, is_failure=state == PaymentState.FAILED
    )
    if payment is not None and payment.stripe_invoice_id:
        # The invoice tells of recurring money; only the reason of a failure is news here.
        _note_reason(payment, intent.failure_code, at=at)
        return contribution
    _must_match(contribution, intent.amount, intent.currency, intent.livemode)
    _note_single_payment(
        contribution, intent.id, state=state, amount=Money(intent.amount, intent.currency), at=at,
        failure_code=intent.failure_code, charge=intent.latest_charge,
    )  # fmt: skip
    return contribution


def note_charge(charge: facts.Charge, *, at: datetime) -> Contribution:
    """
    A charge succeeded, failed, or got its balance transaction.

    Raises Unmatched while we do not know whose it is; NotOurs for a failed one that belongs to nobody yet:
    no money moved, and the try that succeeds will tell its own story.
    """
    failed = charge.status == "failed"
    contribution, payment = _payment_owner(
        charge.payment_intent,
        charge.reference,
        waits_for=charge.payment_intent or charge.id,
        is_failure=failed,
    )
    if payment is None or not payment.stripe_invoice_id:
        _must_match(contribution, charge.amount, charge.currency, charge.livemode)
        states = {"succeeded": PaymentState.SUCCEEDED, "failed": PaymentState.FAILED}
        payment = _note_single_payment(
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
        if charge.balance_transaction:
            note_balance_id(charge.balance_transaction, at=at, payment=payment)
    return contribution


def _payment_owner(
    intent_id: str, reference: UUID | None, *, waits_for: str, is_failure: bool
) -> tuple[Contribution, Payment | None]:
    payment = Payment.objects.filter(stripe_payment_intent_id=intent_id).first() if intent_id else None
    if payment is not None:
        return _locked().get(pk=payment.contribution_id), Payment.objects.get(pk=payment.pk)
    contribution = lock_contribution(reference=reference) if reference else None
    if contribution is not None:
        return contribution, None
    if not intent_id:
        raise NotOurs("a charge without a payment intent")
    if reference is not None or is_failure:
        raise NotOurs("a payment that we did not ask for, or that moved nothing")
    raise Unmatched(waits_for)


def _note_single_payment(
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
    payment = Payment.objects.filter(stripe_payment_intent_id=intent_id).first()
    if payment is None:
        payment = Payment(
            contribution=contribution,
            stripe_payment_intent_id=intent_id,
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
        _note_reason(payment, failure_code, at=at)
    if charge and state != PaymentState.FAILED:
        changes["stripe_charge_id"] = charge
    _change(payment, changes)
    return payment


def _note_reason(payment: Payment, code: str, *, at: datetime) -> None:
    """
    Why a payment failed; the latest reason counts.

    Only PaymentIntents tell it: a charge says the same in other words, and one of two words must not win by chance.
    """
    if not code or payment.state == PaymentState.SUCCEEDED:
        return
    if payment.failed_at is None or (at, code) > (payment.failed_at, payment.failure_code):
        _change(payment, {"failure_code": code, "failed_at": at})


# --- Recurring payments -------------------------------------------------------------------------


def get_or_make_subscription(contribution: Contribution, stripe_id: str, customer: str) -> Subscription:
    """The row of a subscription of which we may so far know only the id."""
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
    subscription = Subscription.objects.get(contribution=contribution)
    if subscription.stripe_id != stripe_id:
        raise Mismatch("a second subscription for one contribution")
    contribution.subscription = subscription
    return subscription


def note_invoice_paid(invoice: facts.Invoice, *, at: datetime) -> Contribution:
    """A first or later payment of a recurring gift arrived. Raises Unmatched, NotOurs, Mismatch."""
    contribution = _invoice_owner(invoice)
    if invoice.amount_paid == 0:
        raise NotOurs("nothing was paid")
    if invoice.billing_reason == "subscription_create":
        _must_match(contribution, invoice.amount_paid, invoice.currency, invoice.livemode)
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
        _note_reason(payment, intent.failure_code, at=at)
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
    contribution: Contribution = _locked().get(pk=payment.contribution_id)
    if payment.stripe_payment_intent_id != link.payment_intent:
        Payment.objects.filter(pk=payment.pk).update(stripe_payment_intent_id=link.payment_intent)
    return contribution


def _note_expected_invoice(contribution: Contribution, invoice_id: str, *, at: datetime) -> None:
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
    contribution: Contribution | None = _locked().filter(subscription__stripe_id=invoice.subscription).first()
    if contribution is None and invoice.reference:
        contribution = lock_contribution(reference=invoice.reference)
        if contribution is not None:
            get_or_make_subscription(contribution, invoice.subscription, invoice.customer)
    if contribution is None:
        raise Unmatched(invoice.subscription)
    return contribution


def _change_invoice_payment(payment: Payment, invoice: facts.Invoice, wanted: dict[str, Any]) -> None:
    """Take over a later word about an invoice. What arrived stays arrived; an older try is no news."""
    if payment.state == PaymentState.SUCCEEDED:
        wanted = {"stripe_payment_intent_id": wanted.get("stripe_payment_intent_id")}
    elif wanted["state"] == PaymentState.FAILED and payment.attempt_count > invoice.attempt_count:
        return
    _change(
        payment, {key: value for key, value in wanted.items() if key != "stripe_payment_intent_id" or value}
    )


# --- Subscriptions ------------------------------------------------------------------------------


def find_subscription(wanted: facts.SubscriptionFacts) -> Subscription:
    """The row of this subscription, made if its contribution is ours; locked. Raises Unmatched."""
    contribution: Contribution | None = _locked().filter(subscription__stripe_id=wanted.id).first()
    if contribution is None and wanted.reference:
        contribution = lock_contribution(reference=wanted.reference)
        if contribution is not None and not contribution.is_recurring:
            raise Mismatch("a subscription for a gift that was to be given once")
    if contribution is None:
        raise Unmatched(wanted.id)
    if wanted.livemode != contribution.livemode:
        raise Mismatch("live and test do not mix")
    subscription = get_or_make_subscription(contribution, wanted.id, wanted.customer)
    subscription.contribution = contribution
    return subscription


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
        "as_of": as_of,
        "as_of_event": event_id,
        "revision": subscription.revision + 1,
    }
    _change(subscription, changes)


# --- Refunds, disputes and the balance ----------------------------------------------------------


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
        _change(row, {"state": refund.state, "failure_reason": refund.failure_reason})
    for transaction_id in (refund.balance_transaction, refund.failure_balance_transaction):
        if transaction_id:
            note_balance_id(transaction_id, at=now, refund=row)
    in_effect = Refund.objects.filter(payment=payment, state__in=Refund.IN_EFFECT)
    total = in_effect.aggregate(total=Sum("amount_minor"))["total"] or 0
    _change(payment, {"refunded_minor": min(total, payment.amount_minor)})
    return contribution


def note_dispute(dispute: facts.DisputeFacts, *, now: datetime) -> Contribution:
    """A bank asks money back, or has decided. Raises Unmatched, NotOurs."""
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
            )
        ]
    )
    row = Dispute.objects.get(stripe_id=dispute.id)
    if dispute.rank > row.rank:
        _change(
            row,
            {
                "state": dispute.state,
                "rank": dispute.rank,
                "stripe_status": dispute.status[:40],
                "answer_due_at": dispute.answer_due_at or row.answer_due_at,
            },
        )
    for movement in dispute.balance_transactions:
        note_balance_id(movement.id, at=now, dispute=row)
        fill_balance_entry(movement)
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
    contribution: Contribution = _locked().get(pk=payment.contribution_id)
    return Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk), contribution


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


def _change(row: Any, changes: dict[str, Any]) -> None:
    """Save what really differs."""
    differing = [name for name, value in changes.items() if getattr(row, name) != value]
    for name in differing:
        setattr(row, name, changes[name])
    if differing:
        row.save(update_fields=differing)
