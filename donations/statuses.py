"""
The one word that tells a reader how a contribution stands, derived from the separate states.

Nothing stores this word. Checkout, subscription, payment and dispute each keep their own small state, and
`derive` is the only place in which they are put together.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Status(StrEnum):
    """What `GET /api/v1/contributions/{id}/` answers."""

    PENDING = "pending"
    PROCESSING = "processing"
    PAID = "paid"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"
    REFUNDED = "refunded"


def status_choices() -> list[tuple[str, str]]:
    """Every status, for the API's description."""
    return [(status.value, status.value) for status in Status]


def derive(*, checkout: str, subscription: str | None, payments: Iterable[tuple[str, bool]]) -> Status:
    """
    The status of a contribution.

    :param checkout: the state of the page on which the reader pays (Contribution.CheckoutState).
    :param subscription: the state of the subscription (Subscription.State); None for one-off gifts, and
        until Stripe has made one.
    :param payments: (Payment.State, was it given back in full) for each payment.
    """
    payments = list(payments)
    states = {state for state, _ in payments}
    paid_and_kept = any(state == "SUCCEEDED" and not returned for state, returned in payments)
    if subscription is not None and "SUCCEEDED" in states:
        return _RECURRING.get(subscription, Status.ACTIVE)
    if paid_and_kept:
        return Status.PAID
    if states & {"SUCCEEDED", "VOIDED"}:
        return Status.REFUNDED  # given back, or entered by mistake: nothing is left of it
    if subscription == "CANCELLED":
        return Status.FAILED if "FAILED" in states else Status.CANCELLED
    if "PROCESSING" in states:
        return Status.PROCESSING
    if checkout == "COMPLETED":
        # The reader is through Stripe's page and the news of the money has not come; or it was bad news.
        return Status.FAILED if "FAILED" in states else Status.PROCESSING
    return Status.EXPIRED if checkout == "EXPIRED" else Status.PENDING


_RECURRING = {
    "ACTIVE": Status.ACTIVE,
    "INCOMPLETE": Status.ACTIVE,  # its first payment is booked and Stripe's word about the rest is on its way
    "PAST_DUE": Status.PAST_DUE,
    "UNPAID": Status.PAST_DUE,
    "PAUSED": Status.PAUSED,
    "CANCELLED": Status.CANCELLED,
}
