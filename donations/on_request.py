"""
What staff do for a reader who asks: give back, pause, let go on, change the amount, send a receipt again.

Stripe is asked; what became of it comes back as an event, and the event changes the books. A refusal leaves
everything as it was. Ending a contribution is in `stopping`, for readers do that themselves. `once` names one pressing
of one button: the same twice is done once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Sum

from donations import changes, fulfilment, gateway, standing, wishes
from donations.errors import InvalidWish, PaymentsRefused, UnknownContribution
from donations.models import ContributionChange, Dispute, Notice, Payment, Refund, Subscription
from donations.money import Money
from members import outbox

REASONS = ("requested_by_customer", "duplicate", "fraudulent")
LONGEST_PAUSE = timedelta(days=366)
Kind = ContributionChange.Kind
_Plan = Subscription.State
_HOLDS = (Notice.Hold.WANTED, Notice.Hold.HELD, Notice.Hold.LETTING_GO)
_WITH_THE_BANK = (Dispute.State.NEEDS_RESPONSE, Dispute.State.UNDER_REVIEW, Dispute.State.LOST)


def left_to_refund(payment: Payment) -> Money:
    """What of a payment is still ours: without what was given back, or is on its way."""
    refunds = Refund.objects.filter(payment=payment, state__in=Refund.IN_EFFECT)
    booked = refunds.aggregate(sum=Sum("amount_minor"))["sum"] or 0
    return payment.amount - Money(max(booked, payment.refunded_minor), payment.currency)


def refund(payment: Payment, *, amount: Money, reason: str, once: str) -> None:
    """
    Give a payment back, or a part of it.

    :param reason: one of REASONS, for Stripe.
    :raises InvalidWish: more than is left, or nothing. PaymentsRefused: the bank has it already, or Stripe says no.
    """
    if payment.state != Payment.State.SUCCEEDED:
        raise InvalidWish(
            "This payment did not arrive, so there is nothing to give back.", fields=("amount",)
        )
    if payment.is_offline:
        raise PaymentsRefused(
            "It did not pass through Stripe: give it back by hand, and void it under Offline gifts."
        )
    if payment.disputes.filter(state__in=_WITH_THE_BANK).exists():
        raise PaymentsRefused("The reader's bank asks for this payment back: answer the dispute instead.")
    left = left_to_refund(payment)
    if amount.currency != payment.currency or not 0 < amount.minor <= left.minor:
        raise InvalidWish(f"Between nothing and {left} can be given back.", fields=("amount",))
    gateway.refund(
        payment_intent=payment.stripe_payment_intent_id or "",
        charge=payment.stripe_charge_id or "",
        amount=amount,
        reason=reason,
        key=f"staff-refund:{payment.public_id}:{once}",
    )


def pause(
    subscription: Subscription, *, until: datetime | None, actor: str, once: str, now: datetime
) -> None:
    """
    Take no payments until that moment, or until it is resumed; the reader is told by mail, as of each change.

    :raises InvalidWish: not a day that a pause can last to. PaymentsRefused: it is not running, or waits for a notice.
    """
    _check_goes_on(subscription)
    if subscription.state != _Plan.ACTIVE:
        raise PaymentsRefused("Only a contribution that runs can be paused.")
    if until is not None and not now < until <= now + LONGEST_PAUSE:
        raise InvalidWish("A pause ends on a day within the next year.", fields=("until",))
    _check_no_hold(subscription)
    stands = standing.get(subscription.contribution)
    changes.ask(
        stands,
        Kind.PAUSE,
        replace(stands.now, is_paused=True, paused_until=standing.stamp(until)),
        call=lambda key: gateway.pause(subscription.stripe_id, until=until, key=key),
        actor=actor,
        once=f"staff:{once}",
        now=now,
    )


def resume(subscription: Subscription, *, actor: str, once: str, now: datetime) -> None:
    """Take payments again, from the next that falls due. Raises PaymentsRefused where it is not paused."""
    _check_goes_on(subscription)
    if subscription.state != _Plan.PAUSED:
        raise PaymentsRefused("This contribution is not paused.")
    _check_no_hold(subscription)
    wishes.resume(subscription.contribution, by=wishes.Actor(actor, once=f"staff:{once}"), now=now)


def change_amount(subscription: Subscription, *, amount: Money, actor: str, once: str, now: datetime) -> None:
    """
    Another amount from the next payment on, as the reader wished; the running period is left as it is.

    What is given here is all that is charged, without a fee cover beside it. The campaign's limits are for readers,
    not for staff. Changes that the newsroom itself wants are announced first, in `price_changes`.

    :raises InvalidWish: another currency, no change, or no amount that can be charged.
    """
    _check_goes_on(subscription)
    if amount.currency != subscription.currency:
        raise InvalidWish("The currency cannot change.", code="currency_not_offered", fields=("amount",))
    if amount == subscription.amount:
        raise InvalidWish("It is that amount already.", fields=("amount",))
    if not amount.is_chargeable():
        raise InvalidWish("This amount cannot be charged.", code="amount_not_chargeable", fields=("amount",))
    stands = standing.get(subscription.contribution)
    changes.ask(
        stands,
        Kind.AMOUNT,
        replace(stands.now, amount=amount.minor, fee_cover=0),
        call=lambda key: gateway.change_amount(
            subscription.stripe_id,
            item=subscription.item_id,
            product=subscription.product_id,
            amount=amount,
            interval=subscription.interval,
            because=key,
        ),
        actor=actor,
        once=f"staff:{once}",
        now=now,
    )


def resend_receipt(payment: Payment, *, once: str, now: datetime) -> bool:
    """
    Owe the receipt of a payment again, to the address that the person has now. False if `once` was seen before.

    :raises UnknownContribution: there is no receipt: the payment did not arrive, or its reader is not known.
    """
    contribution = payment.contribution
    member = contribution.member
    if payment.receipt_number is None or member is None:
        raise UnknownContribution("There is no receipt of this payment.")
    context: dict[str, Any] = fulfilment.receipt_context(contribution, payment)
    return outbox.owe(
        kind="receipt",
        member=member,
        recipient=member.person.email,
        dedup_key=f"receipt:{payment.public_id}:again:{once}",
        context=context,
        locale=contribution.locale,
        now=now,
    )


def _check_goes_on(subscription: Subscription) -> None:
    if subscription.state == _Plan.CANCELLED:
        raise UnknownContribution("This contribution has ended.")


def _check_no_hold(subscription: Subscription) -> None:
    """A hold of ours is a pause at Stripe too: two of them, and one would end the other."""
    if Notice.objects.filter(subscription=subscription, hold__in=_HOLDS).exists():
        raise PaymentsRefused(
            "Its next payment waits for a notice. See the notices, and try again after that."
        )
