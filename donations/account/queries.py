"""Questions about one reader's own money. Each is told whose rows may be seen; what is not theirs does not exist."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from donations.errors import UnknownContribution
from donations.models import Contribution, Payment, Subscription
from members import people
from members.models import Member


def get_contributions(reader: Member) -> QuerySet[Contribution]:
    """What this reader gives and gave, under any of their addresses, the newest first."""
    theirs = Contribution.objects.filter(member__in=people.members_of(reader.pk))
    return (
        theirs.select_related("campaign", "subscription")
        .prefetch_related("payments")
        .order_by("-created_at", "-pk")
    )


def get_contribution(reader: Member, public_id: UUID) -> Contribution:
    """
    One contribution of this reader, with its campaign and subscription.

    :raises UnknownContribution: there is none, or it is somebody else's.
    """
    found = get_contributions(reader).filter(public_id=public_id).first()
    if found is None:
        raise UnknownContribution("There is no such contribution.")
    return found


def get_subscription(reader: Member, public_id: UUID) -> Subscription:
    """
    The subscription that repeats a contribution of this reader.

    :param public_id: the contribution's.
    :raises UnknownContribution: there is none, it is somebody else's, or it was given once.
    """
    theirs = Subscription.objects.filter(contribution__member__in=people.members_of(reader.pk))
    found = theirs.filter(contribution__public_id=public_id).select_related("contribution__campaign").first()
    if found is None:
        raise UnknownContribution("There is no such contribution.")
    return found


def get_payments(reader: Member) -> QuerySet[Payment]:
    """All payments of this reader that arrived, failed or are on their way, the newest first."""
    theirs = Payment.objects.filter(contribution__member__in=people.members_of(reader.pk))
    return theirs.select_related("contribution__campaign").order_by("-created_at", "-pk")


def get_payment(reader: Member, public_id: UUID) -> Payment:
    """
    One payment of this reader, with its contribution and campaign.

    :raises UnknownContribution: there is none, or it is somebody else's.
    """
    found = get_payments(reader).filter(public_id=public_id).first()
    if found is None:
        raise UnknownContribution("There is no such payment.")
    return found
