"""
What our mails say, looked up when the outbox sends them: the address and the wish stay in one place, the reminder.

A mail whose campaign ended within the last minutes, or that cannot be written, gets no letter: it stays in the outbox
until its hour is over, and then is decided about anew. One without an address is given up.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from members import crypto, emails
from members.models import Message
from members.rows import among
from reminders import campaigns, letters, zones
from reminders.models import Reminder, ReminderSend, send_of

log = structlog.get_logger(__name__)


def look_up(messages: Sequence[Message], now: datetime) -> dict[str, emails.Letter]:
    """The letter for each of these rows of the outbox, by dedup key; two statements for all."""
    sends = ReminderSend.objects.filter(among("pk", [send_of(message.dedup_key) for message in messages]))
    by_pk = {send.pk: send for send in sends.select_related("reminder")}
    running = campaigns.running({send.reminder.campaign_id for send in by_pk.values()}, now=now)
    found = {}
    for message in messages:
        send = by_pk.get(send_of(message.dedup_key))
        campaign = running.get(send.reminder.campaign_id) if send else None
        if send is None or campaign is None:
            continue
        try:
            context = letters.context(message.kind, _facts(send), campaign)
            emails.check_context(message.kind, context)
        except Exception as error:  # one that cannot be written must not hold up the others
            log.error("reminder not written", send=send.pk, error=type(error).__name__)
            continue
        found[message.dedup_key] = emails.Letter(_address(send.reminder), context)
    return found


def _address(reminder: Reminder) -> str:
    try:
        return reminder.email
    except crypto.Unreadable:
        return ""


def _facts(send: ReminderSend) -> letters.Facts:
    reminder = send.reminder
    return letters.Facts(
        public_id=reminder.public_id,
        rid=send.rid,
        asked_at=reminder.created_at,
        locale=reminder.locale,
        zone=zones.of_reader(time_zone=reminder.time_zone, country=reminder.country),
        interval=reminder.interval,
        amount_minor=reminder.amount_minor,
        currency=reminder.currency,
        every_months=reminder.frequency_months or 0,
        can_be_moved=reminder.is_recurring or reminder.mails_promised == 1,
    )
