"""
What a gift brings about: a member, a receipt for each payment, a welcome, a membership.

Called after every change of the books, in the same transaction and under the contribution's lock. It looks
at what the books say now and does what is still missing, so that it does not matter which event came last.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from babel.dates import format_date
from django.conf import settings
from django.db.models import F, Max, Min, Q
from django.utils import translation

from donations import declines, links
from donations.models import Contribution, Payment, StripeCustomer
from members import outbox
from members import services as members
from members.addresses import InvalidAddress

if TYPE_CHECKING:
    from donations.models import Subscription
    from members.models import Member

NEWSLETTER = "newsletter"


def follow_through(contribution: Contribution, *, now: datetime) -> None:
    """Give the reader all that the booked payments have earned, once each."""
    owed = list(
        Payment.objects.filter(
            contribution=contribution, state=Payment.State.SUCCEEDED, receipt_number=None
        ).order_by("paid_at", "pk")
    )
    if contribution.member is None:
        if not owed:
            return
        member = _welcome_member(contribution)
        if member is None:
            return  # the address is still on its way, with the checkout's own event
    else:
        member = contribution.member
        _remember_earlier_start(contribution, member, owed)
    for payment in owed:
        _owe_receipt(contribution, payment, member, now=now)
    if contribution.is_recurring:
        _follow_membership(contribution, member, owed, now=now)


def tell_of_failure(contribution: Contribution, payment: Payment, *, now: datetime) -> None:
    """Owe the reader one mail about a renewal that failed, with a link that mends it; once per invoice."""
    if contribution.member is None or payment.state != Payment.State.FAILED:
        return
    subscription = getattr(contribution, "subscription", None)
    if subscription is None:
        return
    locale = contribution.locale
    with translation.override(locale):
        reason = declines.explain(payment.failure_code)
    outbox.owe(
        kind="payment_failed",
        member=contribution.member,
        recipient=contribution.member.person.email,
        dedup_key=f"payment_failed:{payment.stripe_invoice_id}",
        context={
            "amount_text": payment.amount.format(locale),
            "reason_text": reason,
            "next_try_text": day_text(payment.next_attempt_at, locale) if payment.next_attempt_at else "",
            "fix_url": links.card_page(subscription),
        },
        locale=locale,
        now=now,
    )


def _welcome_member(contribution: Contribution) -> Member | None:
    """Make the member, or find the one with this address; then the contribution forgets the address."""
    if not contribution.email:
        return None
    first = Payment.objects.filter(contribution=contribution).aggregate(at=Min("paid_at"))["at"]
    try:
        member = members.get_or_join(
            email=contribution.email, name=contribution.name, locale=contribution.locale, now=first
        )
    except InvalidAddress:
        return None  # what a payer typed at Stripe can be no address of ours; the payment stays booked
    if contribution.newsletter_consent:
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
    return member


def _remember_earlier_start(contribution: Contribution, member: Member, new: list[Payment]) -> None:
    """A first payment may be told after a later one; the reader joined with the first."""
    first = new[0].paid_at if new else None
    if first and first < member.joined_at:
        members.get_or_join(email=member.email, locale=contribution.locale, now=first)


def _owe_receipt(contribution: Contribution, payment: Payment, member: Member, *, now: datetime) -> None:
    assert payment.paid_at is not None, "a payment that arrived has a moment (constraint)"
    local_day = payment.paid_at.astimezone(ZoneInfo(settings.NEWSROOM_TIME_ZONE))
    number = f"{local_day:%Y}-{payment.pk:06d}"
    Payment.objects.filter(pk=payment.pk, receipt_number=None).update(receipt_number=number)
    locale = contribution.locale
    covered = bool(contribution.fee_cover_minor) and payment.amount == contribution.total
    outbox.owe(
        kind="receipt",
        member=member,
        recipient=member.person.email,
        dedup_key=f"receipt:{payment.public_id}",
        context={
            "receipt_number": number,
            "paid_on": day_text(payment.paid_at, locale),
            "amount_text": payment.amount.format(locale),
            "gift_text": (contribution.amount if covered else payment.amount).format(locale),
            "fee_cover_text": contribution.fee_cover.format(locale) if covered else "",
            "interval": contribution.interval,
            "campaign_title": contribution.campaign.title,
            "next_payment_text": day_text(payment.period_end, locale) if payment.period_end else "",
        },
        locale=locale,
        now=now,
    )


def _follow_membership(
    contribution: Contribution, member: Member, new: list[Payment], *, now: datetime
) -> None:
    kept = Q(state=Payment.State.SUCCEEDED) & Q(refunded_minor__lt=F("amount_minor"))
    paid = Payment.objects.filter(contribution=contribution).aggregate(
        since=Min("paid_at"), through=Max("period_end", filter=kept)
    )
    subscription: Subscription | None = getattr(contribution, "subscription", None)
    if paid["since"] is None or subscription is None:
        return
    paid_through = max(paid["through"] or paid["since"], paid["since"])
    plan = members.Plan(
        reference=str(contribution.public_id),
        annual_minor=subscription.amount.annualised(subscription.interval).minor,
        currency=subscription.currency,
        started_at=paid["since"],
        paid_through=paid_through,
        # Whoever leaves stays a member for the time that is paid.
        ends_at=max(subscription.ended_at, paid_through) if subscription.ended_at else None,
    )
    steps: list[members.Step | None] = [_step(payment) for payment in new]
    membership = None
    for step in steps or [None]:
        membership = members.follow_plan(member=member, plan=plan, step=step, now=now)
    begins = any(not payment.is_renewal for payment in new)
    if membership and begins and members.is_only_membership(membership, now=now):
        outbox.owe(
            kind="welcome",
            member=member,
            recipient=member.person.email,
            dedup_key=f"welcome:{contribution.public_id}",
            context=_welcome_context(contribution, membership.tier.name if membership.tier else "", new[0]),
            locale=contribution.locale,
            now=now,
        )


def _step(payment: Payment) -> members.Step:
    assert payment.paid_at is not None, "a payment that arrived has a moment (constraint)"
    kind: Literal["STARTED", "RENEWED"] = "RENEWED" if payment.is_renewal else "STARTED"
    return members.Step(
        kind=kind,
        reference=payment.stripe_invoice_id or str(payment.public_id),
        at=payment.paid_at,
        why="A payment arrived.",
        actor="stripe",
    )


def _welcome_context(contribution: Contribution, tier_name: str, payment: Payment) -> dict[str, Any]:
    locale = contribution.locale
    return {
        "tier_name": tier_name,
        "interval": contribution.interval,
        "amount_text": contribution.total.format(locale),
        "next_payment_text": day_text(payment.period_end, locale) if payment.period_end else "",
        "manage_url": "",
    }


def day_text(moment: datetime, locale: str) -> str:
    """The newsroom's day of a moment, in words of the reader's language."""
    local = moment.astimezone(ZoneInfo(settings.NEWSROOM_TIME_ZONE))
    return format_date(local, format="long", locale=locale.replace("-", "_"))
