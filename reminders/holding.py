"""What this floor keeps about a person: for a download, and for an erasure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime

from members import holders
from members.holders import NotYet, Rows, Step, Subject, When
from members.rows import among, insert_new
from reminders import services
from reminders.models import Reminder, ReminderSend, Unsubscription


def register() -> None:
    """Say what this floor keeps."""
    holders.register(
        holders.Holder(name="reminders", collect=collect, steps=[Step("reminders", When.WHILE, _forget)])
    )


def collect(subject: Subject) -> Mapping[str, Rows]:
    """What they asked to be reminded of, each mail of it, and whether they want none."""
    reminders = Reminder.objects.filter(among("email_hash", subject.all_hashes)).order_by("created_at", "pk")
    sends = ReminderSend.objects.filter(reminder__in=reminders.values("pk")).select_related("reminder")
    unsubscribed = Unsubscription.objects.filter(among("email_hash", subject.all_hashes))
    return {
        "reminders": [
            {
                "id": row.public_id,
                "kind": row.kind,
                "state": row.state,
                "email": row.email,
                "language": row.locale,
                "time_zone": row.time_zone,
                "country": row.country,
                "page": row.source,
                "next_or_last_month": row.period,
                "every_months": row.frequency_months,
                "consent_version": row.consent_version,
                "asked_at": row.created_at,
                "confirmed_at": row.confirmed_at,
                "ended_at": row.ended_at,
                "held_out": row.held_out,
            }
            for row in reminders
        ],
        "reminder_mails": [
            {
                "reminder": row.reminder.public_id,
                "due_at": row.due_at,
                "state": row.state,
                "why_not": row.reason,
                "sent_on": row.handed_on,
                "followed_at": row.begun_at,
                "gave_at": row.converted_at,
            }
            for row in sends.order_by("due_at", "pk")
        ],
        "wants_no_reminders": [{"since": row.since} for row in unsubscribed],
    }


def _forget(subject: Subject, now: datetime) -> NotYet | None:
    """
    Stop and forget all reminders, and call each address by a word that leads to nobody.

    Who was erased wants no reminders: whoever types the address after that has to say yes to a mail first.
    """
    hashes = subject.all_hashes
    insert_new([Unsubscription(email_hash=one, since=now) for one in hashes])
    services.erase_addresses(hashes, now=now)
    for one in hashes:
        nobody = f"erased:{uuid.uuid4().hex}"
        ReminderSend.objects.filter(person=one).update(person=nobody)
        Reminder.objects.filter(email_hash=one).update(email_hash=nobody)
    return None
