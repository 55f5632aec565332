"""Questions about campaigns, contributions and the books; nothing here writes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Exists, F, Q, QuerySet, Sum

from donations import statuses, stopping
from donations.errors import InvalidWish, UnknownCampaign, UnknownContribution
from donations.intervals import Interval
from donations.models import (
    Ask,
    AskSwitch,
    AskTest,
    AskVariant,
    BalanceEntry,
    Campaign,
    Contribution,
    Payment,
    Refund,
    Subscription,
)
from donations.money import Money
from members import queries as members
from members.models import Membership


def get_running_campaigns(*, now: datetime) -> QuerySet[Campaign]:
    """The campaigns to which something can be given now."""
    return Campaign.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=now), is_published=True, starts_at__lte=now
    )


def get_running_campaign(slug: str, *, now: datetime) -> Campaign:
    """Raises InvalidWish, naming the field, for a campaign that does not exist, has not begun or has ended."""
    campaign = Campaign.objects.filter(slug=slug, is_published=True).first()
    if campaign is None or now < campaign.starts_at:
        raise InvalidWish("There is no such campaign.", code="unknown_campaign", fields=("campaign",))
    if campaign.has_ended(now):
        raise InvalidWish("This campaign has ended.", code="campaign_ended", fields=("campaign",))
    return campaign


def get_campaign(slug: str) -> Campaign:
    """A published campaign with its asks, running or not. Raises UnknownCampaign."""
    found = Campaign.objects.filter(slug=slug, is_published=True).prefetch_related("asks").first()
    if found is None:
        raise UnknownCampaign("There is no such campaign.")
    return found


def get_appeal(slug: str) -> tuple[Campaign, bool]:
    """As `get_campaign`, and whether somebody turned the switch with which no page asks. Raises UnknownCampaign."""
    published = Campaign.objects.filter(slug=slug, is_published=True).prefetch_related("asks")
    found = published.annotate(is_off=Exists(AskSwitch.objects.filter(is_off=True))).first()
    if found is None:
        raise UnknownCampaign("There is no such campaign.")
    return found, bool(found.is_off)


def get_running_tests(campaign: Campaign, *, now: datetime) -> list[AskTest]:
    """The campaign's tests that run now, in the editors' order, with all that their variants change."""
    running = campaign.tests.filter(Q(ends_at=None) | Q(ends_at__gt=now), starts_at__lte=now)
    return list(running.prefetch_related("variants__asks").order_by("position", "pk"))


def get_variant(campaign: Campaign, name: str) -> AskVariant | None:
    """The variant that a page names as `test:name`; None if the campaign has or had none of this name."""
    test, _, variant = name.partition(":")
    return AskVariant.objects.filter(test__campaign=campaign, test__slug=test, slug=variant).first()


def get_ask(campaign: Campaign, *, currency: str, interval: Interval) -> Ask:
    """What the campaign asks for in this currency. Raises InvalidWish, naming the field at fault."""
    asks = {ask.interval: ask for ask in campaign.asks.filter(currency=currency)}
    if not asks:
        raise InvalidWish(
            "This campaign does not take that currency.", code="currency_not_offered", fields=("currency",)
        )
    if interval.value not in asks:
        raise InvalidWish(
            "This campaign does not take gifts at that interval in that currency.",
            code="interval_not_offered",
            fields=("interval",),
        )
    return asks[interval.value]


def get_progress(campaign: Campaign) -> Money | None:
    """
    What has been given towards the goal, net of refunds, in the goal's currency; None without a goal.

    Gifts in other currencies are not converted and do not count.
    """
    if campaign.goal_minor is None:
        return None
    kept = Payment.objects.filter(
        contribution__campaign=campaign, state=Payment.State.SUCCEEDED, currency=campaign.default_currency
    ).aggregate(total=Sum(F("amount_minor") - F("refunded_minor")))
    return Money(kept["total"] or 0, campaign.default_currency)


@dataclass(frozen=True, slots=True)
class MembershipView:
    """What a contribution makes of its giver: the tier's name, None below the lowest, and the last paid day."""

    tier: str | None
    until: date


@dataclass(frozen=True, slots=True)
class ContributionView:
    """How a contribution stands, for whoever holds its id: no personal data."""

    contribution: Contribution
    status: statuses.Status
    amount: Money
    next_payment_at: datetime | None
    was_made_one_time: bool = False
    can_be_made_one_time: bool = False
    membership: MembershipView | None = None


def get_contribution(public_id: UUID) -> ContributionView:
    """Raises UnknownContribution."""
    found = (
        Contribution.objects.select_related("subscription", "campaign")
        .prefetch_related("payments")
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise UnknownContribution("There is no such contribution.")
    return view_of(found)


def get_standing(public_id: UUID, *, now: datetime) -> ContributionView:
    """As `get_contribution`, with what its giver may want to know and do after giving. Raises UnknownContribution."""
    view = get_contribution(public_id)
    return replace(
        view,
        can_be_made_one_time=stopping.can_be_made_one_time(view.contribution, now=now),
        membership=_membership_of(view.contribution, now=now),
    )


def _membership_of(contribution: Contribution, *, now: datetime) -> MembershipView | None:
    if contribution.member_id is None:
        return None
    if contribution.is_recurring:
        source, which = Membership.Source.CONTRIBUTION, {"source_reference": str(contribution.public_id)}
    elif contribution.membership_months:
        source, which = Membership.Source.GIFT, {"currency": contribution.currency}
    else:
        return None
    held = members.get_membership_from(source, contribution.member_id, now=now, **which)
    if held is None:
        return None
    last = held.counts_until.astimezone(ZoneInfo(settings.NEWSROOM_TIME_ZONE))
    return MembershipView(tier=held.tier.name if held.tier else None, until=last.date())


def get_status(contribution: Contribution) -> statuses.Status:
    """The status alone; no query for a contribution that was only just written down."""
    if contribution.checkout_state in (Contribution.CheckoutState.CREATED, Contribution.CheckoutState.OPEN):
        return statuses.Status.PENDING
    return get_contribution(contribution.public_id).status


def view_of(contribution: Contribution) -> ContributionView:
    """Derive the status of a contribution from its rows."""
    subscription: Subscription | None = getattr(contribution, "subscription", None)
    status = statuses.derive(
        checkout=contribution.checkout_state,
        subscription=subscription.state if subscription else None,
        payments=[(payment.state, payment.is_returned) for payment in contribution.payments.all()],
    )
    return ContributionView(
        contribution=contribution,
        status=status,
        amount=subscription.amount if subscription else contribution.total,
        next_payment_at=_next_payment_at(contribution, subscription),
        was_made_one_time=subscription.was_made_one_time if subscription else False,
    )


def _next_payment_at(contribution: Contribution, subscription: Subscription | None) -> datetime | None:
    """The next charge; of a renewal that failed, the next try."""
    if subscription is None:
        return None
    if subscription.state == Subscription.State.PAST_DUE:
        tries = [
            payment.next_attempt_at for payment in contribution.payments.all() if payment.next_attempt_at
        ]
        if tries:
            return max(tries)
    return subscription.upcoming_payment_at


def get_books() -> dict[str, dict[str, Any]]:
    """
    Per currency, what the books say since the beginning; minor units.

    Charges, refunds and disputes by the currency that readers paid in; fees and net by the currency that Stripe
    settles in, from the balance transactions of those. The same questions that Stripe can be asked.
    """
    books: dict[str, dict[str, Any]] = defaultdict(_empty_books)
    sums: dict[str, QuerySet[Any]] = {
        "charges": Payment.objects.filter(state=Payment.State.SUCCEEDED, is_offline=False),
        "refunds": Refund.objects.filter(state__in=Refund.IN_EFFECT),
    }
    for name, rows in sums.items():
        totals = rows.values_list("currency").annotate(Count("pk"), Sum("amount_minor")).order_by()
        for currency, count, amount in totals:
            books[currency][name] = {"count": count, "amount": amount}
    held = (
        BalanceEntry.objects.filter(dispute__isnull=False)
        .values_list("dispute", "dispute__currency", "dispute__amount_minor")
        .annotate(taken=Sum("amount_minor"))
        .filter(taken__lt=0)
        .order_by()
    )
    for _, currency, amount, _ in held:
        books[currency]["disputes"]["count"] += 1
        books[currency]["disputes"]["amount"] += amount
    ours = Q(payment__isnull=False) | Q(refund__isnull=False) | Q(dispute__isnull=False)
    entries = BalanceEntry.objects.filter(ours).exclude(net_minor=None).values_list("currency")
    for currency, fees, net in entries.annotate(Sum("fee_minor"), Sum("net_minor")).order_by():
        books[currency] |= {"fees": fees, "net": net}
    running = Subscription.objects.filter(state=Subscription.State.ACTIVE).values_list("currency")
    for currency, count in running.annotate(Count("pk")).order_by():
        books[currency]["active_subscriptions"] = count
    return dict(sorted(books.items()))


def get_offline_books() -> dict[str, dict[str, int]]:
    """Per currency, how many gifts came otherwise than through Stripe, and what they come to in minor units."""
    found = Payment.objects.filter(state=Payment.State.SUCCEEDED, is_offline=True)
    totals = found.values_list("currency").annotate(Count("pk"), Sum("amount_minor")).order_by("currency")
    return {currency: {"count": count, "amount": amount} for currency, count, amount in totals}


def _empty_books() -> dict[str, Any]:
    nothing = {"count": 0, "amount": 0}
    return {
        "charges": dict(nothing),
        "fees": 0,
        "refunds": dict(nothing),
        "disputes": dict(nothing),
        "net": 0,
        "active_subscriptions": 0,
    }
