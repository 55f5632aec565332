"""
Who gave, when and from where: what others ask before they write to readers, and after.

In sets, for many readers at once; nothing here writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Max, QuerySet
from django.db.models.functions import Coalesce

from donations.models import Contribution, Dispute, Payment, Subscription
from members.rows import among

MARK = "reminder"  # in a contribution's source: the mail from whose link it was begun, as an opaque text


def get_last_given_at(member_ids: Collection[int]) -> dict[int, datetime]:
    """
    When each of these members last gave: money that arrived or is on its way, given back later or not.

    Members who never gave are not in the answer.
    """
    given = Payment.objects.filter(
        among("contribution__member", member_ids),
        state__in=[Payment.State.SUCCEEDED, Payment.State.PROCESSING],
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
    running = Subscription.objects.filter(among("contribution__member", member_ids), state__in=states)
    return set(running.values_list("contribution__member", flat=True))


def get_members_with_dispute_since(member_ids: Collection[int], since: datetime) -> set[int]:
    """Which of these members asked their bank for money back at or after this moment."""
    opened = Dispute.objects.filter(among("payment__contribution__member", member_ids), opened_at__gte=since)
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


@dataclass(frozen=True, slots=True)
class FirstPayment:
    """
    The first payment of a gift that arrived.

    :param mark: of the mail from whose link the gift was begun; "" if there was none.
    :param left: the public id of the contribution whose page may have been left before it was paid; None where
        nobody was to be written to about that.
    :param member: under whose address it was given, by primary key; None while it is not known who gave.
    :param minor: the sum, in minor units of `currency`.
    """

    contribution: int
    mark: str
    left: UUID | None
    member: int | None
    paid_at: datetime
    minor: int
    currency: str


def get_first_payments(*, since: datetime) -> Iterable[FirstPayment]:
    """The first payment of each gift that arrived since then, the earliest first."""
    return _first_payments(Payment.objects.filter(paid_at__gte=since))


def get_first_payments_of(member_ids: Collection[int]) -> Iterable[FirstPayment]:
    """The first payment of each gift of these members that ever arrived, the earliest first."""
    return _first_payments(Payment.objects.filter(among("contribution__member", member_ids)))


def _first_payments(payments: QuerySet[Payment]) -> Iterable[FirstPayment]:
    paid = payments.filter(state=Payment.State.SUCCEEDED, is_renewal=False)
    rows = paid.order_by("paid_at", "pk").values_list(
        "contribution",
        "contribution__source",
        "contribution__reminder_consent",
        Coalesce("contribution__copy_of__public_id", "contribution__public_id"),
        "contribution__member",
        "paid_at",
        "amount_minor",
        "currency",
    )
    for contribution, source, agreed, public_id, member, paid_at, minor, currency in rows.iterator():
        assert paid_at is not None, "a payment that succeeded has its moment"
        yield FirstPayment(
            contribution=contribution,
            mark=str((source or {}).get(MARK, "")),
            left=public_id if agreed else None,
            member=member,
            paid_at=paid_at,
            minor=minor,
            currency=currency,
        )
