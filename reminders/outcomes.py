"""What became of the mails in the outbox, and with them of their reminders."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from members.models import Message
from members.rows import among
from reminders.models import Reminder, ReminderSend, dedup_key

Reason, SendState = ReminderSend.Reason, ReminderSend.State

_BATCH = 1000


def follow_outbox(*, now: datetime, limit: int = _BATCH) -> int:
    """
    Learn from the outbox what became of the mails that were handed to it; of how many something was learned.

    A mail that never left, because the server was away for too long, is planned again and decided anew: perhaps
    its reader gave meanwhile. A single reminder is done when none of its mails is planned or on its way.
    """
    learned, last = 0, 0
    while True:
        with transaction.atomic():
            waiting = ReminderSend.objects.filter(state=SendState.HANDED_OVER, pk__gt=last).order_by("pk")
            waiting = waiting.select_for_update(skip_locked=True)
            rows = list(waiting.values_list("pk", "handovers", "reminder")[:limit])
            if not rows:
                return learned
            last = rows[-1][0]
            learned += _learn_of(rows, now)


def _learn_of(rows: list[tuple[int, int, int]], now: datetime) -> int:
    sends = {dedup_key(pk, handovers): (pk, reminder) for pk, handovers, reminder in rows}
    final = Message.objects.filter(
        among("dedup_key", sends), state__in=[Message.State.SENT, Message.State.FAILED]
    )
    ends: dict[tuple[str, str], list[int]] = defaultdict(list)
    reminders: list[int] = []
    for key, state, code in final.values_list("dedup_key", "state", "failure_code"):
        pk, reminder = sends[key]
        ends[state, code].append(pk)
        reminders.append(reminder)
    learned = sum(_learn(pks, state, code, now) for (state, code), pks in ends.items())
    if reminders:
        _end(reminders, now)
    return learned


def _learn(pks: list[int], state: str, code: str, now: datetime) -> int:
    handed = ReminderSend.objects.filter(among("pk", pks), state=SendState.HANDED_OVER)
    if state == Message.State.SENT:
        return handed.update(state=SendState.SENT)
    if code == "not_in_time":
        return handed.update(state=SendState.PLANNED, decided_at=None, handed_on=None, ready_at=now)
    if code == "withdrawn":
        return handed.update(state=SendState.SUPPRESSED, reason=Reason.CANCELLED, handed_on=None)
    if code == "no_address":
        return handed.update(state=SendState.SUPPRESSED, reason=Reason.ADDRESS_UNREADABLE, handed_on=None)
    reason = Reason.BOUNCED.value if code == "recipient_refused" else code
    return handed.update(state=SendState.FAILED, reason=reason)


def _end(reminders: list[int], now: datetime) -> None:
    to_come = ReminderSend.objects.filter(
        reminder=OuterRef("pk"), state__in=[SendState.PLANNED, SendState.HANDED_OVER]
    )
    over = Reminder.objects.filter(among("pk", reminders), ~Exists(to_come), state=Reminder.State.SCHEDULED)
    over.exclude(kind=Reminder.Kind.RECURRING).update(state=Reminder.State.DONE, ended_at=now)
