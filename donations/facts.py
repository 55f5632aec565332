"""
Stripe's objects, read: from JSON to the few facts that the books need.

Pure functions from a decoded JSON object (of an event, or of an answer of the API) to a frozen dataclass;
no Django, no clock. Readers are tolerant of what they do not know (new fields, new enum values) and strict
about what they need: `Malformed` names the missing key. Paths are those of API version 2026-10-28.endive
(STRIPE.md 2.3). Amounts are minor units, currencies upper case, times aware UTC.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

Json = Mapping[str, Any]
T = TypeVar("T")

METADATA_KEY = "contribution"  # the one thing that we write on Stripe's objects: our opaque id


# What a subscription at Stripe says that its reader meant to give once.
MEANT_ONCE = "The reader meant to give once."


class Malformed(ValueError):
    """The object lacks something that Stripe always sends, or has it in another form."""


@dataclass(frozen=True, slots=True)
class Session:
    """
    A Checkout Session.

    One that expired may have a link that opens a copy of it, until `recovery_expires_at`; each copy says in
    `recovered_from` whose it is.
    """

    id: str
    mode: str
    status: str
    payment_status: str
    reference: uuid.UUID | None
    amount_total: int | None
    currency: str
    customer: str
    email: str
    name: str
    subscription: str
    payment_intent: str
    invoice: str
    setup_intent: str
    livemode: bool
    recovered_from: str
    recovery_url: str
    recovery_expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice of a subscription, or (subscription empty) another one that is not ours to book."""

    id: str
    subscription: str
    reference: uuid.UUID | None
    customer: str
    billing_reason: str
    status: str
    amount_due: int
    amount_paid: int
    currency: str
    created_at: datetime
    paid_at: datetime | None
    period_start: datetime | None
    period_end: datetime | None
    attempt_count: int
    next_payment_attempt: datetime | None
    livemode: bool


@dataclass(frozen=True, slots=True)
class InvoicePayment:
    """The link between an invoice and the PaymentIntent that paid it."""

    invoice: str
    payment_intent: str
    status: str


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent."""

    id: str
    reference: uuid.UUID | None
    status: str
    amount: int
    currency: str
    created_at: datetime
    latest_charge: str
    failure_code: str
    livemode: bool


@dataclass(frozen=True, slots=True)
class Charge:
    """One try to take money."""

    id: str
    payment_intent: str
    reference: uuid.UUID | None
    status: str
    amount: int
    amount_refunded: int
    currency: str
    created_at: datetime
    balance_transaction: str
    card: str  # fingerprint of the card or account; empty where there is none
    payer: tuple[str, str]  # name and postcode, as the payer typed them; personal data
    livemode: bool


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """A refund; `state` is one of Refund.State."""

    id: str
    payment_intent: str
    charge: str
    state: str
    amount: int
    currency: str
    created_at: datetime
    reason: str
    failure_reason: str
    balance_transaction: str
    failure_balance_transaction: str


@dataclass(frozen=True, slots=True)
class PayoutFacts:
    """A payout; `state` is one of Payout.State. `can_be_listed`: Stripe knows which lines it is made of."""

    id: str
    state: str
    amount: int
    currency: str
    is_automatic: bool
    can_be_listed: bool
    created_at: datetime
    arrives_at: datetime
    failure_code: str


@dataclass(frozen=True, slots=True)
class BalanceTransaction:
    """A movement on our balance at Stripe, in the settlement currency."""

    id: str
    kind: str
    currency: str
    amount: int
    fee: int
    net: int
    exchange_rate: str
    source: str
    occurred_at: datetime
    available_on: datetime | None


@dataclass(frozen=True, slots=True)
class DisputeFacts:
    """A dispute or inquiry; `state` is one of Dispute.State, and a higher `rank` is a later word."""

    id: str
    payment_intent: str
    charge: str
    status: str
    state: str
    rank: int
    amount: int
    currency: str
    reason: str
    opened_at: datetime
    answer_due_at: datetime | None
    balance_transactions: tuple[BalanceTransaction, ...]


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """A subscription; `state` is one of Subscription.State."""

    id: str
    reference: uuid.UUID | None
    customer: str
    state: str
    amount: int
    currency: str
    interval: str
    item_id: str
    product_id: str
    default_payment_method: str
    current_period_end: datetime | None
    is_paused: bool
    pause_resumes_at: datetime | None
    cancel_at: datetime | None
    cancelled_at: datetime | None
    ended_at: datetime | None
    end_reason: str
    end_comment: str
    livemode: bool


@dataclass(frozen=True, slots=True)
class Card:
    """
    A card that is charged: until when it is good, and what its owner knows it by. Kept nowhere.

    :param brand: such as "visa"; "" if Stripe does not say.
    :param last4: the last digits of its number.
    """

    id: str
    exp_year: int
    exp_month: int
    brand: str = ""
    last4: str = field(default="", repr=False)

    def has_expired(self, at: datetime) -> bool:
        """Whether it is not good any more at that moment; it is good to the end of its month."""
        return (self.exp_year, self.exp_month) < (at.year, at.month)


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays, as other software left it at Stripe; empty where it did not ask. Personal data."""

    email: str
    name: str
    locale: str
    customer: str


@dataclass(frozen=True, slots=True)
class Customer:
    """A payer at Stripe: ids only."""

    id: str
    default_payment_method: str
    livemode: bool
    is_deleted: bool


def session(data: Json) -> Session:
    details = data.get("customer_details") or {}
    recovery = (data.get("after_expiration") or {}).get("recovery") or {}
    return Session(
        id=_need(data, "id", str),
        mode=_need(data, "mode", str),
        status=_text(data, "status"),
        payment_status=_text(data, "payment_status"),
        reference=_reference(data.get("client_reference_id")) or _metadata_reference(data),
        amount_total=data.get("amount_total"),
        currency=_text(data, "currency").upper(),
        customer=_id(data.get("customer")),
        email=_text(details, "email"),
        name=_text(details, "name"),
        subscription=_id(data.get("subscription")),
        payment_intent=_id(data.get("payment_intent")),
        invoice=_id(data.get("invoice")),
        setup_intent=_id(data.get("setup_intent")),
        livemode=_need(data, "livemode", bool),
        recovered_from=_id(data.get("recovered_from")),
        recovery_url=_text(recovery, "url"),
        recovery_expires_at=_optional_moment(recovery.get("expires_at")),
    )


def invoice(data: Json) -> Invoice:
    parent = data.get("parent") or {}
    details = parent.get("subscription_details") or {}
    start, end = _service_period(data)
    return Invoice(
        id=_text(data, "id"),  # an upcoming invoice has none
        subscription=_id(details.get("subscription")),
        reference=_metadata_reference(details),
        customer=_id(data.get("customer")),
        billing_reason=_text(data, "billing_reason"),
        status=_text(data, "status"),
        amount_due=_need(data, "amount_due", int),
        amount_paid=_need(data, "amount_paid", int),
        currency=_need(data, "currency", str).upper(),
        created_at=_moment(_need(data, "created", int)),
        paid_at=_optional_moment((data.get("status_transitions") or {}).get("paid_at")),
        period_start=start,
        period_end=end,
        attempt_count=data.get("attempt_count") or 0,
        next_payment_attempt=_optional_moment(data.get("next_payment_attempt")),
        livemode=_need(data, "livemode", bool),
    )


def invoice_payment(data: Json) -> InvoicePayment:
    return InvoicePayment(
        invoice=_id(_need(data, "invoice", object)),
        payment_intent=_id((data.get("payment") or {}).get("payment_intent")),
        status=_text(data, "status"),
    )


def intent(data: Json) -> Intent:
    failure = data.get("last_payment_error") or {}
    return Intent(
        id=_need(data, "id", str),
        reference=_metadata_reference(data),
        status=_need(data, "status", str),
        amount=_need(data, "amount", int),
        currency=_need(data, "currency", str).upper(),
        created_at=_moment(_need(data, "created", int)),
        latest_charge=_id(data.get("latest_charge")),
        failure_code=_text(failure, "decline_code") or _text(failure, "code"),
        livemode=_need(data, "livemode", bool),
    )


def charge(data: Json) -> Charge:
    return Charge(
        id=_need(data, "id", str),
        payment_intent=_id(data.get("payment_intent")),
        reference=_metadata_reference(data),
        status=_need(data, "status", str),
        amount=_need(data, "amount", int),
        amount_refunded=data.get("amount_refunded") or 0,
        currency=_need(data, "currency", str).upper(),
        created_at=_moment(_need(data, "created", int)),
        balance_transaction=_id(data.get("balance_transaction")),
        card=_fingerprint(data.get("payment_method_details")),
        payer=_name_and_postcode(data.get("billing_details")),
        livemode=_need(data, "livemode", bool),
    )


def _name_and_postcode(details: Any) -> tuple[str, str]:
    if not isinstance(details, Mapping):
        return "", ""
    address = details.get("address")
    return _text(details, "name"), _text(address, "postal_code") if isinstance(address, Mapping) else ""


def _fingerprint(details: Any) -> str:
    """What Stripe calls the same card or account by, whoever uses it."""
    if not isinstance(details, Mapping):
        return ""
    method = details.get(_text(details, "type"))
    return _text(method, "fingerprint") if isinstance(method, Mapping) else ""


_REFUND_STATES = {
    "pending": "PENDING",
    "requires_action": "REQUIRES_ACTION",
    "succeeded": "SUCCEEDED",
    "failed": "FAILED",
    "canceled": "CANCELLED",
}


def refund(data: Json) -> RefundFacts:
    return RefundFacts(
        id=_need(data, "id", str),
        payment_intent=_id(data.get("payment_intent")),
        charge=_id(data.get("charge")),
        state=_REFUND_STATES.get(_text(data, "status"), "PENDING"),
        amount=_need(data, "amount", int),
        currency=_need(data, "currency", str).upper(),
        created_at=_moment(_need(data, "created", int)),
        reason=_text(data, "reason"),
        failure_reason=_text(data, "failure_reason"),
        balance_transaction=_id(data.get("balance_transaction")),
        failure_balance_transaction=_id(data.get("failure_balance_transaction")),
    )


def balance_transaction(data: Json) -> BalanceTransaction:
    rate = data.get("exchange_rate")
    return BalanceTransaction(
        id=_need(data, "id", str),
        kind=_text(data, "reporting_category") or _text(data, "type"),
        currency=_need(data, "currency", str).upper(),
        amount=_need(data, "amount", int),
        fee=_need(data, "fee", int),
        net=_need(data, "net", int),
        exchange_rate="" if rate is None else str(rate),
        source=_id(data.get("source")),
        occurred_at=_moment(_need(data, "created", int)),
        available_on=_optional_moment(data.get("available_on")),
    )


_PAYOUT_STATES = {
    "pending": "PENDING",
    "in_transit": "IN_TRANSIT",
    "paid": "PAID",
    "failed": "FAILED",
    "canceled": "CANCELLED",
}


def payout(data: Json) -> PayoutFacts:
    return PayoutFacts(
        id=_need(data, "id", str),
        state=_PAYOUT_STATES.get(_need(data, "status", str), "OTHER"),
        amount=_need(data, "amount", int),
        currency=_need(data, "currency", str).upper(),
        is_automatic=_need(data, "automatic", bool),
        can_be_listed=_text(data, "reconciliation_status") == "completed",
        created_at=_moment(_need(data, "created", int)),
        arrives_at=_moment(_need(data, "arrival_date", int)),
        failure_code=_text(data, "failure_code"),
    )


# How Stripe's word for a dispute is called here, and which of two words is the later one.
_DISPUTE_STATES = {
    "warning_needs_response": ("INQUIRY", 1),
    "warning_under_review": ("INQUIRY", 2),
    "warning_closed": ("INQUIRY_CLOSED", 3),
    "needs_response": ("NEEDS_RESPONSE", 4),
    "under_review": ("UNDER_REVIEW", 5),
    "lost": ("LOST", 6),
    "appeal_needs_response": ("NEEDS_RESPONSE", 7),
    "appeal_under_review": ("UNDER_REVIEW", 8),
    "won": ("WON", 9),
    "prevented": ("PREVENTED", 9),
}


def dispute(data: Json) -> DisputeFacts:
    status = _need(data, "status", str)
    state, rank = _DISPUTE_STATES.get(status, ("OTHER", 0))
    return DisputeFacts(
        id=_need(data, "id", str),
        payment_intent=_id(data.get("payment_intent")),
        charge=_id(data.get("charge")),
        status=status,
        state=state,
        rank=rank,
        amount=_need(data, "amount", int),
        currency=_need(data, "currency", str).upper(),
        reason=_text(data, "reason"),
        opened_at=_moment(_need(data, "created", int)),
        answer_due_at=_optional_moment((data.get("evidence_details") or {}).get("due_by")),
        balance_transactions=tuple(
            balance_transaction(item) for item in data.get("balance_transactions") or ()
        ),
    )


_SUBSCRIPTION_STATES = {
    "incomplete": "INCOMPLETE",
    "incomplete_expired": "CANCELLED",
    "trialing": "ACTIVE",
    "active": "ACTIVE",
    "past_due": "PAST_DUE",
    "unpaid": "UNPAID",
    "paused": "PAUSED",
    "canceled": "CANCELLED",
}


def card(data: Json) -> Card | None:
    """The card that pays a subscription's next invoice; to be read from one with methods and customer expanded."""
    customer = data.get("customer")
    settings = (customer.get("invoice_settings") or {}) if isinstance(customer, Mapping) else {}
    method = data.get("default_payment_method") or settings.get("default_payment_method")
    if not isinstance(method, Mapping):
        return None
    details = method.get("card")
    if not isinstance(details, Mapping):  # a bank debit, Link: they do not expire
        return None
    return Card(
        _need(method, "id", str),
        _need(details, "exp_year", int),
        _need(details, "exp_month", int),
        brand=_text(details, "brand"),
        last4=_text(details, "last4"),
    )


def subscription(data: Json) -> SubscriptionFacts:
    items = (data.get("items") or {}).get("data") or []
    if not items:
        raise Malformed("subscription without items")
    item: Json = items[0]
    price = _need(item, "price", dict)
    recurring = _need(price, "recurring", dict)
    pause = data.get("pause_collection") or {}
    state = _SUBSCRIPTION_STATES.get(_need(data, "status", str), "ACTIVE")
    ended_at = _optional_moment(data.get("ended_at"))
    return SubscriptionFacts(
        id=_need(data, "id", str),
        reference=_metadata_reference(data),
        customer=_id(data.get("customer")),
        # Collection that pauses leaves Stripe's status "active"; for the reader it is a pause all the same.
        state="PAUSED" if pause and state == "ACTIVE" else state,
        amount=_need(price, "unit_amount", int) * (item.get("quantity") or 1),
        currency=_need(price, "currency", str).upper(),
        interval=_need(recurring, "interval", str),
        item_id=_need(item, "id", str),
        product_id=_id(price.get("product")),
        default_payment_method=_id(data.get("default_payment_method")),
        current_period_end=_optional_moment(item.get("current_period_end")),
        # Money that is only collected later (a payment that waits for its notice) pauses nothing for the reader.
        is_paused=(bool(pause) and pause.get("behavior") != "keep_as_draft") or state == "PAUSED",
        pause_resumes_at=_optional_moment(pause.get("resumes_at")),
        cancel_at=_optional_moment(data.get("cancel_at"))
        or (_optional_moment(item.get("current_period_end")) if data.get("cancel_at_period_end") else None),
        cancelled_at=_optional_moment(data.get("canceled_at")),
        ended_at=ended_at or (_optional_moment(data.get("canceled_at")) if state == "CANCELLED" else None),
        end_reason=_text(data.get("cancellation_details") or {}, "reason"),
        end_comment=_text(data.get("cancellation_details") or {}, "comment"),
        livemode=_need(data, "livemode", bool),
    )


def subscription_before(data: Json) -> SubscriptionFacts | None:
    """
    How a subscription was right before an event, by the event's own `previous_attributes` (`data` is the event's).

    None if the event does not say it, or in a form that we cannot read: then nothing is known of before.
    """
    previous = data.get("previous_attributes")
    if not isinstance(previous, Mapping) or not isinstance(data.get("object"), Mapping):
        return None
    try:
        return subscription(_overlaid(data["object"], previous))
    except (Malformed, AttributeError, TypeError, KeyError):
        return None


def _overlaid(now: Json, before: Json) -> Json:
    """An object with its earlier values: hashes name only the keys that changed, lists come whole."""
    return {**now} | {
        key: _overlaid(now[key], value)
        if isinstance(value, Mapping) and isinstance(now.get(key), Mapping)
        else value
        for key, value in before.items()
    }


def customer(data: Json) -> Customer:
    return Customer(
        id=_need(data, "id", str),
        default_payment_method=_id((data.get("invoice_settings") or {}).get("default_payment_method")),
        livemode=bool(data.get("livemode")),
        is_deleted=bool(data.get("deleted")),
    )


def payer(data: Json) -> Payer:
    """Who pays for a subscription or made a charge; to be read from one with its customer expanded."""
    found = data.get("customer")
    known: Json = found if isinstance(found, Mapping) and not found.get("deleted") else {}
    given = data.get("billing_details")
    details: Json = given if isinstance(given, Mapping) else {}
    locales = known.get("preferred_locales")
    first = locales[0] if isinstance(locales, list) and locales else ""
    return Payer(
        email=_text(known, "email") or _text(details, "email") or _text(data, "receipt_email"),
        name=_text(known, "name") or _text(details, "name"),
        locale=first if isinstance(first, str) else "",
        customer=_id(found),
    )


def reference_of(data: Json) -> uuid.UUID | None:
    """Our reference on an object of Stripe's; None on one that other software made."""
    return _metadata_reference(data)


def moment(value: Any) -> datetime:
    """A time of Stripe's, seconds since 1970, as an aware UTC datetime. Raises Malformed."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise Malformed("a time that is none")
    return _moment(value)


# --- Small readers -------------------------------------------------------------------------------


def _need(data: Json, key: str, kind: type[T]) -> T:
    value = data.get(key)
    if value is None or not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Malformed(f"{data.get('object', 'object')} without a proper {key}")
    return value


def _text(data: Json, key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _id(value: Any) -> str:
    """The id of something that may come as an id or, expanded, as the whole object."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) else ""


def _reference(value: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(value)
    except (ValueError, TypeError, AttributeError):
        return None


def _metadata_reference(data: Json) -> uuid.UUID | None:
    return _reference((data.get("metadata") or {}).get(METADATA_KEY))


def _moment(value: int) -> datetime:
    try:
        return datetime.fromtimestamp(value, tz=UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise Malformed("a time that is none") from error


def _optional_moment(value: Any) -> datetime | None:
    return _moment(value) if isinstance(value, int) and not isinstance(value, bool) and value else None


def _service_period(data: Json) -> tuple[datetime | None, datetime | None]:
    """From when to when the invoice pays: its lines know; `invoice.period_*` looks one period back."""
    lines = (data.get("lines") or {}).get("data") or []
    periods = [line["period"] for line in lines if isinstance(line.get("period"), Mapping)]
    pick: Callable[[str], list[datetime]] = lambda key: [  # noqa: E731
        moment for moment in (_optional_moment(period.get(key)) for period in periods) if moment
    ]
    return max(pick("start"), default=None), max(pick("end"), default=None)
