"""
Who gave, when and from where: what others ask before they write to readers, and after.

In sets, for many readers at once; nothing here writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db.models import Max
from django.db.models.functions import Coalesce

from donations.models import Contribution, Dispute, Payment, Subscription

MARK = "reminder"  # in a contribution's source: the mail from whose link it was begun, as an opaque text


def get_last_given_at(member_ids: Collection[int]) -> dict[int, datetime]:
    """
    When each of these members last gave: money that arrived or is on its way, given back later or not.

    Members who never gave are not in the answer.
    """
    given = Payment.objects.filter(
        contribution__member__in=member_ids, state__in=[Payment.State.SUCCEEDED, Payment.State.PROCESSING]
    )
    last = (
        given.order_by()
        .values_list("contribution__member")
        .annotate(last=Max(Coalesce("paid_at", "created_at")))
    )
    return dict(last)


def get_members_with_recurring(member_ids: Collection[int]) -> set[int]:
    """Which of these members give every month or year: also those whose payment is late, or who rest for a while."""
    states = [Subscription.State.ACTIVE, Subscription.State.PAST_DUE, Subscription.State.PAUSED]
    running = Subscription.objects.filter(contribution__member__in=member_ids, state__in=states)
    return set(running.values_list("contribution__member", flat=True))


def get_members_with_dispute_since(member_ids: Collection[int], since: datetime) -> set[int]:
    """Which of these members asked their bank for money back at or after this moment."""
    opened = Dispute.objects.filter(payment__contribution__member__in=member_ids, opened_at__gte=since)
    return set(opened.values_list("payment__contribution__member", flat=True))


def get_abandoned_contributions(*, since: datetime) -> list[Contribution]:
    """Payment pages opened since then that closed unpaid, where campaign and reader agreed to one reminder."""
    left = Contribution.objects.filter(
        checkout_state=Contribution.CheckoutState.EXPIRED,
        campaign__reminds_abandoned=True,
        reminder_consent=True,
        created_at__gte=since,
    )
    return list(left.exclude(email="").select_related("campaign").order_by("created_at")[:1000])


def get_marked_contributions(*, since: datetime) -> Iterable[tuple[str, datetime]]:
    """Contributions begun from a mail's link since then: its mark, and when."""
    marked = Contribution.objects.filter(created_at__gte=since, source__has_key=MARK).order_by("created_at")
    for source, created_at in marked.values_list("source", "created_at").iterator():
        yield str(source[MARK]), created_at


def get_first_payments(*, since: datetime) -> Iterable[tuple[int, str, str | None, datetime, int, str]]:
    """
    The first payment of each gift that arrived since then, the earliest first.

    As (contribution's primary key, mark or "", look-up hash of the member, when it was paid, minor units, currency).
    """
    paid = Payment.objects.filter(state=Payment.State.SUCCEEDED, paid_at__gte=since, is_renewal=False)
    rows = paid.order_by("paid_at", "pk").values_list(
        "contribution",
        "contribution__source",
        "contribution__member__email_hash",
        "paid_at",
        "amount_minor",
        "currency",
    )
    for contribution, source, email_hash, paid_at, minor, currency in rows.iterator():
        assert paid_at is not None, "a payment that succeeded has its moment"
        yield contribution, str((source or {}).get(MARK, "")), email_hash, paid_at, minor, currency
