"""
What Stripe's objects and our rows have to agree on, kind by kind.

Each kind says where they differ (one or two questions to the database for a page of objects), and which event would
have told it and when, so that the inbox can be told as if that event had come. Objects that other software made in
the same account are left alone: ours carry our reference, or belong to something that does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model, Q

from donations import facts, gateway
from donations.models import (
    BalanceEntry,
    Contribution,
    Dispute,
    Payment,
    Payout,
    Refund,
    Subscription,
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One object of Stripe's that our books do not agree with; `what` says in which respect, without personal data."""

    stripe_id: str
    what: str
    found: Json


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One kind of object.

    :param name: Stripe's word for it, which `gateway.list_objects` understands.
    :param differences: those of a page of objects on which we do not agree, and the ids that our books hold.
    :param event: the type and the moment of the event that tells an object as it is now.
    :param ours: the ids of our rows that came up since a moment and that Stripe must list; None where Stripe lists more
        or less than we keep.
    """

    name: str
    differences: Callable[[Sequence[Json]], Iterator[Difference]]
    event: Callable[[Json, datetime], tuple[str, datetime]]
    ours: Callable[[datetime], Iterable[str]] | None = None


def _by_id(model: type[Model], field: str, ids: Iterable[str], *related: str) -> dict[str, Any]:
    """Our rows by one of Stripe's ids. An id that is empty is no id: it never finds the rows that have none."""
    wanted = [stripe_id for stripe_id in ids if stripe_id]
    rows = model._default_manager.filter(**{f"{field}__in": wanted}).select_related(*related)
    return {getattr(row, field): row for row in rows}


def _unlike(ours: Mapping[str, object], stripes: Mapping[str, object]) -> str:
    """Where two descriptions differ, in words; empty if they agree."""
    return "; ".join(
        f"{name}: ours {_word(ours[name])}, Stripe's {_word(stripes[name])}"
        for name in ours
        if ours[name] != stripes[name]
    )


def _word(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value) if value not in (None, "") else "none"


# --- Checkout sessions --------------------------------------------------------------------------


def _sessions(page: Sequence[Json]) -> Iterator[Difference]:
    told = [facts.session(data) for data in page]
    references = [session.reference for session in told if session.reference]
    rows = {row.public_id: row for row in Contribution.objects.filter(public_id__in=references)}
    under_way = set(
        Payment.objects.filter(
            stripe_payment_intent_id__in=[one.payment_intent for one in told if one.payment_intent],
            state=Payment.State.PROCESSING,
        ).values_list("stripe_payment_intent_id", flat=True)
    )
    State = Contribution.CheckoutState
    for session, data in zip(told, page, strict=True):
        row = rows.get(session.reference) if session.reference else None
        if row is None or session.mode not in ("payment", "subscription"):
            continue
        if session.status == "complete":
            if row.checkout_state != State.COMPLETED:
                yield Difference(session.id, f"ours {row.checkout_state}, paid at Stripe", data)
            elif session.email and not row.email and row.member_id is None:
                yield Difference(session.id, "the address was not taken over", data)
            elif session.payment_intent in under_way and _came_back(data):
                yield Difference(session.id, "ours PROCESSING, failed at Stripe", data)
        elif (
            session.status == "expired"
            and row.checkout_state in (State.CREATED, State.OPEN)
            and row.stripe_session_id in (None, session.id)
        ):
            yield Difference(session.id, f"ours {row.checkout_state}, expired at Stripe", data)


def _came_back(data: Json) -> bool:
    """Whether the bank debit of a checkout that was gone through did not arrive, or was called off."""
    intent = data.get("payment_intent")
    return (
        data.get("payment_status") == "unpaid"
        and isinstance(intent, Mapping)
        and intent.get("status") in ("requires_payment_method", "canceled")
    )


def _session_event(data: Json, now: datetime) -> tuple[str, datetime]:
    session = facts.session(data)
    if session.status == "complete" and _came_back(data):
        return "checkout.session.async_payment_failed", _moment(data, "created")
    if session.status == "expired":
        return "checkout.session.expired", _moment(data, "expires_at")
    return "checkout.session.completed", gateway.get_paid_at(session.id) or _moment(data, "created")


# --- Subscriptions ------------------------------------------------------------------------------


def _subscriptions(page: Sequence[Json]) -> Iterator[Difference]:
    told = []
    for data in page:
        try:
            told.append((facts.subscription(data), data))
        except facts.Malformed:
            continue  # other software's: ours have one price with an amount
    rows = _by_id(Subscription, "stripe_id", [one.id for one, _ in told])
    known = _contributions([one.reference for one, _ in told])
    for one, data in told:
        row = rows.get(one.id)
        if row is None:
            if one.reference in known:
                yield Difference(one.id, "not in our books", data)
            continue
        what = _unlike(
            {
                "state": row.state,
                "amount": row.amount_minor,
                "interval": row.interval,
                "period end": row.current_period_end,
                "cancels": row.cancel_at,
                "resumes": row.pause_resumes_at,
                "card": row.default_payment_method if one.default_payment_method else "",
            },
            {
                "state": one.state,
                "amount": one.amount,
                "interval": one.interval,
                "period end": one.current_period_end or row.current_period_end,
                "cancels": one.cancel_at,
                "resumes": one.pause_resumes_at,
                "card": one.default_payment_method,
            },
        )
        if what:
            yield Difference(one.id, what, data)


def _subscription_event(data: Json, now: datetime) -> tuple[str, datetime]:
    """A snapshot is true of the moment at which it was taken."""
    ended = facts.subscription(data).state == Subscription.State.CANCELLED
    return f"customer.subscription.{'deleted' if ended else 'updated'}", now


def _our_subscriptions(since: datetime) -> Iterable[str]:
    return Subscription.objects.values_list("stripe_id", flat=True).iterator()


# --- Invoices -----------------------------------------------------------------------------------


def _invoices(page: Sequence[Json]) -> Iterator[Difference]:
    told = [(facts.invoice(data), data) for data in page]
    payments = _by_id(Payment, "stripe_invoice_id", [one.id for one, _ in told])
    subscriptions = _by_id(Subscription, "stripe_id", [one.subscription for one, _ in told])
    known = _contributions([one.reference for one, _ in told])
    for one, data in told:
        if not one.subscription or (one.subscription not in subscriptions and one.reference not in known):
            continue
        row = payments.get(one.id)
        if one.status == "paid" and one.amount_paid:
            if row is None:
                yield Difference(one.id, "a payment that is not in our books", data)
            elif row.state != Payment.State.SUCCEEDED:
                yield Difference(one.id, f"ours {row.state}, paid at Stripe", data)
            elif row.amount_minor != one.amount_paid:
                yield Difference(one.id, f"amount: ours {row.amount_minor}, Stripe's {one.amount_paid}", data)
        elif one.status in ("open", "uncollectible", "void") and data.get("attempted") and one.attempt_count:
            if row is None or row.state == Payment.State.PROCESSING:
                if _was_refused(one.id):
                    ours = f"ours {row.state}, failed at Stripe" if row else "not in our books"
                    yield Difference(one.id, f"a payment that failed: {ours}", data)
            elif row.state == Payment.State.FAILED and row.attempt_count < one.attempt_count:
                yield Difference(one.id, "a later try is not in our books", data)


def _was_refused(invoice_id: str) -> bool:
    """Whether the last try failed: of a debit that is under way the invoice says "attempted" as well."""
    intent = gateway.get_invoice_intent(invoice_id)
    return intent is None or intent.status not in ("processing", "succeeded")


def _invoice_event(data: Json, now: datetime) -> tuple[str, datetime]:
    one = facts.invoice(data)
    if one.status == "paid":
        return "invoice.paid", one.paid_at or one.created_at
    finalized = (data.get("status_transitions") or {}).get("finalized_at")
    return "invoice.payment_failed", facts.moment(finalized) if finalized else one.created_at


def _invoice_payments(page: Sequence[Json]) -> Iterator[Difference]:
    """Which payment intent paid which invoice: without it, charge and fee do not find their payment."""
    told = [(facts.invoice_payment(data), data) for data in page]
    payments = _by_id(Payment, "stripe_invoice_id", [one.invoice for one, _ in told])
    for one, data in told:
        row = payments.get(one.invoice)
        if row is None or one.status != "paid" or not one.payment_intent:
            continue
        if row.stripe_payment_intent_id != one.payment_intent:
            yield Difference(str(data["id"]), "the payment of an invoice is not linked", data)


def _invoice_payment_event(data: Json, now: datetime) -> tuple[str, datetime]:
    paid_at = (data.get("status_transitions") or {}).get("paid_at")
    return "invoice_payment.paid", facts.moment(paid_at) if paid_at else _moment(data, "created")


# --- Charges and what goes back -----------------------------------------------------------------


def _charges(page: Sequence[Json]) -> Iterator[Difference]:
    told = [(facts.charge(data), data) for data in page if data.get("status") == "succeeded"]
    payments = _by_id(Payment, "stripe_charge_id", [one.id for one, _ in told])
    by_intent = _by_id(Payment, "stripe_payment_intent_id", [one.payment_intent for one, _ in told])
    known = _contributions([one.reference for one, _ in told])
    entries = set(
        BalanceEntry.objects.filter(
            stripe_id__in=[one.balance_transaction for one, _ in told], payment__isnull=False
        ).values_list("stripe_id", flat=True)
    )
    for one, data in told:
        row = payments.get(one.id)
        if row is None:
            if one.payment_intent in by_intent or one.reference in known:
                yield Difference(one.id, "a charge that is not in our books", data)
        elif row.state != Payment.State.SUCCEEDED:
            yield Difference(one.id, f"ours {row.state}, paid at Stripe", data)
        elif row.amount_minor != one.amount:
            yield Difference(one.id, f"amount: ours {row.amount_minor}, Stripe's {one.amount}", data)
        elif one.balance_transaction and one.balance_transaction not in entries:
            yield Difference(one.id, "its fee is not in our books", data)


def _charge_event(data: Json, now: datetime) -> tuple[str, datetime]:
    """
    A charge says when the money was asked for. Of a bank debit that is days before it came, so it dates no payment
    that is known to have arrived.
    """
    one = facts.charge(data)
    arrived = Payment.objects.filter(
        stripe_payment_intent_id=one.payment_intent, state=Payment.State.SUCCEEDED
    )
    is_known = bool(one.payment_intent) and arrived.exists()
    return "charge.updated" if is_known else "charge.succeeded", one.created_at


def _our_charges(since: datetime) -> Iterable[str]:
    paid = Payment.objects.filter(paid_at__gte=since).exclude(stripe_charge_id=None)
    return (str(stripe_id) for stripe_id in paid.values_list("stripe_charge_id", flat=True).iterator())


def _refunds(page: Sequence[Json]) -> Iterator[Difference]:
    told = [(facts.refund(data), data) for data in page]
    rows = _by_id(Refund, "stripe_id", [one.id for one, _ in told])
    belongs = _payments_of([(one.payment_intent, one.charge) for one, _ in told])
    for one, data in told:
        row = rows.get(one.id)
        if row is None:
            if one.payment_intent in belongs or one.charge in belongs:
                yield Difference(one.id, "a refund that is not in our books", data)
        elif row.state != one.state:
            yield Difference(one.id, f"ours {row.state}, Stripe's {one.state}", data)


def _our_refunds(since: datetime) -> Iterable[str]:
    return Refund.objects.filter(created_at__gte=since).values_list("stripe_id", flat=True).iterator()


def _disputes(page: Sequence[Json]) -> Iterator[Difference]:
    told = [(facts.dispute(data), data) for data in page]
    rows = _by_id(Dispute, "stripe_id", [one.id for one, _ in told])
    belongs = _payments_of([(one.payment_intent, one.charge) for one, _ in told])
    for one, data in told:
        row = rows.get(one.id)
        if row is None:
            if one.payment_intent in belongs or one.charge in belongs:
                yield Difference(one.id, "a dispute that is not in our books", data)
        elif row.stripe_status != one.status[:40]:
            yield Difference(one.id, f"ours {row.stripe_status}, Stripe's {one.status}", data)


def _dispute_event(data: Json, now: datetime) -> tuple[str, datetime]:
    """A dispute does not say when it was lost; mostly that is when our time to answer is over."""
    one = facts.dispute(data)
    if one.state == Dispute.State.LOST and one.answer_due_at:
        return "charge.dispute.closed", min(one.answer_due_at, now)
    return "charge.dispute.updated", one.opened_at


def _our_disputes(since: datetime) -> Iterable[str]:
    return Dispute.objects.filter(opened_at__gte=since).values_list("stripe_id", flat=True).iterator()


def _payouts(page: Sequence[Json]) -> Iterator[Difference]:
    told = [(facts.payout(data), data) for data in page]
    rows = _by_id(Payout, "stripe_id", [one.id for one, _ in told])
    for one, data in told:
        row = rows.get(one.id)
        if row is None:
            yield Difference(one.id, "a payout that is not in our books", data)
        elif row.state != one.state:
            yield Difference(one.id, f"ours {row.state}, Stripe's {one.state}", data)
        elif row.amount_minor != one.amount:
            yield Difference(one.id, f"amount: ours {row.amount_minor}, Stripe's {one.amount}", data)
        elif one.can_be_listed and not row.can_be_listed:
            yield Difference(one.id, "what it is made of was not asked for", data)


def _our_payouts(since: datetime) -> Iterable[str]:
    return Payout.objects.filter(created_at__gte=since).values_list("stripe_id", flat=True).iterator()


# --- Small helpers ------------------------------------------------------------------------------


def _contributions(references: Iterable[Any]) -> set[Any]:
    """Those of our references that stand for a contribution of ours."""
    wanted = [reference for reference in references if reference]
    return set(Contribution.objects.filter(public_id__in=wanted).values_list("public_id", flat=True))


def _payments_of(pairs: Sequence[tuple[str, str]]) -> set[str]:
    """Those of the payment intents and charges that our books know."""
    intents = [intent for intent, _ in pairs if intent]
    charges = [charge for _, charge in pairs if charge]
    rows = Payment.objects.filter(Q(stripe_payment_intent_id__in=intents) | Q(stripe_charge_id__in=charges))
    known: set[str] = set()
    for intent, charge in rows.values_list("stripe_payment_intent_id", "stripe_charge_id"):
        known |= {found for found in (intent, charge) if found}
    return known


def _moment(data: Json, key: str) -> datetime:
    return facts.moment(data[key])


def _at_creation(kind: str) -> Callable[[Json, datetime], tuple[str, datetime]]:
    return lambda data, now: (kind, _moment(data, "created"))


# In an order in which each finds what it needs: an invoice needs its subscription, a charge the invoice's payment.
KINDS = (
    Kind("checkout.session", _sessions, _session_event),
    Kind("subscription", _subscriptions, _subscription_event, _our_subscriptions),
    Kind("invoice", _invoices, _invoice_event),
    Kind("invoice_payment", _invoice_payments, _invoice_payment_event),
    Kind("charge", _charges, _charge_event, _our_charges),
    Kind("refund", _refunds, _at_creation("refund.updated"), _our_refunds),
    Kind("dispute", _disputes, _dispute_event, _our_disputes),
    Kind("payout", _payouts, _at_creation("payout.updated"), _our_payouts),
)
