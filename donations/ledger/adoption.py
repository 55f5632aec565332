"""
What other software began at Stripe, and is ours from now on.

There was no page of ours and there is no reference of ours on it: the contribution is written down afterwards, as
what was given at first. All that follows is told by the same facts, and booked by the same verbs, as for any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from donations import facts
from donations.intervals import Interval
from donations.ledger import journal
from donations.ledger.balance import figures_of, note_balance_id
from donations.ledger.checkout import link_customer
from donations.ledger.payments import note_single_payment
from donations.ledger.traces import hash_of, note_trace
from donations.models import BalanceEntry, Campaign, ChargeTrace, Contribution, Payment, Subscription
from donations.money import Money
from members import duplicates
from members.models import Mark, Member
from members.rows import among, insert_new


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
    note_trace(payment, contribution, card=charge.card, payer=charge.payer, now=now)
    if charge.balance_transaction:
        note_balance_id(charge.balance_transaction, at=charge.created_at, now=now, payment=payment)
    return contribution


# --- Of many payments at once: what is told of each in an event of its own, and moves nothing ----------


def link_payments(links: Sequence[facts.InvoicePayment]) -> int:
    """As `note_invoice_payment`, for many payments of invoices that were adopted; how many were linked."""
    wanted = {one.invoice: one.payment_intent for one in links if one.payment_intent and one.status == "paid"}
    rows = list(_adopted().filter(among("stripe_invoice_id", wanted), stripe_payment_intent_id=None))
    for row in rows:
        row.stripe_payment_intent_id = wanted[str(row.stripe_invoice_id)]
    return Payment.objects.bulk_update(rows, ["stripe_payment_intent_id"])


def note_charges(told: Sequence[tuple[facts.Charge, facts.BalanceTransaction]], *, now: datetime) -> int:
    """
    As `note_charge` and `fill_balance_entry`, for many payments of invoices that were adopted and have arrived.

    What a payout has told already is left to those. How many payments got their charge.
    """
    by_intent = {
        charge.payment_intent: (charge, movement) for charge, movement in told if charge.payment_intent
    }
    movements = [movement.id for _, movement in by_intent.values()]
    known = set(
        BalanceEntry.objects.filter(among("stripe_id", movements)).values_list("stripe_id", flat=True)
    )
    found = (
        _adopted()
        .filter(
            among("stripe_payment_intent_id", by_intent),
            state=Payment.State.SUCCEEDED,
            stripe_charge_id=None,
            net_minor=None,
        )
        .select_related("contribution")
    )
    rows, entries, cards = [], [], {}
    for row in found:
        charge, movement = by_intent[str(row.stripe_payment_intent_id)]
        if movement.id in known or charge.status != "succeeded":
            continue
        row.stripe_charge_id = charge.id
        row.settlement_currency, row.settlement_minor = movement.currency, movement.amount
        row.fee_minor, row.net_minor = movement.fee, movement.net
        entry = BalanceEntry(stripe_id=movement.id, payment=row, noted_at=charge.created_at)
        for name, value in figures_of(movement).items():
            setattr(entry, name, value)
        rows.append(row)
        entries.append(entry)
        if not row.is_renewal and charge.card:
            place = duplicates.hash_of(Mark.Kind.PLACE, duplicates.place_of(*charge.payer))
            cards[row.pk] = (hash_of(charge.card), place)
    with transaction.atomic():
        Payment.objects.bulk_update(rows, _OF_CHARGES)
        insert_new(entries)
        journal.tell([fact for entry in entries for fact in journal.facts_of_line(entry)], now=now)
        traces = list(ChargeTrace.objects.filter(among("payment", cards)))
        for trace in traces:
            trace.card_hash, trace.place_hash = cards[trace.payment_id]
        ChargeTrace.objects.bulk_update(traces, ["card_hash", "place_hash"])
    return len(rows)


_OF_CHARGES = ["stripe_charge_id", "settlement_currency", "settlement_minor", "fee_minor", "net_minor"]


def _adopted() -> QuerySet[Payment]:
    return Payment.objects.filter(
        contribution__origin=Contribution.Origin.STRIPE, stripe_invoice_id__isnull=False
    ).order_by("pk")


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
