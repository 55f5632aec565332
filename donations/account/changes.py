"""What a reader who is signed in can change about a contribution now, for the pages and for the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import translation

from donations import amounts, links, pauses, standing, stopping, wishes, withdrawals
from donations.errors import DonationError
from donations.models import Contribution, ContributionChange, Subscription
from donations.money import Money
from donations.standing import Standing
from donations.withdrawal_rules import Right

_Plan = Subscription.State
_TAKEN = (ContributionChange.State.TAKEN, ContributionChange.State.CONFIRMED)


@dataclass(frozen=True, slots=True)
class Offer:
    """An amount and how often: what the campaign takes of it, at least and at most."""

    interval: str
    least: Money
    most: Money
    suggested: list[Money]


@dataclass(frozen=True, slots=True)
class Options:
    """
    How a recurring contribution stands, and which buttons do something.

    :param stands: with what Stripe said yes to a moment ago, though its event is on its way (`is_pending`).
    :param offers: what it could be changed to; empty where it cannot be changed now.
    :param pause_payments: how many payments can be left out; 0 where it cannot be paused.
    :param is_tried_at_once: whether a payment is open that another card is tried with at once.
    :param latest: the last change, while it can be undone.
    """

    stands: Standing
    is_pending: bool
    next_payment_at: datetime | None
    offers: list[Offer]
    lower: list[Money]
    pause_payments: int
    can_resume: bool
    can_stop: bool
    can_keep: bool
    can_make_one_time: bool
    is_tried_at_once: bool
    withdrawal: Right | None
    latest: ContributionChange | None
    come_back_url: str

    @property
    def has_annual(self) -> bool:
        """Whether a monthly one could be given once a year."""
        return self.stands.now.interval == "month" and any(offer.interval == "year" for offer in self.offers)


def get_options(contribution: Contribution, *, now: datetime) -> Options:
    """
    A fixed number of questions to the database, however many payments there are.

    :raises Subscription.DoesNotExist: it is given once.
    """
    stands = standing.get(contribution)
    subscription, picture = stands.subscription, stands.now
    goes_on = not picture.is_ended and not picture.ends_at
    latest = contribution.changes.filter(state__in=_TAKEN).order_by("-asked_at", "-pk").first()
    if latest is not None:
        latest.contribution = contribution
    is_pending = latest is not None and latest.state == ContributionChange.State.TAKEN
    can_change = goes_on and _allows(contribution, now=now)
    is_open = subscription.state in (_Plan.PAST_DUE, _Plan.UNPAID)
    can_pause = can_change and not is_open and not (picture.is_paused and picture.resumes is None)
    next_payment_at = subscription.upcoming_payment_at if goes_on else None
    if picture.is_paused:
        next_payment_at = pauses.payment_after(subscription, picture.resumes) if picture.resumes else None
    return Options(
        stands=stands,
        is_pending=is_pending,
        next_payment_at=next_payment_at,
        offers=_offers(contribution, picture.currency) if can_change else [],
        lower=wishes.lower_amounts(stands) if can_change else [],
        pause_payments=pauses.LONGEST[picture.interval] if can_pause else 0,
        can_resume=goes_on and picture.is_paused and can_change,
        can_stop=goes_on,
        can_keep=bool(picture.ends_at) and not picture.is_ended,
        can_make_one_time=goes_on and stopping.can_be_made_one_time(contribution, now=now),
        is_tried_at_once=is_open,
        withdrawal=withdrawals.right_of(contribution, now=now),
        latest=latest if latest is not None and wishes.can_undo(latest, now=now) else None,
        come_back_url=links.again(contribution, locale=translation.get_language())
        if picture.is_ended
        else "",
    )


def _allows(contribution: Contribution, *, now: datetime) -> bool:
    """Whether anything at all could be changed; asked with a wish that nothing but the standing can refuse."""
    try:
        wishes.preview(contribution, now=now)
    except DonationError as error:
        return error.code == "unchanged"
    return True


def _offers(contribution: Contribution, currency: str) -> list[Offer]:
    asks = contribution.campaign.asks.filter(currency=currency, interval__in=["month", "year"])
    return [
        Offer(
            interval=ask.interval,
            least=amounts.least(ask),
            most=ask.maximum,
            suggested=[Money(minor, currency) for minor in ask.suggested],
        )
        for ask in asks.order_by("interval")
    ]
