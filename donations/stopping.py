"""
Ending a contribution from a mail, without signing in; and thinking better of it.

Stripe is asked; what became of it comes back as an event, and the event changes the books.
"""

from __future__ import annotations

import enum
from datetime import datetime

from donations import gateway
from donations.errors import UnknownContribution
from donations.models import Payment, Subscription

State = Subscription.State


class Ending(enum.Enum):
    """How a contribution ends when its reader says so now."""

    WITH_THE_PAID_TIME = "no further payment; what is paid is kept until its end"
    AT_ONCE = "a payment is open, and nothing is paid any more"


def how_it_would_end(subscription: Subscription) -> Ending:
    """
    With the time that is paid, where something is paid.

    A contribution whose last payment failed, or waits because its notice could not be delivered in time, has no paid
    time left: it ends at once, and what is open is asked for no more.
    """
    if subscription.state in (State.PAST_DUE, State.UNPAID, State.INCOMPLETE):
        return Ending.AT_ONCE
    if subscription.state == State.PAUSED and not _is_paid_for(subscription):
        return Ending.AT_ONCE
    return Ending.WITH_THE_PAID_TIME


def stop(subscription: Subscription) -> Ending:
    """
    Ask Stripe to end it; doing so again changes nothing.

    :raises UnknownContribution: it has ended. GoneAtStripe, PaymentsUnavailable, PaymentsRefused as the gateway.
    """
    if subscription.state == State.CANCELLED:
        raise UnknownContribution("This contribution has ended.")
    ending = how_it_would_end(subscription)
    if ending is Ending.AT_ONCE:
        gateway.end_now(subscription.stripe_id)
    else:
        gateway.end_at_period_end(subscription.stripe_id, wanted=True)
    return ending


def keep(subscription: Subscription) -> None:
    """
    Ask Stripe to let it go on after all, as long as it has not ended.

    :raises UnknownContribution: it has ended. GoneAtStripe, PaymentsUnavailable, PaymentsRefused as the gateway.
    """
    if subscription.state == State.CANCELLED:
        raise UnknownContribution("This contribution has ended.")
    gateway.end_at_period_end(subscription.stripe_id, wanted=False)


def paid_until(subscription: Subscription) -> datetime | None:
    """The end of the period that runs: until then a contribution that is stopped now goes on."""
    return subscription.current_period_end


def _is_paid_for(subscription: Subscription) -> bool:
    """Whether the running period was paid."""
    paid = Payment.objects.filter(contribution=subscription.contribution_id, state=Payment.State.SUCCEEDED)
    return paid.filter(period_end__gte=subscription.current_period_end).exists()
