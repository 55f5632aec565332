"""
Ending a contribution from a mail, without signing in; and thinking better of it.

Stripe is asked; what became of it comes back as an event, and the event changes the books.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta

from donations import facts, gateway
from donations.errors import NotOneTime, TooLateForOneTime, UnknownContribution
from donations.models import Contribution, Payment, Subscription

State = Subscription.State
REGRET = timedelta(hours=48)  # for so long a first payment can be called one that was meant once


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


def stop_at_once(subscription: Subscription) -> None:
    """
    Ask Stripe to end it now, whatever is paid for, and to ask for nothing that is open any more.

    For a reader who is erased: there will be nobody to be a member for the rest of the time.

    :raises GoneAtStripe, PaymentsUnavailable, PaymentsRefused: as the gateway.
    """
    if subscription.state != State.CANCELLED:
        gateway.end_now(subscription.stripe_id)


def keep(subscription: Subscription) -> None:
    """
    Ask Stripe to let it go on after all, as long as it has not ended.

    :raises UnknownContribution: it has ended. GoneAtStripe, PaymentsUnavailable, PaymentsRefused as the gateway.
    """
    if subscription.state == State.CANCELLED:
        raise UnknownContribution("This contribution has ended.")
    gateway.end_at_period_end(subscription.stripe_id, wanted=False)


# --- "I meant to give once" -------------------------------------------------------------------------


def can_be_made_one_time(contribution: Contribution, *, now: datetime) -> bool:
    """
    Whether a recurring contribution can still be called one that was meant once.

    Within 48 hours of its first and only payment, while that is kept and nothing else was decided.

    :param contribution: with its subscription and payments fetched.
    """
    try:
        _check_one_time(contribution, now=now)
    except (NotOneTime, TooLateForOneTime):
        return False
    return True


def make_one_time(contribution: Contribution, *, now: datetime) -> None:
    """
    Ask Stripe to charge nothing more, because its reader meant to give once; the first payment stays a gift.

    The way of `stop`, with a reason of its own: the membership that the payment brought lasts as long as it paid for.
    It sets a state, so that two who ask at once, or again later, have done one thing; the event that follows changes
    the books and has one mail written. Once that is so, asking again is no error, at whatever time.

    :raises NotOneTime: it is no recurring contribution with one payment.
    :raises TooLateForOneTime: 48 hours are over.
    :raises GoneAtStripe, PaymentsUnavailable, PaymentsRefused: as the gateway.
    """
    subscription: Subscription | None = getattr(contribution, "subscription", None)
    if subscription is not None and subscription.was_made_one_time:
        return
    gateway.end_at_period_end(
        _check_one_time(contribution, now=now).stripe_id, wanted=True, because=facts.MEANT_ONCE
    )


def _check_one_time(contribution: Contribution, *, now: datetime) -> Subscription:
    subscription: Subscription | None = getattr(contribution, "subscription", None)
    paid = [one for one in contribution.payments.all() if one.state == Payment.State.SUCCEEDED]
    if subscription is None or subscription.state != State.ACTIVE or len(paid) != 1 or paid[0].is_returned:
        raise NotOneTime("This is no recurring contribution with one payment.")
    if subscription.cancel_at is not None:
        raise NotOneTime("This contribution ends already; nothing more will be charged.")
    if paid[0].paid_at is None or now >= paid[0].paid_at + REGRET:
        raise TooLateForOneTime(
            "This can be done within 48 hours of the first payment. It can be stopped at any time."
        )
    return subscription


def paid_until(subscription: Subscription) -> datetime | None:
    """The end of the period that runs: until then a contribution that is stopped now goes on."""
    return subscription.current_period_end


def _is_paid_for(subscription: Subscription) -> bool:
    """Whether the running period was paid."""
    paid = Payment.objects.filter(contribution=subscription.contribution_id, state=Payment.State.SUCCEEDED)
    return paid.filter(period_end__gte=subscription.current_period_end).exists()
