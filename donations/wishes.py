"""
What may be changed about a recurring contribution by the reader whose it is, and what follows from it.

Each verb checks, says how it will stand, and hands over to `changes`, which asks Stripe. Whoever acts (a reader who is
signed in, the holder of a mail's link, a member of staff) is told from elsewhere. `version` is what the reader saw;
empty where a single button does one thing whatever else was changed meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from donations import amounts, changes, gateway, notice_rules, pauses, queries, standing, stopping
from donations.errors import ChangedMeanwhile, HasEnded, InvalidWish, NotPossibleNow
from donations.intervals import Interval
from donations.models import Contribution, ContributionChange, Notice, Subscription
from donations.money import Money
from donations.notice_rules import About
from donations.notices import MARGIN
from donations.standing import Picture, Standing

Kind, State = ContributionChange.Kind, ContributionChange.State
_Plan = Subscription.State
_HOLDS = (Notice.Hold.WANTED, Notice.Hold.HELD, Notice.Hold.LETTING_GO)
_SOON = timedelta(hours=1)
LONGEST_PAUSE = timedelta(days=730)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who wants it, as the row says, and which pressing of which button it was."""

    name: str
    once: str = ""
    instead_of_stopping: bool = False


READER, LINK = Actor(changes.READER), Actor(changes.LINK)


@dataclass(frozen=True, slots=True)
class Preview:
    """How a change would be: the sums, and the first payment at which they are charged; None while it is paused."""

    stands: Standing
    after: Picture
    first_payment_at: datetime | None


# --- Amount, interval, fee cover ---------------------------------------------------------------------


def preview(
    contribution: Contribution,
    *,
    amount: Money | None = None,
    interval: str = "",
    cover_fees: bool | None = None,
    now: datetime,
) -> Preview:
    """
    What another amount, interval or fee cover would come to; what is not named stays as it is.

    Nothing is charged or credited for the time that is paid: the new sum counts from the next payment on, and
    another interval begins when the paid time ends. An annual one begins later than that where the reader could not
    be told long enough before (`notice_rules`).

    :raises InvalidWish: an amount outside the campaign's limits, an interval that it does not offer, no change at all.
    :raises HasEnded, NotPossibleNow: it does not stand so that this could be changed.
    """
    stands = _running(contribution)
    subscription, before = stands.subscription, stands.now
    if before.ends_at:
        raise NotPossibleNow("This contribution is to end. Let it go on first, and change it then.")
    if subscription.state in (_Plan.UNPAID, _Plan.INCOMPLETE):
        raise NotPossibleNow("Its last payment failed. Give another card first, and change it then.")
    _check_no_hold(subscription)
    gift = before.gift if amount is None else amount
    interval = interval or before.interval
    covers = before.covers_fees if cover_fees is None else cover_fees
    if gift.currency != before.currency:
        raise InvalidWish("The currency cannot change.", code="currency_not_offered", fields=("currency",))
    if interval != before.interval and subscription.state != _Plan.ACTIVE:
        raise NotPossibleNow("The interval of a contribution can be changed while it runs.")
    if (gift, interval, covers) == (before.gift, before.interval, before.covers_fees):
        raise InvalidWish("It is so already.", code="unchanged", fields=("amount",))
    cover = _cover(contribution, before, gift, interval, covers=covers)
    after = replace(before, amount=gift.minor, fee_cover=cover.minor, interval=interval, next_at="")
    at = _next_payment(subscription)
    if interval != before.interval:
        at = _begins(subscription, interval, now=now)
        after = replace(after, next_at=standing.stamp(at))
    return Preview(stands, after, at)


def _cover(contribution: Contribution, before: Picture, gift: Money, interval: str, *, covers: bool) -> Money:
    if (gift, interval) == (before.gift, before.interval):
        # The gift stays: the limits of today are no reason to refuse it.
        cover = amounts.fee_cover(gift) if covers else Money.zero(gift.currency)
        if (gift + cover).is_chargeable():
            return cover
        raise InvalidWish(
            "With the fee the amount is more than can be charged.",
            code="amount_too_large",
            fields=("amount",),
        )
    ask = queries.get_ask(contribution.campaign, currency=gift.currency, interval=Interval(interval))
    return amounts.check(gift, ask, with_fee_cover=covers)


def change_terms(
    contribution: Contribution,
    *,
    amount: Money | None = None,
    interval: str = "",
    cover_fees: bool | None = None,
    version: str = "",
    by: Actor,
    now: datetime,
) -> ContributionChange:
    """
    Ask Stripe for what `preview` says.

    :raises ChangeAtWork, ChangedMeanwhile: and as `preview` and `changes.ask`.
    """
    once = _once(by, version, "terms", amount, interval, cover_fees)
    if same := _made_already(contribution, once):
        return same
    found = preview(contribution, amount=amount, interval=interval, cover_fees=cover_fees, now=now)
    _check_version(found.stands, version)
    return _ask_terms(found.stands, found.after, by=by, once=once, now=now)


def _ask_terms(
    stands: Standing,
    after: Picture,
    *,
    by: Actor,
    now: datetime,
    once: str = "",
    undoes: ContributionChange | None = None,
) -> ContributionChange:
    before, subscription = stands.now, stands.subscription
    kind = Kind.FEE_COVER
    if after.interval != before.interval:
        kind = Kind.INTERVAL
    elif after.amount != before.amount:
        kind = Kind.AMOUNT

    def call(key: str) -> None:
        gateway.change_amount(
            subscription.stripe_id,
            item=subscription.item_id,
            product=subscription.product_id,
            amount=after.total,
            interval=after.interval,
            because=key,
            begins_at=datetime.fromisoformat(after.next_at) if after.next_at else None,
        )

    return changes.ask(
        _with_paid_until(stands) if kind == Kind.INTERVAL else stands,
        kind,
        after,
        call=call,
        actor=by.name,
        once=once,
        instead_of_stopping=by.instead_of_stopping,
        undoes=undoes,
        now=now,
    )


def _with_paid_until(stands: Standing) -> Standing:
    """So that it is known, where this is undone, when the next payment was to be taken before."""
    until = standing.stamp(stands.subscription.current_period_end)
    return replace(stands, now=replace(stands.now, next_at=until))


def _begins(subscription: Subscription, interval: str, *, now: datetime) -> datetime:
    """The first payment of another interval: when the paid time is over, and the reader could be told of it."""
    paid_until = subscription.current_period_end or now
    if interval != Interval.YEAR:
        return max(paid_until, now + _SOON)
    told_by = now + notice_rules.window(About.RENEWAL, paid_until.date()).latest + MARGIN
    return max(paid_until, told_by.replace(microsecond=0))


def lower_amounts(stands: Standing) -> list[Money]:
    """Up to three smaller gifts that the campaign takes, the largest first; none where it is the least already."""
    ask = stands.contribution.campaign.asks.filter(
        currency=stands.now.currency, interval=stands.now.interval
    ).first()
    if ask is None:
        return []
    least = amounts.least(ask)
    offered = {Money(minor, ask.currency) for minor in ask.suggested} | {least}
    lower = [money for money in offered if least <= money < stands.now.gift and money.is_chargeable()]
    return sorted(lower, key=lambda money: -money.minor)[:3]


# --- Pause -------------------------------------------------------------------------------------------


def pause(
    contribution: Contribution, *, payments: int, version: str = "", by: Actor, now: datetime
) -> ContributionChange:
    """
    Leave out the next payments; it goes on by itself, and the reader is told before. A pause can be made longer.

    :param payments: one to three of a monthly contribution, one of an annual one.
    :raises InvalidWish: another number. HasEnded, NotPossibleNow: it does not run. And as `changes.ask`.
    """
    once = _once(by, version, "pause", payments)
    if same := _made_already(contribution, once):
        return same
    stands = _running(contribution)
    _check_version(stands, version)
    subscription = stands.subscription
    if not 1 <= payments <= pauses.LONGEST[stands.now.interval]:
        raise InvalidWish(
            f"Between 1 and {pauses.LONGEST[stands.now.interval]} payments can be left out.",
            fields=("payments",),
        )
    if stands.now.ends_at or subscription.state not in (_Plan.ACTIVE, _Plan.PAUSED):
        raise NotPossibleNow("Only a contribution that runs can be paused.")
    if stands.now.is_paused and (stands.now.resumes is None or stands.now.interval == Interval.YEAR):
        raise NotPossibleNow("This contribution is paused already.")
    _check_no_hold(subscription)
    until, _ = pauses.resumes_at(subscription, payments)
    if until > now + LONGEST_PAUSE:
        raise NotPossibleNow("It has been paused for long. Please write to us.")
    if until <= now:
        raise NotPossibleNow("Its next payment is being taken. Please try again tomorrow.")
    return _ask_pause(stands, until, by=by, once=once, now=now)


def _ask_pause(
    stands: Standing,
    until: datetime | None,
    *,
    by: Actor,
    now: datetime,
    once: str = "",
    undoes: ContributionChange | None = None,
) -> ContributionChange:
    return changes.ask(
        stands,
        Kind.PAUSE,
        replace(stands.now, is_paused=True, paused_until=standing.stamp(until)),
        call=lambda key: gateway.pause(stands.subscription.stripe_id, until=until, key=key),
        actor=by.name,
        once=once,
        instead_of_stopping=by.instead_of_stopping,
        undoes=undoes,
        now=now,
    )


def resume(
    contribution: Contribution,
    *,
    version: str = "",
    by: Actor,
    now: datetime,
    undoes: ContributionChange | None = None,
) -> ContributionChange:
    """
    Take payments again, from the next that falls due.

    :raises HasEnded, NotPossibleNow: it is not paused, or waits for a notice. And as `changes.ask`.
    """
    once = _once(by, version, "resume")
    if same := _made_already(contribution, once):
        return same
    stands = _running(contribution)
    _check_version(stands, version)
    if not stands.now.is_paused:
        raise NotPossibleNow("This contribution is not paused.")
    _check_no_hold(stands.subscription)
    return changes.ask(
        stands,
        Kind.RESUME,
        replace(stands.now, is_paused=False, paused_until=""),
        call=lambda key: gateway.resume(stands.subscription.stripe_id, key=key),
        actor=by.name,
        once=once,
        undoes=undoes,
        now=now,
    )


# --- Stop, and go on after all --------------------------------------------------------------------------


def stop(
    contribution: Contribution,
    *,
    reason: str = "",
    by: Actor,
    now: datetime,
    undoes: ContributionChange | None = None,
) -> ContributionChange | None:
    """
    Take no further payment; what is paid lasts. None if it was to end before.

    It asks for no version: whoever wants to leave leaves, whatever else was changed meanwhile.

    :param reason: one of ContributionChange.Reason, or "".
    :raises HasEnded: it has ended. And as `changes.ask`.
    """
    stands = _running(contribution)
    subscription = stands.subscription
    ending = stopping.how_it_would_end(subscription)
    if stands.now.ends_at and ending is stopping.Ending.WITH_THE_PAID_TIME:
        return None
    after = replace(stands.now, ends_at=standing.stamp(stopping.paid_until(subscription)))
    if ending is stopping.Ending.AT_ONCE:
        after = replace(stands.now, is_ended=True)
    return changes.ask(
        stands,
        Kind.STOP,
        after,
        call=lambda key: stopping.stop(subscription),
        actor=by.name,
        once=by.once,
        reason=reason,
        undoes=undoes,
        now=now,
    )


def keep(
    contribution: Contribution,
    *,
    by: Actor,
    now: datetime,
    undoes: ContributionChange | None = None,
) -> ContributionChange | None:
    """
    Let it go on after all. None if it was not to end.

    :raises HasEnded: it has ended, and is given anew on a page of ours (`links.again`). And as `changes.ask`.
    """
    stands = _running(contribution)
    if not stands.now.ends_at:
        return None
    return changes.ask(
        stands,
        Kind.KEEP,
        replace(stands.now, ends_at=""),
        call=lambda key: stopping.keep(stands.subscription),
        actor=by.name,
        once=by.once,
        undoes=undoes,
        now=now,
    )


# --- Undo ------------------------------------------------------------------------------------------------


def can_undo(change: ContributionChange, *, now: datetime) -> bool:
    """Whether a change can be undone by its link: it was made, is the last one, and is not older than a day."""
    try:
        _check_undo(change, now=now)
    except NotPossibleNow:
        return False
    return True


def undo(change: ContributionChange, *, by: Actor, now: datetime) -> ContributionChange | None:
    """
    Let it be as it was before a change.

    :raises NotPossibleNow: too late, or something else was changed since. HasEnded. And as `changes.ask`.
    """
    contribution = change.contribution
    done = change.undone_by.filter(state__in=[State.TAKEN, State.CONFIRMED]).first()
    if done is not None:
        return done
    _check_undo(change, now=now)
    before = Picture.of(change.before)
    if change.kind in ContributionChange.TERMS:
        stands = _running(contribution)
        at = datetime.fromisoformat(before.next_at) if before.next_at else None
        if at is not None and change.kind == Kind.INTERVAL:
            before = replace(before, next_at=standing.stamp(max(at, now + _SOON)))
        return _ask_terms(stands, before, by=by, undoes=change, now=now)
    if change.kind == Kind.PAUSE:
        return resume(contribution, by=by, undoes=change, now=now)
    if change.kind == Kind.RESUME:
        return _ask_pause(_running(contribution), before.resumes, by=by, undoes=change, now=now)
    if change.kind == Kind.STOP:
        return keep(contribution, by=by, undoes=change, now=now)
    return stop(contribution, by=by, undoes=change, now=now)


def undo_last(contribution: Contribution, *, by: Actor, now: datetime) -> ContributionChange | None:
    """
    Let it be as it was before the last change. As `undo`.

    :raises NotPossibleNow: nothing was changed.
    """
    taken = contribution.changes.filter(state__in=[State.TAKEN, State.CONFIRMED])
    last = taken.order_by("-asked_at", "-pk").first()
    if last is None:
        raise NotPossibleNow("Nothing was changed so far.")
    return undo(last, by=by, now=now)


def _check_undo(change: ContributionChange, *, now: datetime) -> None:
    if change.kind in (Kind.CARD, Kind.WITHDRAWAL, Kind.ONE_TIME) or change.undoes_id:
        raise NotPossibleNow("This cannot be undone by a link.")
    if change.state not in (State.TAKEN, State.CONFIRMED):
        raise NotPossibleNow("This change was not made.")
    if now >= change.undo_until:
        raise NotPossibleNow("This could be undone within 24 hours.", code="too_late")
    stands = _running(change.contribution)
    if stands.latest != change.pk:
        raise NotPossibleNow("Something else was changed since.")
    if change.kind == Kind.RESUME:
        resumes = Picture.of(change.before).resumes
        if resumes is not None and resumes <= now:
            raise NotPossibleNow("The pause would be over by now.")


# --- What all of them ask ----------------------------------------------------------------------------------


def _running(contribution: Contribution) -> Standing:
    """How it stands. Raises HasEnded, or NotPossibleNow for one that Stripe does not repeat."""
    try:
        stands = standing.get(contribution)
    except Subscription.DoesNotExist:
        raise NotPossibleNow("This is no recurring contribution.") from None
    if stands.now.is_ended:
        raise HasEnded("This contribution has ended.")
    return stands


def _check_version(stands: Standing, version: str) -> None:
    if version and version != stands.version:
        raise ChangedMeanwhile("Something has changed meanwhile. Please look again, and decide anew.")


def _once(by: Actor, version: str, *wish: object) -> str:
    """Names one pressing of one button: what was wished, and what was seen when it was."""
    return by.once or (":".join([version, *map(str, wish)])[:100] if version else "")


def _made_already(contribution: Contribution, once: str) -> ContributionChange | None:
    """The change that this very button brought about before, if nothing followed on it."""
    if not once:
        return None
    made = contribution.changes.filter(state__in=[State.TAKEN, State.CONFIRMED]).order_by("-asked_at", "-pk")
    latest = made.first()
    return latest if latest is not None and latest.once == once else None


def _check_no_hold(subscription: Subscription) -> None:
    """A hold of ours is a pause at Stripe too: two of them, and one would end the other."""
    if Notice.objects.filter(subscription=subscription, hold__in=_HOLDS).exists():
        raise NotPossibleNow("Its next payment waits for a notice to you. Please try again after that.")


def _next_payment(subscription: Subscription) -> datetime | None:
    """The next payment, or the first one after the pause."""
    if subscription.state == _Plan.PAUSED:
        resumes = subscription.pause_resumes_at
        return pauses.payment_after(subscription, resumes) if resumes else None
    return subscription.upcoming_payment_at
