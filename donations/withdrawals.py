"""
A reader withdraws: declared with two presses of a button, confirmed by mail, carried out by a task.

The declaration takes effect when it is made, whatever Stripe says; so the row and the mail (the receipt on a durable
medium) are written in one transaction. Then the task ends the subscription and gives each payment back, each step keyed
by what it is about: it can stop anywhere, run twice, and go on later. The money goes the way of every refund: Stripe
gives it back, its event changes the books, and the withdrawal is closed when the books say that nothing is left.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from babel.dates import format_time
from django.conf import settings
from django.db import transaction
from django.db.models import F

from donations import gateway, letters, on_request, standing, withdrawal_rules
from donations.errors import DonationError, GoneAtStripe, NotPossibleNow, PaymentsUnavailable
from donations.ledger.common import locked
from donations.models import Contribution, ContributionChange, Payment, Subscription, Withdrawal
from donations.money import Money
from donations.standing import Picture
from donations.withdrawal_rules import Right
from members import outbox
from members.rows import insert_new

_log = structlog.get_logger(__name__)

WITHDRAWN = "withdrawn"
TRY_AGAIN = timedelta(minutes=10)
LOOK_AGAIN = timedelta(days=1)  # where people have to look: an answered dispute, say, lets it go on
_ABOUT_A_YEAR = timedelta(days=300)
_BATCH = 100


def right_of(contribution: Contribution, *, now: datetime) -> Right | None:
    """
    Until when the reader may withdraw; None where that is over, or was never given.

    A contribution that repeats, or that makes a member, is taken for a contract; a gift given once is none.
    """
    if contribution.member_id is None or contribution.imported_at is not None:
        return None
    if not (contribution.is_recurring or contribution.membership_months):
        return None
    if Withdrawal.objects.filter(contribution=contribution).exists():
        return None
    zone = ZoneInfo(settings.NEWSROOM_TIME_ZONE)
    rights = [
        found
        for payment in _kept(contribution)
        if payment.paid_at is not None
        and (not payment.is_renewal or _is_of_a_year(payment))
        and (found := withdrawal_rules.right(payment.paid_at, zone, is_renewal=payment.is_renewal))
    ]
    best = max(rights, key=lambda one: one.until, default=None)
    return best if best is not None and now < best.until else None


def sum_of(contribution: Contribution, *, now: datetime) -> Money:
    """What goes back if it is declared now: all payments that the right covers."""
    return sum(
        (on_request.left_to_refund(payment) for payment in _covered(contribution, now)),
        Money.zero(contribution.currency),
    )


def declare(contribution: Contribution, *, actor: str, now: datetime) -> Withdrawal:
    """
    Withdraw from the contract; the same again is the same declaration.

    :raises NotPossibleNow: the days are over (code "too_late"), or the law gives none.
    """
    made = Withdrawal.objects.filter(contribution=contribution).first()
    if made is not None:
        return made
    with transaction.atomic():
        row = locked().get(pk=contribution.pk)
        right = right_of(row, now=now)
        if right is None:
            made = Withdrawal.objects.filter(contribution=row).first()
            if made is not None:
                return made
            raise NotPossibleNow(
                "The days in which one can withdraw are over. It can be stopped at any time.",
                code="too_late",
            )
        back = sum_of(row, now=now)
        insert_new(
            [Withdrawal(contribution=row, declared_at=now, actor=actor, place=right.place, next_try_at=now)]
        )
        _note_change(row, actor=actor, now=now)
        _owe_receipt(row, back, now=now)
    _log.info("withdrawn", contribution=str(contribution.public_id), place=right.place)
    return Withdrawal.objects.get(contribution=contribution)


def _note_change(contribution: Contribution, *, actor: str, now: datetime) -> None:
    subscription: Subscription | None = getattr(contribution, "subscription", None)
    if subscription is None:
        before = Picture(
            contribution.amount_minor,
            contribution.fee_cover_minor,
            contribution.currency,
            contribution.interval,
        )
    else:
        before = standing.get(contribution).now
    insert_new(
        [
            ContributionChange(
                contribution=contribution,
                kind=ContributionChange.Kind.WITHDRAWAL,
                # A declaration waits for nobody's yes: it is so.
                state=ContributionChange.State.CONFIRMED,
                before=before.stored(),
                after={**before.stored(), "is_ended": True},
                actor=actor,
                once="withdrawal",
                asked_at=now,
                settled_at=now,
            )
        ]
    )


def _owe_receipt(contribution: Contribution, back: Money, *, now: datetime) -> None:
    member, locale = contribution.member, contribution.locale
    assert member is not None, "a right has somebody whose it is"
    outbox.owe(
        kind=WITHDRAWN,
        member=member,
        recipient=member.person.email,
        dedup_key=f"{WITHDRAWN}:{contribution.public_id}",
        context={
            "amount_text": back.format(locale) if back.minor else "",
            "declared_text": f"{letters.day_text(now, locale)}, {_clock_text(now, locale)}",
            "campaign_title": contribution.campaign.title,
            "reference": str(contribution.public_id),
        },
        locale=locale,
        now=now,
    )


def _clock_text(moment: datetime, locale: str) -> str:
    """The time of day by the newsroom's clock."""
    local = moment.astimezone(ZoneInfo(settings.NEWSROOM_TIME_ZONE))
    return str(format_time(local.time(), format="short", locale=locale.replace("-", "_")))


# --- What the task does -------------------------------------------------------------------------------


def carry_out(*, now: datetime, limit: int = _BATCH) -> int:
    """End at Stripe what was withdrawn from, give the money back, close what is done; how many steps were taken."""
    steps = 0
    waiting = Withdrawal.objects.filter(closed_at=None, next_try_at__lte=now)
    for row in list(waiting.select_related("contribution").order_by("next_try_at", "pk")[:limit]):
        try:
            steps += _end(row, now=now) + _give_back(row, now=now) + _close(row, now=now)
        except PaymentsUnavailable:
            _later(row, TRY_AGAIN, "", now=now)
            break
        except DonationError as error:
            _log.error("withdrawal not carried out", withdrawal=row.pk, why=error.code)
            _later(row, LOOK_AGAIN, error.code, now=now)
    return steps


def _end(row: Withdrawal, *, now: datetime) -> int:
    if row.ended_at is not None:
        return 0
    subscription = Subscription.objects.filter(contribution=row.contribution_id).first()
    if subscription is not None and subscription.state != Subscription.State.CANCELLED:
        with suppress(GoneAtStripe):  # it has ended there, and its event is on its way
            gateway.end_now(subscription.stripe_id)
    Withdrawal.objects.filter(pk=row.pk).update(ended_at=now)
    row.ended_at = now
    return 1


def _give_back(row: Withdrawal, *, now: datetime) -> int:
    if row.returned_at is not None:
        return 0
    for payment in _covered(row.contribution, row.declared_at):
        left = on_request.left_to_refund(payment)
        if left.minor:
            on_request.refund(payment, amount=left, reason="requested_by_customer", once="withdrawal")
    Withdrawal.objects.filter(pk=row.pk).update(returned_at=now, problem="")
    row.returned_at = now
    return 1


def _close(row: Withdrawal, *, now: datetime) -> int:
    """Closed when the books say that all is back; a payment that arrived meanwhile goes back as well."""
    left = sum(
        on_request.left_to_refund(payment).minor for payment in _covered(row.contribution, row.declared_at)
    )
    if not left:
        closed = {"closed_at": now, "next_try_at": None, "problem": ""}
        return Withdrawal.objects.filter(pk=row.pk, closed_at=None).update(**closed)
    if row.returned_at is not None and row.returned_at <= now - LOOK_AGAIN:
        # A refund came to nothing, or a payment arrived late. Asking again under the same key changes nothing.
        Withdrawal.objects.filter(pk=row.pk).update(returned_at=None, problem="not_all_is_back")
    _later(row, TRY_AGAIN, row.problem, now=now)
    return 0


def _later(row: Withdrawal, by: timedelta, problem: str, *, now: datetime) -> None:
    Withdrawal.objects.filter(pk=row.pk, closed_at=None).update(next_try_at=now + by, problem=problem)


# --- Which payments -------------------------------------------------------------------------------------


def _kept(contribution: Contribution) -> list[Payment]:
    found = Payment.objects.filter(
        contribution=contribution, state=Payment.State.SUCCEEDED, is_offline=False
    ).exclude(refunded_minor=F("amount_minor"))
    return list(found.order_by("paid_at", "pk"))


def _covered(contribution: Contribution, at: datetime) -> list[Payment]:
    """
    The payments that a withdrawal at that moment is about: all of the first days, or the renewal and what follows.

    What arrives after it was declared is no payment that anybody owed.
    """
    zone = ZoneInfo(settings.NEWSROOM_TIME_ZONE)
    payments = _kept(contribution)
    for place, payment in enumerate(payments):
        if payment.paid_at is None or (payment.is_renewal and not _is_of_a_year(payment)):
            continue
        right = withdrawal_rules.right(payment.paid_at, zone, is_renewal=payment.is_renewal)
        if right is not None and at < right.until:
            return payments[place:]
    return [payment for payment in payments if payment.paid_at is not None and payment.paid_at > at]


def _is_of_a_year(payment: Payment) -> bool:
    start, end = payment.period_start, payment.period_end
    return start is not None and end is not None and end - start >= _ABOUT_A_YEAR
