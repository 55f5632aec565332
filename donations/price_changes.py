"""
Another amount for a running contribution, when the newsroom and not the reader wants it.

The reader is told first. Stripe is told of the new amount only after the mail server took the notice, long enough
before (`notice_rules`), and not before the day that the mail names. A change that the reader makes needs no notice, and
does not come here.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction

from donations import gateway, notice_rules
from donations.errors import DonationError, InvalidWish, PaymentsUnavailable, UnknownContribution
from donations.holds import TRY_AGAIN
from donations.ledger.common import locked
from donations.models import Notice, Subscription
from donations.money import Money
from donations.notice_rules import About
from donations.notices import MARGIN, drop
from members.rows import insert_new

_log = structlog.get_logger(__name__)

Plan = Subscription.State
State = Notice.State
BATCH = 100


def announce(
    *, subscription: Subscription, new_amount: Money, effective_at: datetime, actor: str, now: datetime
) -> Notice:
    """
    Plan another amount, from the first payment after `effective_at` on; the reader is told before.

    Announcing the same again is the same announcement; another one takes the place of one that is not in effect yet.

    :param actor: the member of staff, by id.
    :raises UnknownContribution: it has ended, or is about to.
    :raises InvalidWish: another currency, no change, no amount that can be charged; or a day that leaves too little
        time for the notice (field "effective_at").
    """
    window = notice_rules.window(About.PRICE, effective_at.date())
    with transaction.atomic():
        contribution = locked().get(pk=subscription.contribution_id)
        row: Subscription = contribution.subscription
        _check(row, new_amount, effective_at)
        if effective_at < now + window.latest + MARGIN:
            days = (window.latest + MARGIN).days
            raise InvalidWish(
                f"Readers are told at least {days} days before.", code="invalid", fields=("effective_at",)
            )
        reference = f"{effective_at.isoformat()}:{new_amount.minor}"
        due_at = max(now, effective_at - window.target)
        insert_new(
            [
                Notice(
                    subscription=row,
                    kind=Notice.Kind.PRICE,
                    reference=reference,
                    charge_at=effective_at,
                    takes_at=effective_at,
                    due_at=due_at,
                    latest_at=effective_at - window.latest,
                    next_look_at=due_at,
                    old_amount_minor=row.amount_minor,
                    new_amount_minor=new_amount.minor,
                    currency=new_amount.currency,
                    actor=actor,
                )
            ]
        )
        announced = Notice.objects.get(subscription=row, kind=Notice.Kind.PRICE, reference=reference)
        if announced.state == State.DROPPED and announced.applied_at is None:
            Notice.objects.filter(pk=announced.pk).update(
                state=State.PLANNED, reason="", next_look_at=due_at, old_amount_minor=row.amount_minor
            )
            announced.refresh_from_db()
        earlier = Notice.objects.filter(subscription=row, kind=Notice.Kind.PRICE, applied_at=None)
        for other in earlier.exclude(pk=announced.pk).exclude(state=State.DROPPED):
            drop(other, "replaced")
        return announced


def _check(row: Subscription, new_amount: Money, effective_at: datetime) -> None:
    if row.state in (Plan.CANCELLED, Plan.UNPAID) or (row.cancel_at and row.cancel_at <= effective_at):
        raise UnknownContribution("This contribution has ended, or ends before.")
    if new_amount.currency != row.currency:
        raise InvalidWish("The currency cannot change.", code="currency_not_offered", fields=("currency",))
    if new_amount == row.amount:
        raise InvalidWish("It is that amount already.", code="invalid", fields=("amount",))
    if not new_amount.is_chargeable():
        raise InvalidWish("This amount cannot be charged.", code="amount_not_chargeable", fields=("amount",))


def apply_due(*, now: datetime, limit: int = BATCH) -> int:
    """
    Tell Stripe of the amounts whose day has come and whose readers were told in time; how many it took.

    Outside of any transaction; what Stripe did comes back as an event, and the event changes the books.
    """
    due = Notice.objects.filter(
        kind=Notice.Kind.PRICE,
        state=State.ACCEPTED,
        applied_at=None,
        takes_at__lte=now,
        next_look_at__lte=now,
    )
    applied = 0
    for notice in list(due.select_related("subscription").order_by("takes_at", "pk")[:limit]):
        row, amount = notice.subscription, notice.new_amount
        assert amount is not None, "a change of the amount has an amount (constraint)"
        if row.amount_minor == notice.new_amount_minor:  # we had asked for it, and died before we noted that
            applied += _note_applied(notice, now=now)
            continue
        if row.amount_minor != notice.old_amount_minor or row.state in (Plan.CANCELLED, Plan.UNPAID):
            continue  # `notices` drops it
        try:
            gateway.change_amount(
                row.stripe_id,
                item=row.item_id,
                product=row.product_id,
                amount=amount,
                interval=row.interval,
                because=str(notice.pk),
            )
        except PaymentsUnavailable:
            break
        except DonationError as error:
            problem = f"Stripe refused ({error.code})."
            _log.error("amount not changed", notice=notice.pk, problem=problem)
            Notice.objects.filter(pk=notice.pk).update(problem=problem, next_look_at=now + TRY_AGAIN)
            continue
        applied += _note_applied(notice, now=now)
    return applied


def _note_applied(notice: Notice, *, now: datetime) -> int:
    return Notice.objects.filter(pk=notice.pk, applied_at=None).update(
        applied_at=now, next_look_at=None, problem=""
    )
