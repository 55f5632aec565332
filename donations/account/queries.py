"""Questions about one reader's own money. Each is told whose rows may be seen; what is not theirs does not exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import F, QuerySet

from donations.errors import UnknownContribution
from donations.models import Contribution, Dispute, Payment, Subscription
from donations.money import Money
from members import people
from members import queries as members
from members.models import Member, Membership


def get_contributions(reader: Member) -> QuerySet[Contribution]:
    """What this reader gives and gave, under any of their addresses, the newest first."""
    theirs = Contribution.objects.filter(member__in=people.members_of(reader.pk))
    return (
        theirs.select_related("campaign", "subscription")
        .prefetch_related("payments")
        .order_by("-created_at", "-pk")
    )


def get_running_contributions(reader: Member) -> QuerySet[Contribution]:
    """What this reader gives every month or year and has not ended, paused or late ones among them."""
    recurring = get_contributions(reader).filter(subscription__isnull=False)
    return recurring.exclude(subscription__state=Subscription.State.CANCELLED)


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
    seen = theirs.select_related("contribution__campaign", "contribution__subscription")
    return seen.prefetch_related("disputes").order_by("-created_at", "-pk")


def get_payment(reader: Member, public_id: UUID) -> Payment:
    """
    One payment of this reader, with its contribution and campaign.

    :raises UnknownContribution: there is none, or it is somebody else's.
    """
    found = get_payments(reader).filter(public_id=public_id).first()
    if found is None:
        raise UnknownContribution("There is no such payment.")
    return found


def given_back(payment: Payment) -> Money:
    """
    What this reader has back of a payment: refunds that are on their way or arrived, and what their bank took back.

    Its disputes have to be at hand where there are many payments (`prefetch_related`).
    """
    lost = sum(row.amount_minor for row in payment.disputes.all() if row.state == Dispute.State.LOST)
    return Money(min(payment.amount_minor, payment.refunded_minor + lost), payment.currency)


def get_membership(reader: Member, *, now: datetime) -> Membership | None:
    """The membership that counts now; else the one that ended last; None for who never had one. With its tier."""
    held = members.get_current_membership(reader, now)
    if held is not None:
        return held
    theirs = Membership.objects.filter(member__in=people.members_of(reader.pk)).select_related("tier")
    return theirs.order_by(F("ended_at").desc(nulls_first=True), "-pk").first()


# --- Years


@dataclass(frozen=True, slots=True)
class Sum:
    """What was given in one currency, what went back of it, and what is left."""

    given: Money
    returned: Money

    @property
    def kept(self) -> Money:
        return self.given - self.returned


@dataclass(frozen=True, slots=True)
class Statement:
    """
    A calendar year of the newsroom: the payments that arrived in it, the earliest first, and their sums by currency.

    What was given back of them counts whenever that was: a gift of December that went back in January is none.
    """

    year: int
    payments: Sequence[Payment]
    sums: Sequence[Sum]


def get_years(reader: Member) -> list[int]:
    """The calendar years, in the newsroom's zone, in which a payment of this reader arrived; the latest first."""
    paid = _arrived(reader).order_by()
    years = paid.datetimes("paid_at", "year", order="DESC", tzinfo=ZoneInfo(settings.NEWSROOM_TIME_ZONE))
    return [moment.year for moment in years]


def get_statement(reader: Member, year: int) -> Statement:
    """One year of this reader's gifts; without any, it has no sums."""
    zone = ZoneInfo(settings.NEWSROOM_TIME_ZONE)
    begins, ends = (datetime(each, 1, 1, tzinfo=zone).astimezone(UTC) for each in (year, year + 1))
    payments = list(_arrived(reader).filter(paid_at__gte=begins, paid_at__lt=ends).order_by("paid_at", "pk"))
    sums: dict[str, Sum] = {}
    for row in payments:
        before = sums.get(row.currency, Sum(Money.zero(row.currency), Money.zero(row.currency)))
        sums[row.currency] = Sum(before.given + row.amount, before.returned + given_back(row))
    return Statement(year, payments, [sums[currency] for currency in sorted(sums)])


def _arrived(reader: Member) -> QuerySet[Payment]:
    return get_payments(reader).filter(state=Payment.State.SUCCEEDED)
