"""
Reminders that readers did not ask for by date: a payment page left unpaid, and payments that did not work.

Both need the reader's yes beforehand, both bring one mail, and both are forgotten the day after.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from donations import givers, services
from donations.errors import InvalidWish
from donations.intervals import Interval
from members import addresses
from reminders import calendar, zones
from reminders.models import Reminder, ReminderSend
from reminders.services import Wish, ask_for_reminder

_TAKEN_UP_FOR = timedelta(days=7)


def payments_work_again(*, now: datetime) -> bool:
    """Whether Stripe answers; it is only asked while somebody waits for it."""
    waiting = ReminderSend.objects.filter(
        state=ReminderSend.State.PLANNED, ready_at__lte=now, reminder__kind=Reminder.Kind.OUTAGE
    )
    return waiting.exists() and services.payments_work()


def take_up_abandoned(*, now: datetime) -> int:
    """
    One reminder for each payment page that closed unpaid, where campaign and reader agreed to that; how many.

    It is due the next morning that is at least half a day away, in the newsroom's zone.
    """
    zone = zones.of_reader(time_zone="", country="")
    taken_up = 0
    candidates = givers.get_abandoned_contributions(since=now - _TAKEN_UP_FOR)
    known = set(
        Reminder.objects.filter(contribution_id__in=[row.public_id for row in candidates]).values_list(
            "contribution_id", flat=True
        )
    )
    for contribution in candidates:
        if contribution.public_id in known:
            continue
        due_at = calendar.next_morning(now + timedelta(hours=12), zone)
        day = due_at.astimezone(zone).date()
        try:
            ask_for_reminder(
                wish=Wish(
                    email=addresses.normalise(contribution.email),
                    kind=Reminder.Kind.ABANDONED,
                    plan=calendar.Plan(day, day.day),
                    consent_version=settings.REMINDER_CONSENT_VERSION,
                    campaign=contribution.campaign.slug,
                    interval=Interval(contribution.interval),
                    amount=contribution.amount,
                    locale=contribution.locale,
                    source={"component": "abandoned_checkout"},
                    contribution_id=contribution.public_id,
                    due_at=due_at,
                    asked_at=contribution.created_at,
                ),
                now=now,
            )
        except (InvalidWish, addresses.InvalidAddress):
            continue  # the campaign ended meanwhile, say
        taken_up += 1
    return taken_up
