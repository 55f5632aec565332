"""
Pauses that end by themselves: how many payments are left out, when Stripe goes on, and the mail before it does.

Stripe goes on drawing up invoices during a pause and voids each. So a pause is a number of payments that are left
out, and it ends between the last of them and the next one, long enough before for the mail.
"""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from donations import letters, links
from donations.intervals import Interval
from donations.models import Subscription
from members import calendar as newsroom
from members import outbox

PAUSE_ENDS = "pause_ends"
LONGEST = {Interval.MONTH.value: 3, Interval.YEAR.value: 1}  # payments that a reader can leave out
BEFORE_PAYMENT = {Interval.MONTH.value: timedelta(days=1), Interval.YEAR.value: timedelta(days=60)}
TOLD_BEFORE = timedelta(days=7)
_UTC = ZoneInfo("UTC")
_BATCH = 200


def payments_to_come(subscription: Subscription, count: int) -> list[datetime]:
    """
    The moments at which Stripe would take the next payments, whether or not it is paused.

    Stripe keeps to the day of the month on which it began, or to the last day of a month that is too short. Of a day
    that is the last of its month, the earlier periods tell which day that was.
    """
    first = subscription.current_period_end
    if first is None:
        return []
    step = 12 if subscription.interval == Interval.YEAR else 1
    anchor = _anchor_day(subscription, first)
    found = []
    for number in range(count):
        moment = newsroom.add_months(first, number * step, _UTC)
        last = calendar.monthrange(moment.year, moment.month)[1]
        found.append(moment.replace(day=min(anchor, last)))
    return found


def _anchor_day(subscription: Subscription, first: datetime) -> int:
    if first.day < calendar.monthrange(first.year, first.month)[1]:
        return first.day
    earlier = subscription.contribution.payments.filter(period_start__isnull=False)
    starts = earlier.values_list("period_start", flat=True)
    return max([first.day, *(moment.day for moment in starts if moment is not None)])


def resumes_at(subscription: Subscription, payments: int) -> tuple[datetime, datetime]:
    """
    When a pause that leaves out so many payments ends, and when the payment after it is taken.

    Of one that is paused already, it is the payments after that pause that are left out as well.
    """
    moments = payments_to_come(subscription, 24)
    begins = subscription.pause_resumes_at
    if subscription.state == Subscription.State.PAUSED and begins is not None:
        moments = [moment for moment in moments if moment > begins]
    following = moments[payments]
    return following - BEFORE_PAYMENT[subscription.interval], following


def payment_after(subscription: Subscription, resumes: datetime) -> datetime | None:
    """The first payment that is taken after a pause has ended at that moment."""
    return next((moment for moment in payments_to_come(subscription, 15) if moment > resumes), None)


# --- The mail before it goes on -----------------------------------------------------------------------


def tell_of_ends(*, now: datetime, limit: int = _BATCH) -> int:
    """
    Owe the mails about pauses that end within a week; how many were new.

    Annual contributions have a notice before each payment in any case (`notices`).
    """
    told = 0
    for subscription in _ending(now)[:limit]:
        contribution = subscription.contribution
        resumes = subscription.pause_resumes_at
        charge_at = payment_after(subscription, resumes) if resumes else None
        if contribution.member is None or resumes is None or charge_at is None:
            continue
        locale = contribution.locale
        told += outbox.owe(
            kind=PAUSE_ENDS,
            member=contribution.member,
            recipient=contribution.member.person.email,
            dedup_key=f"{PAUSE_ENDS}:{subscription.pk}:{resumes:%Y%m%dT%H%M%S}",
            context={
                "amount_text": subscription.amount.format(locale),
                "charge_on": letters.day_text(charge_at, locale),
                "skip_url": links.action_page(subscription, links.SKIP, occasion=f"pause:{resumes:%Y%m%d}"),
                "stop_url": links.stop_page(subscription),
            },
            locale=locale,
            now=now,
            deliver_before=charge_at,
        )
    return told


def _ending(now: datetime) -> QuerySet[Subscription]:
    # One whose mail was owed is found again until its pause is over; the mail's key keeps that from doing harm.
    return (
        Subscription.objects.filter(
            state=Subscription.State.PAUSED,
            interval=Interval.MONTH.value,
            pause_resumes_at__gt=now,
            pause_resumes_at__lte=now + TOLD_BEFORE,
        )
        .select_related("contribution__member__merged_into")
        .order_by("pause_resumes_at", "pk")
    )


def end_is_wanted(dedup_key: str) -> bool:
    """Whether the pause still ends at that moment, or has just ended; asked right before the mail leaves."""
    _, pk, moment = dedup_key.split(":")
    found = Subscription.objects.filter(pk=int(pk), cancel_at=None).first()
    if found is None or found.state not in (Subscription.State.PAUSED, Subscription.State.ACTIVE):
        return False
    return found.pause_resumes_at is None or f"{found.pause_resumes_at:%Y%m%dT%H%M%S}" == moment
