"""
What other software began at Stripe, and is ours from now on.

There was no page of ours and there is no reference of ours on it: the contribution is written down afterwards, as
what was given at first. All that follows is told by the same facts, and booked by the same verbs, as for any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from donations import facts
from donations.intervals import Interval
from donations.ledger.balance import note_balance_id
from donations.ledger.checkout import link_customer
from donations.ledger.payments import note_single_payment
from donations.ledger.traces import note_trace
from donations.models import Campaign, Contribution, Payment, Subscription
from donations.money import Money
from members.models import Member
from members.rows import insert_new


@dataclass(frozen=True, slots=True)
class Giver:
    """Who gave, and what is known of them at Stripe by id alone."""

    member: Member
    locale: str
    customer: str


def adopt_subscription(
    told: facts.SubscriptionFacts,
    giver: Giver,
    campaign: Campaign,
    *,
    first: int,
    began_at: datetime,
    now: datetime,
) -> Contribution | None:
    """
    Take a subscription into the books, as a contribution that begins it. None if it is there.

    :param first: what its first payment came to, in minor units.
    """
    contribution = _written_down(
        giver, campaign, Money(first, told.currency), told.interval, began_at, told.livemode, now=now
    )
    row = Subscription(
        contribution=contribution,
        stripe_id=told.id,
        stripe_customer_id=told.customer,
        amount_minor=first,
        currency=told.currency,
        interval=told.interval,
    )
    if not insert_new([row]):
        contribution.delete()
        return None
    contribution.subscription = Subscription.objects.get(stripe_id=told.id)
    contribution.subscription.contribution = contribution
    return contribution


def adopt_charge(
    charge: facts.Charge, giver: Giver, campaign: Campaign, *, now: datetime
) -> Contribution | None:
    """Take a charge that belongs to no invoice into the books, as a gift that was given once. None if it is there."""
    known = Payment.objects.filter(stripe_charge_id=charge.id)
    if charge.payment_intent:
        known = known | Payment.objects.filter(stripe_payment_intent_id=charge.payment_intent)
    if known.exists():
        return None
    amount = Money(charge.amount, charge.currency)
    contribution = _written_down(
        giver, campaign, amount, Interval.ONCE.value, charge.created_at, charge.livemode, now=now
    )
    payment = note_single_payment(
        contribution,
        charge.payment_intent,
        state=Payment.State.SUCCEEDED,
        amount=amount,
        at=charge.created_at,
        charge=charge.id,
    )
    note_trace(payment, contribution, card=charge.card, now=now)
    if charge.balance_transaction:
        note_balance_id(charge.balance_transaction, at=charge.created_at, payment=payment)
    return contribution


def _written_down(
    giver: Giver,
    campaign: Campaign,
    amount: Money,
    interval: str,
    began_at: datetime,
    livemode: bool,
    *,
    now: datetime,
) -> Contribution:
    contribution = Contribution(
        campaign=campaign,
        member=giver.member,
        interval=interval,
        amount_minor=amount.minor,
        currency=amount.currency,
        locale=giver.locale,
        livemode=livemode,
        created_at=began_at,
        origin=Contribution.Origin.STRIPE,
        imported_at=now,
        checkout_state=Contribution.CheckoutState.COMPLETED,
        checkout_attempted_at=began_at,
        stripe_customer_id=giver.customer,
    )
    contribution.save(force_insert=True)
    link_customer(giver.customer, contribution)
    return contribution
