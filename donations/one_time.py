"""
"I meant to give once": the mail that says so, owed when Stripe's event has brought it into the books.

What asks Stripe is in `donations.stopping`.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from donations import changes, letters, links
from donations.models import Contribution, Subscription
from members import outbox

MADE_ONE_TIME = "made_one_time"


def tell(contribution: Contribution, subscription: Subscription, *, now: datetime) -> None:
    """Owe the reader the mail, once; nothing where the contribution goes on, or nobody knows whom to write to."""
    member = contribution.member
    if (
        not subscription.was_made_one_time
        or subscription.state == Subscription.State.CANCELLED
        or member is None
    ):
        return
    if subscription.cancelled_at is not None:
        changes.note_one_time(contribution, at=subscription.cancelled_at, now=now)
    locale = contribution.locale
    until = subscription.cancel_at
    outbox.owe(
        kind=MADE_ONE_TIME,
        member=member,
        recipient=member.person.email,
        dedup_key=f"{MADE_ONE_TIME}:{contribution.public_id}",
        context={
            "amount_text": subscription.amount.format(locale),
            "until_text": letters.day_text(until, locale) if until else "",
            "keep_url": links.stop_page(subscription),
        },
        locale=locale,
        now=now,
    )


def is_wanted(dedup_key: str) -> bool:
    """Whether it is still so; asked right before the mail leaves."""
    public_id = UUID(dedup_key.split(":")[1])
    return Subscription.objects.filter(contribution__public_id=public_id, was_made_one_time=True).exists()
