"""
Payments that wait at Stripe for their notice, and the word to Stripe that they may go on.

Written down first (`notices`), told to Stripe outside of any transaction, and noted afterwards: a crash in between
tells it again, which changes nothing. Any number of sweeps may do so at once. Where Stripe cannot be reached, the
next sweep goes on; nothing is released because of that.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db.models import QuerySet

from donations import gateway
from donations.errors import DonationError, GoneAtStripe, PaymentsUnavailable
from donations.models import Notice

_log = structlog.get_logger(__name__)

State, Hold = Notice.State, Notice.Hold

TRY_AGAIN = timedelta(minutes=10)  # after Stripe refused: people have to look, and it may work meanwhile
BATCH = 200


def tell_stripe(*, now: datetime, limit: int = BATCH) -> int:
    """Tell Stripe of the holds that are wanted and of those that are over; how many it took."""
    waiting = Notice.objects.filter(hold__in=[Hold.WANTED, Hold.LETTING_GO], next_look_at__lte=now).exclude(
        state=State.DROPPED
    )
    # Holds first: they keep money from being taken. The nearest payment first.
    rows = waiting.select_related("subscription").order_by("-hold", "charge_at", "pk")
    told = 0
    for notice in list(rows[:limit]):
        try:
            told += _hold(notice, now=now) if notice.hold == Hold.WANTED else _let_go(notice, now=now)
        except PaymentsUnavailable:
            _log.warning("stripe not told", notice=notice.pk, hold=notice.hold)
            break
        except GoneAtStripe:
            _problem(notice, "Stripe does not know the subscription any more.", now=now)
        except DonationError as error:
            _problem(notice, f"Stripe refused ({error.code}).", now=now)
    return told


def _hold(notice: Notice, *, now: datetime) -> int:
    gateway.hold_collection(notice.subscription.stripe_id)
    _log.info("payment held", notice=notice.pk)
    return _row(notice).update(hold=Hold.HELD, held_at=now, next_look_at=now, problem="")


def _let_go(notice: Notice, *, now: datetime) -> int:
    invoices = gateway.let_go(notice.subscription.stripe_id)
    _log.info("payment let go", notice=notice.pk, invoices=invoices)
    return _row(notice).update(hold=Hold.RELEASED, released_at=now, next_look_at=now, problem="")


def _problem(notice: Notice, problem: str, *, now: datetime) -> None:
    _log.error("stripe not told", notice=notice.pk, hold=notice.hold, problem=problem)
    _row(notice).update(problem=problem, next_look_at=now + TRY_AGAIN)


def _row(notice: Notice) -> QuerySet[Notice]:
    return Notice.objects.filter(pk=notice.pk, hold=notice.hold)
