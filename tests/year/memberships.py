"""
Who is a member by Stripe's account, and who has a right to a farewell: docs/ in a few lines, asked of Stripe's objects.

A payment makes its reader a member until the end of the period that it pays for, and for two weeks of grace after
that, unless payments are paused. A payment that went back whole gives nothing. Who leaves stays until the end of what
is paid.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.year.offline import Obj
from tests.year.post import Look, News, Post

GRACE = timedelta(days=14)
HELD = "keep_as_draft"
TOO_LATE_FOR_NEWS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Period:
    """A paid invoice: when it was paid, until when it reaches, and when its money had gone back (None: it is ours)."""

    paid_at: datetime
    through: datetime
    back_at: datetime | None


@dataclass(slots=True)
class Plan:
    """A subscription and all that was paid for it."""

    subscription: Obj
    periods: list[Period] = field(default_factory=list)

    def through(self) -> datetime | None:
        """Until when it is paid; None if it never was."""
        kept = [period.through for period in self.periods if period.back_at is None]
        return max(kept, default=min((period.paid_at for period in self.periods), default=None))

    def is_member(self, now: datetime) -> bool:
        """Whether its reader is a member now by this plan."""
        through = self.through()
        if through is None or through > now:
            return through is not None
        if self.subscription["status"] in ("canceled", "incomplete_expired") or self._is_paused():
            return False
        went_back = any(period.back_at and period.through > through for period in self.periods)
        return through + (timedelta(0) if went_back else GRACE) > now

    def _is_paused(self) -> bool:
        """Whether the reader pauses. A payment that the house holds until it was announced (HELD) is no pause."""
        pause = self.subscription["pause_collection"] or {}
        return self.subscription["status"] == "paused" or pause.get("behavior", HELD) != HELD


def plans(subscriptions: Iterable[Obj], invoices: Iterable[Obj], backs: dict[str, datetime]) -> list[Plan]:
    """
    Every subscription with its paid periods.

    :param backs: for invoices whose money went back whole, when that was.
    """
    found = {subscription["id"]: Plan(subscription) for subscription in subscriptions}
    for invoice in invoices:
        if invoice["status"] == "paid" and invoice["amount_paid"]:
            found[subscription_of(invoice)].periods.append(_period(invoice, backs.get(invoice["id"])))
    return list(found.values())


def _period(invoice: Obj, back_at: datetime | None) -> Period:
    paid_at = moment(invoice["status_transitions"]["paid_at"])
    through = max(moment(line["period"]["end"]) for line in invoice["lines"]["data"])
    return Period(paid_at, through, back_at)


def farewells(post: Post, backs: dict[str, datetime], disputes: dict[str, list[News]]) -> int:
    """
    How many ends of memberships were told, of those that readers wished. Where payments failed, or a bank took one
    back, another mail has told of it.

    :param disputes: by subscription, the news that a dispute of one of its payments was lost.

    The end is told when we knew of it, if that was within 30 days; so the year is gone through look by look, with what
    the post had brought by then.
    """
    news: dict[str, list[News]] = defaultdict(list)
    for one in sorted(post.news, key=lambda one: one.created):
        if one.type.startswith("customer.subscription."):
            news[one.about["id"]].append(one)
        elif one.type == "invoice.paid" and one.about["amount_paid"]:
            news[subscription_of(one.about)].append(one)
    return sum(_farewells_of(own, disputes.get(id, ()), post, backs) for id, own in news.items())


def _farewells_of(news: list[News], lost: Iterable[News], post: Post, backs: dict[str, datetime]) -> int:
    """How many ends of one membership were told: another one only where a payment came after the one before."""
    told: list[datetime] = []
    for look in post.looks:
        if not look.swept or any(post.heard(dispute) <= look.number for dispute in lost):
            continue
        periods = _periods(news, look, post, backs)
        ends_at = _lately_ended(news, periods, look, post)
        if ends_at is None:
            continue
        if not told or any(told[-1] < period.paid_at and period.through <= ends_at for period in periods):
            told.append(ends_at)
    return len(told)


def _periods(news: list[News], look: Look, post: Post, backs: dict[str, datetime]) -> list[Period]:
    """What was paid, as we knew it at a look."""
    return [
        _period(one.about, back if (back := backs.get(one.about["id"])) and back <= look.at else None)
        for one in news
        if one.type == "invoice.paid" and post.heard(one) <= look.number
    ]


def _lately_ended(news: list[News], periods: list[Period], look: Look, post: Post) -> datetime | None:
    """When the membership ended by what is known at a look, if that was lately, and not for want of payments."""
    said = [one for one in news if one.type != "invoice.paid" and post.heard(one) <= look.number]
    if not said or not periods:
        return None
    latest = said[-1].about
    if latest["cancellation_details"]["reason"] == "payment_failed":
        return None
    asked_for = latest["ended_at"] or latest["cancel_at"]
    if not asked_for:
        return None
    through = Plan(latest, periods).through()
    assert through is not None, "there are periods"
    ends_at = max(moment(asked_for), through)
    back_at = max((period.back_at for period in periods if period.back_at), default=None)
    if back_at is not None:
        before = max(moment(asked_for), *(period.through for period in periods))
        ends_at = before if before <= back_at else max(ends_at, back_at)
    return ends_at if look.at - TOO_LATE_FOR_NEWS <= ends_at <= look.at else None


def money_back(
    charges: Iterable[Obj],
    refunds: Iterable[Obj],
    disputes: Iterable[Obj],
    decided_at: Callable[[Obj], datetime],
) -> dict[str, datetime]:
    """When the whole of each charge had gone back to the reader, by refunds or by a lost dispute; by charge id."""
    left = {charge["id"]: charge["amount"] for charge in charges}
    found: dict[str, datetime] = {}
    for refund in sorted(refunds, key=lambda refund: refund["created"]):
        if refund["status"] in ("pending", "succeeded", "requires_action"):
            left[refund["charge"]] -= refund["amount"]
            if left[refund["charge"]] <= 0:
                found.setdefault(refund["charge"], moment(refund["created"]))
    for dispute in disputes:
        if dispute["status"] == "lost":
            at = decided_at(dispute)
            found[dispute["charge"]] = min(found.get(dispute["charge"], at), at)
    return found


def subscription_of(invoice: Obj) -> str:
    """The id of the subscription that an invoice is for."""
    return str(invoice["parent"]["subscription_details"]["subscription"])


def moment(seconds: int) -> datetime:
    """A moment of Stripe's."""
    return datetime.fromtimestamp(seconds, tz=UTC)
