"""
Cards that will have expired when the next payment comes: warned of 30 and 7 days before the payment, once each.

A card is good to the end of its month; what counts is whether that end comes before the payment. Counted back from
the payment, not from the card's end: an annual gift's card may expire half a year early, and by the time that matters
the bank has mostly replaced it, which Stripe knows. So Stripe is asked, right before a warning would go out; how long
cards last is stored nowhere.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F, Q, QuerySet

from donations import gateway
from donations.errors import DonationError, PaymentsUnavailable
from donations.ledger.common import locked
from donations.models import CardWatch, Notice, Subscription
from members import outbox
from members.rows import insert_new

_log = structlog.get_logger(__name__)

WARN = (7, 30)  # days before the payment
BATCH = 100  # calls of Stripe in one sweep


def look_at_cards(*, now: datetime, limit: int = BATCH) -> int:
    """
    Ask Stripe about the cards of payments that are 30 or 7 days away, once for each; how many warnings were planned.

    Outside of any transaction. Stripe out of reach ends the run, and the next one goes on.
    """
    planned = asked = 0
    for days in WARN:
        for subscription in list(_due(days, now)[: limit - asked]):
            charge_at = subscription.current_period_end
            assert charge_at is not None, "it was looked for by that"
            asked += 1
            try:
                card = gateway.get_paying_card(subscription.stripe_id)
            except PaymentsUnavailable:
                return planned
            except (DonationError, ValueError) as error:  # gone, or not as we read it: no reason to warn
                _log.warning(
                    "card not looked at", subscription=subscription.stripe_id, why=type(error).__name__
                )
                card = None
            expires = card is not None and card.has_expired(charge_at)
            planned += _note(subscription, charge_at, days, card.id if card and expires else "", now=now)
    return planned


def _due(days: int, now: datetime) -> QuerySet[Subscription]:
    """Subscriptions whose payment is so near, and whose card was not looked at for it; the nearest first."""
    later = max((other for other in WARN if other < days), default=0)
    watched = f"card_watch__looked_{days}_for"
    return (
        Subscription.objects.filter(
            state=Subscription.State.ACTIVE,
            current_period_end__gt=now + timedelta(days=later),
            current_period_end__lte=now + timedelta(days=days),
        )
        .filter(Q(cancel_at=None) | Q(cancel_at__gt=F("current_period_end")))
        .exclude(**{watched: F("current_period_end")})
        .order_by("current_period_end", "pk")
    )


def _note(subscription: Subscription, charge_at: datetime, days: int, card: str, *, now: datetime) -> int:
    """Remember that it was looked at; plan the warning if the card expires. 1 if this call planned it."""
    with transaction.atomic():
        locked().get(pk=subscription.contribution_id)
        insert_new([CardWatch(subscription=subscription)])
        CardWatch.objects.filter(subscription=subscription).update(**{f"looked_{days}_for": charge_at})
        if not card:
            return 0
        return insert_new(
            [
                Notice(
                    subscription=subscription,
                    kind=Notice.Kind.CARD,
                    reference=f"{card}:{charge_at:%Y-%m-%d}:{days}",
                    charge_at=charge_at,
                    takes_at=charge_at,
                    due_at=now,
                    latest_at=charge_at,
                    next_look_at=now,
                )
            ]
        )


def note_replaced(payment_method: str) -> None:
    """The network has replaced a card: a warning about it that has not left is not needed any more."""
    waiting = Notice.objects.filter(
        kind=Notice.Kind.CARD,
        reference__startswith=f"{payment_method}:",
        state__in=[Notice.State.PLANNED, Notice.State.HANDED_OVER],
    )
    for notice in waiting:
        moved = Notice.objects.filter(pk=notice.pk, state=notice.state, mails=notice.mails).update(
            state=Notice.State.DROPPED, reason="replaced", next_look_at=None
        )
        if moved:
            outbox.withdraw([notice.dedup_key])
