"""
What a gift brings about: a member, a receipt for each payment, a welcome, a membership.

Called after every change of the books, in the same transaction and under the contribution's lock. It looks
at what the books say now and does what is still missing, so that it does not matter which event came last.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Min, Q

from donations import changes, dunning, ledger, letters, links, membership, notices, standing
from donations.letters import day_text
from donations.models import Contribution, Payment, StripeCustomer, Subscription
from members import outbox
from members import services as members
from members.addresses import InvalidAddress

if TYPE_CHECKING:
    from members.models import Member, Membership

NEWSLETTER = "newsletter"


def follow_through(contribution: Contribution, *, now: datetime) -> None:
    """Give the reader all that the booked payments have earned, once each."""
    arrived = Payment.objects.filter(contribution=contribution, state=Payment.State.SUCCEEDED)
    news = list(
        arrived.annotate(is_told=ledger.is_in_journal())
        .filter(Q(receipt_number=None) | Q(is_told=False))
        .select_related("dunning")
        .order_by("paid_at", "pk")
    )
    ledger.tell_payments([payment for payment in news if not payment.is_told], contribution, now=now)
    owed: list[Payment] = [payment for payment in news if payment.receipt_number is None]
    if contribution.member is None:
        if not owed:
            return
        member = _welcome_member(contribution, now=now)
        if member is None:
            return  # the address is still on its way, with the checkout's own event
    else:
        member = contribution.member
        _remember_earlier_start(contribution, member, owed)
    for payment in owed:
        _owe_receipt(contribution, payment, member, now=now)
        if not payment.is_offline:
            ledger.note_trace(payment, contribution, now=now)
    held = membership.follow(contribution, member, owed, now=now)
    # Whether the reader was a member already is asked when the mail leaves: we may hear of an earlier gift later.
    if (
        held
        and contribution.is_recurring
        and any(not (payment.is_renewal or contribution.is_past(payment.paid_at)) for payment in owed)
    ):
        _owe_welcome(contribution, member, held, owed[0], now=now)


def _welcome_member(contribution: Contribution, *, now: datetime) -> Member | None:
    """Make the member, or find the one with this address; then the contribution forgets the address."""
    if not contribution.email:
        return None
    first = Payment.objects.filter(contribution=contribution).aggregate(at=Min("paid_at"))["at"]
    try:
        member = members.get_or_join(
            email=contribution.email, name=contribution.name, locale=contribution.locale, now=first
        )
    except members.WasErased:
        member = members.nobody(now=first)  # the money is booked, and nobody is written to
    except InvalidAddress:
        return None  # what a payer typed at Stripe can be no address of ours; the payment stays booked
    if contribution.newsletter_consent and member.erased_at is None:
        members.record_consent(
            member=member,
            purpose=NEWSLETTER,
            text_version=settings.CONSENT_TEXT_VERSION,
            source=f"contribution {contribution.public_id}",
            now=contribution.created_at,
        )
    contribution.member = member
    contribution.email = contribution.name = ""
    contribution.save(update_fields=["member", "email", "name"])
    if contribution.stripe_customer_id:
        StripeCustomer.objects.filter(stripe_id=contribution.stripe_customer_id, member=None).update(
            member=member
        )
    if contribution.is_recurring:
        notices.note_reader(contribution, now=now)
        changes.note_reader(contribution, now=now)
    return member


def _remember_earlier_start(contribution: Contribution, member: Member, new: list[Payment]) -> None:
    """A first payment may be told after a later one; the reader joined with the first."""
    first = new[0].paid_at if new else None
    if first and first < member.joined_at and member.erased_at is None:
        members.get_or_join(email=member.email, locale=contribution.locale, now=first)


def _owe_receipt(contribution: Contribution, payment: Payment, member: Member, *, now: datetime) -> None:
    number = number_receipt(payment)
    was_told = dunning.note_recovery(payment, now=now)
    if contribution.is_past(payment.paid_at):
        return  # whoever took the money at the time has thanked for it
    assert payment.paid_at is not None, "a payment that arrived has a moment (constraint)"
    payment.receipt_number = number
    context = receipt_context(contribution, payment)
    if was_told:
        context["recovered_text"] = letters.recovered(contribution.locale)
    outbox.owe(
        kind="receipt",
        member=member,
        recipient=member.person.email,
        dedup_key=f"receipt:{payment.public_id}",
        context=context,
        locale=contribution.locale,
        now=now,
    )


def receipt_context(contribution: Contribution, payment: Payment) -> dict[str, str]:
    """What a receipt says, the first time and whenever it is sent again."""
    locale = contribution.locale
    gift, cover = standing.split_of_payment(contribution, payment.amount)
    subscription: Subscription | None = getattr(contribution, "subscription", None)
    interval = contribution.interval
    if subscription is not None and subscription.has_changed:
        interval = subscription.interval
    return {
        "receipt_number": payment.receipt_number or "",
        "paid_on": day_text(payment.paid_at, locale) if payment.paid_at else "",
        "amount_text": payment.amount.format(locale),
        "gift_text": gift.format(locale),
        "fee_cover_text": cover.format(locale) if cover.minor else "",
        "interval": interval,
        "campaign_title": contribution.campaign.title,
        "next_payment_text": day_text(payment.period_end, locale) if payment.period_end else "",
        "recovered_text": "",
    }


def number_receipt(payment: Payment) -> str:
    """Give a payment that arrived the number of its receipt, once."""
    assert payment.paid_at is not None, "a payment that arrived has a moment (constraint)"
    local_day = payment.paid_at.astimezone(ZoneInfo(settings.NEWSROOM_TIME_ZONE))
    number = f"{local_day:%Y}-{payment.pk:06d}"
    Payment.objects.filter(pk=payment.pk, receipt_number=None).update(receipt_number=number)
    return number


def _owe_welcome(
    contribution: Contribution, member: Member, held: Membership, first: Payment, *, now: datetime
) -> None:
    outbox.owe(
        kind="welcome",
        member=member,
        recipient=member.person.email,
        dedup_key=f"welcome:{contribution.public_id}",
        context=_welcome_context(contribution, held.tier.name if held.tier else "", first),
        locale=contribution.locale,
        now=now,
    )


def _welcome_context(contribution: Contribution, tier_name: str, payment: Payment) -> dict[str, Any]:
    locale = contribution.locale
    return {
        "tier_name": tier_name,
        "interval": contribution.interval,
        "amount_text": contribution.total.format(locale),
        "next_payment_text": day_text(payment.period_end, locale) if payment.period_end else "",
        "manage_url": links.account_page(locale=locale),
    }
