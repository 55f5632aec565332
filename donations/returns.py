"""
What money that goes back brings about: the reader is told, and a plan whose payment a bank took back ends.

Called in the transaction that booked a refund or a dispute; it looks at what the books say now, so that the order in
which Stripe tells does not matter. Memberships follow by themselves (`donations.membership`).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import F

from donations import gateway, letters, links
from donations.errors import DonationError, PaymentsUnavailable
from donations.models import Contribution, Dispute, Refund, Subscription
from donations.money import Money
from members import outbox
from members.models import Message

REFUNDED = "refunded"
REFUND_FAILED = "refund_failed"
DISPUTE_LOST = "dispute_lost"
NEWS_FOR = timedelta(days=30)  # a mail about what is longer ago only puzzles its reader
_BATCH = 100
_log = structlog.get_logger(__name__)


def tell(contribution: Contribution, *, now: datetime) -> None:
    """Owe the reader a mail about each refund that is new or did not arrive, and each dispute that is lost."""
    if contribution.member is None:
        return
    for refund in Refund.objects.filter(payment__contribution=contribution, created_at__gt=now - NEWS_FOR):
        if contribution.is_past(refund.created_at):
            continue
        if refund.state in Refund.IN_EFFECT:
            _owe_refunded(contribution, refund, now=now)
        else:
            _take_back(contribution, refund, now=now)
    lost = Dispute.objects.filter(
        payment__contribution=contribution, state=Dispute.State.LOST, lost_at__gt=now - NEWS_FOR
    )
    for dispute in lost:
        if contribution.is_past(dispute.lost_at):
            continue
        _owe(
            contribution,
            DISPUTE_LOST,
            f"{DISPUTE_LOST}:{dispute.stripe_id}",
            {
                "amount_text": Money(dispute.amount_minor, dispute.currency).format(contribution.locale),
                "interval": contribution.interval,
                "come_back_url": links.again(contribution, locale=contribution.locale),
            },
            now=now,
        )


def _owe_refunded(contribution: Contribution, refund: Refund, *, now: datetime) -> None:
    locale = contribution.locale
    payment = refund.payment
    left = payment.amount - payment.refunded
    _owe(
        contribution,
        REFUNDED,
        _key(REFUNDED, refund),
        {
            "amount_text": Money(refund.amount_minor, refund.currency).format(locale),
            "payment_text": payment.amount.format(locale),
            "paid_on": letters.day_text(payment.paid_at, locale) if payment.paid_at else "",
            "left_text": left.format(locale) if left.minor else "",
            "receipt_number": payment.receipt_number or "",
        },
        now=now,
    )


def _take_back(contribution: Contribution, refund: Refund, *, now: datetime) -> None:
    """A refund that came to nothing: whoever was not told of it yet is told nothing at all."""
    outbox.withdraw([_key(REFUNDED, refund)])
    told = Message.objects.filter(dedup_key=_key(REFUNDED, refund), state=Message.State.SENT).exists()
    if told and refund.state == Refund.State.FAILED:
        locale = contribution.locale
        _owe(
            contribution,
            REFUND_FAILED,
            _key(REFUND_FAILED, refund),
            {"amount_text": Money(refund.amount_minor, refund.currency).format(locale)},
            now=now,
        )


def refund_is_wanted(dedup_key: str) -> bool:
    """Whether a refund still is in effect; asked right before the mail about it leaves."""
    return Refund.objects.filter(stripe_id=dedup_key.split(":")[1], state__in=Refund.IN_EFFECT).exists()


def _key(kind: str, refund: Refund) -> str:
    return f"{kind}:{refund.stripe_id}"


def _owe(
    contribution: Contribution, kind: str, dedup_key: str, context: dict[str, str], *, now: datetime
) -> None:
    member = contribution.member
    assert member is not None, "asked for by `tell`"
    outbox.owe(
        kind=kind,
        member=member,
        recipient=member.person.email,
        dedup_key=dedup_key,
        context=context,
        locale=contribution.locale,
        now=now,
    )


def end_disputed_plans(*, now: datetime, limit: int = _BATCH) -> int:
    """
    End the plans of which a bank took a payment back for good; how many were asked to end.

    Whoever let the bank take it back did not want the next one either, and each further dispute costs a fee. The
    setting END_PLAN_ON_LOST_DISPUTE turns it off. Stripe's event about the end closes the question: nothing is kept.
    """
    if not settings.END_PLAN_ON_LOST_DISPUTE:
        return 0
    lost = Dispute.objects.filter(state=Dispute.State.LOST, lost_at__gt=now - NEWS_FOR).exclude(
        payment__contribution__imported_at__gte=F("lost_at")
    )
    plans = Subscription.objects.filter(contribution__in=lost.values("payment__contribution")).exclude(
        state=Subscription.State.CANCELLED
    )
    ended = 0
    for stripe_id in plans.order_by("pk").values_list("stripe_id", flat=True)[:limit]:
        try:
            gateway.end_now(stripe_id)
        except PaymentsUnavailable:
            break
        except DonationError as error:
            _log.warning("a disputed plan was not ended", subscription=stripe_id, why=type(error).__name__)
            continue
        ended += 1
    return ended
