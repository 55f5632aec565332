"""What changed about a subscription, one event at a time."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from donations import facts
from donations.intervals import Interval
from donations.models import Subscription, SubscriptionChange
from members.rows import insert_new

Kind = SubscriptionChange.Kind
State = Subscription.State
_LATE = (State.PAST_DUE, State.UNPAID)


def note_changes(
    subscription: Subscription,
    told: facts.SubscriptionFacts,
    before: facts.SubscriptionFacts | None,
    *,
    at: datetime,
    event_id: str,
) -> None:
    """
    Keep what an event says to have changed, once.

    :param before: how the subscription was right before, by the event itself. Without it (reconciliation fetched the
        object, say), what we know of an earlier moment stands in; call this before the new description is applied.
    """
    if told.state == State.CANCELLED:
        return  # the end has its own place, on the subscription
    was = before or _as_known(subscription, told, at)
    if was is None:
        return
    found: list[SubscriptionChange] = []
    if (was.amount, was.interval) != (told.amount, told.interval) and _is_billed(was, told):
        found.append(
            SubscriptionChange(
                kind=Kind.AMOUNT,
                amount_before=was.amount,
                amount_after=told.amount,
                interval_before=was.interval,
                interval_after=told.interval,
            )
        )
    if (was.is_paused, was.pause_resumes_at) != (told.is_paused, told.pause_resumes_at):
        found.append(_switch(Kind.PAUSE, was.is_paused, told.is_paused, told.pause_resumes_at))
    if was.cancel_at != told.cancel_at:
        found.append(
            _switch(Kind.WISH_TO_END, was.cancel_at is not None, told.cancel_at is not None, told.cancel_at)
        )
    if was.state != told.state and (told.state == State.UNPAID or _is_even_again(was, told)):
        found.append(_switch(Kind.UNCOLLECTED, was.state == State.UNPAID, told.state == State.UNPAID))
    for change in found:
        change.subscription, change.at, change.event_id = subscription, at, event_id
    if insert_new(found):
        Subscription.objects.filter(pk=subscription.pk).update(has_changed=True)
        subscription.has_changed = True


def _switch(kind: Kind, was_on: bool, is_on: bool, until: datetime | None = None) -> SubscriptionChange:
    return SubscriptionChange(kind=kind, was_on=was_on, is_on=is_on, until=until)


def _is_billed(*described: facts.SubscriptionFacts) -> bool:
    """Whether each description has an amount and an interval that we take."""
    return all(one.amount > 0 and one.interval in (Interval.MONTH, Interval.YEAR) for one in described)


def _is_even_again(was: facts.SubscriptionFacts, told: facts.SubscriptionFacts) -> bool:
    return was.state in _LATE and told.state not in _LATE


def _as_known(
    row: Subscription, told: facts.SubscriptionFacts, at: datetime
) -> facts.SubscriptionFacts | None:
    """How we knew the subscription before that moment; None if what we know is as late or later."""
    if row.as_of is not None and row.as_of >= at:
        return None
    return dataclasses.replace(
        told,
        state=row.state,
        amount=row.amount_minor,
        interval=row.interval,
        is_paused=row.state == State.PAUSED,
        pause_resumes_at=row.pause_resumes_at,
        cancel_at=row.cancel_at,
    )
