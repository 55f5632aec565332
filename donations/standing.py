"""
How a recurring contribution stands, and how its amount is made of a gift and a fee cover.

Stripe knows one sum; which part of it covers the fee is ours to know. The contribution says it of the amount that it
began with, and the changes that Stripe took say it of those that came later.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Self

from donations.models import Contribution, ContributionChange, Subscription
from donations.money import Money

_State = ContributionChange.State
_TAKEN = (_State.TAKEN, _State.CONFIRMED)


@dataclass(frozen=True, slots=True)
class Picture:
    """
    What can change about a contribution. Sums in minor units; moments in ISO form, in UTC, as rows keep them.

    :param fee_cover: the part that covers the fee, beside `amount`; both together are charged.
    :param next_at: of a change of the interval, when the first payment of the new one is taken.
    """

    amount: int
    fee_cover: int
    currency: str
    interval: str
    is_paused: bool = False
    paused_until: str = ""
    ends_at: str = ""
    is_ended: bool = False
    next_at: str = ""

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        """From a row's JSON."""
        return cls(**stored)

    def stored(self) -> dict[str, Any]:
        """As a row keeps it."""
        return asdict(self)

    @property
    def gift(self) -> Money:
        """What arrives, after the fee if it is covered."""
        return Money(self.amount, self.currency)

    @property
    def total(self) -> Money:
        """What is charged."""
        return Money(self.amount + self.fee_cover, self.currency)

    @property
    def covers_fees(self) -> bool:
        return self.fee_cover > 0

    @property
    def resumes(self) -> datetime | None:
        return _moment(self.paused_until)

    @property
    def ends(self) -> datetime | None:
        return _moment(self.ends_at)


@dataclass(frozen=True, slots=True)
class Standing:
    """A contribution as its reader has to see it: with all that Stripe said yes to, though its event is on its way."""

    contribution: Contribution
    subscription: Subscription
    now: Picture
    latest: int = 0  # the last change that Stripe took

    @property
    def version(self) -> str:
        """Names what the reader saw: whoever changes something says which state it was decided on."""
        text = json.dumps([self.latest, replace(self.now, next_at="").stored()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def get(contribution: Contribution) -> Standing:
    """
    How a contribution stands; two questions to the database.

    :raises Subscription.DoesNotExist: it is given once, or Stripe has not told of its subscription yet.
    """
    subscription = Subscription.objects.get(contribution_id=contribution.pk)
    subscription.contribution = contribution
    changes = list(contribution.changes.filter(state__in=_TAKEN).order_by("-asked_at", "-pk")[:20])
    picture = picture_of(subscription, changes)
    if changes and changes[0].state == _State.TAKEN and not picture.is_ended:
        # Stripe said yes a moment ago; what it said has not come through the inbox.
        picture = replace(Picture.of(changes[0].after), next_at="")
    return Standing(contribution, subscription, picture, changes[0].pk if changes else 0)


def picture_of(subscription: Subscription, changes: list[ContributionChange]) -> Picture:
    """What the books say. `changes`: those that Stripe took, newest first."""
    gift, cover = split_of(subscription.contribution, subscription.amount, changes)
    paused = subscription.state == Subscription.State.PAUSED
    return Picture(
        amount=gift.minor,
        fee_cover=cover.minor,
        currency=subscription.currency,
        interval=subscription.interval,
        is_paused=paused,
        paused_until=stamp(subscription.pause_resumes_at) if paused else "",
        ends_at=stamp(subscription.cancel_at),
        is_ended=subscription.state == Subscription.State.CANCELLED,
    )


def split_of(
    contribution: Contribution, total: Money, changes: list[ContributionChange]
) -> tuple[Money, Money]:
    """The gift and the fee cover of which a sum is made. `changes`: those that Stripe took, newest first."""
    for change in changes:
        if change.kind in ContributionChange.TERMS and change.after["currency"] == total.currency:
            after = Picture.of(change.after)
            if after.total == total:
                return after.gift, Money(after.fee_cover, total.currency)
    if total == contribution.total:
        return contribution.amount, contribution.fee_cover
    return total, Money.zero(total.currency)


def split_of_payment(contribution: Contribution, total: Money) -> tuple[Money, Money]:
    """The same of a payment; asks the database only where something was changed since the contribution began."""
    subscription: Subscription | None = getattr(contribution, "subscription", None)
    changes: list[ContributionChange] = []
    if subscription is not None and subscription.has_changed:
        taken = contribution.changes.filter(state__in=_TAKEN, kind__in=ContributionChange.TERMS)
        changes = list(taken.order_by("-asked_at", "-pk")[:20])
    return split_of(contribution, total, changes)


def stamp(moment: datetime | None) -> str:
    """A moment as rows keep it; "" for none."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S+00:00") if moment else ""


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
