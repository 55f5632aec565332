"""
Sending what is due: take a batch, decide about each, hand those that go out to the outbox; all or nothing.

A batch is one transaction: the claim, every decision with its reason, the mails in the outbox and the next plans
stand together or not at all. So a crash anywhere repeats the batch, and two dispatchers, two beats or a clock
that jumps find rows that are locked, or decided. What a batch costs does not depend on how many are due.

Whether to write to somebody is decided here and now, from what is known now: who gave this morning gets no mail.
How a batch becomes fast is told in docs/decisions/0016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F

from members import outbox
from members.rows import among
from reminders import campaigns, candidates, deciding, letters, planning
from reminders.candidates import Candidate, Step
from reminders.deciding import Verdicts
from reminders.models import Reminder, ReminderSend, Switch, dedup_key

log = structlog.get_logger(__name__)

SendState = ReminderSend.State

BATCH = 2000
IN_OUTBOX = timedelta(hours=1)  # what the mail server did not take by then is decided anew
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Dispatched:
    """
    How many were handed to the outbox, left out for a reason or by lot, too late, and put off until morning.

    :param more: whether others may be due as well.
    """

    handed_over: int = 0
    suppressed: int = 0
    held_out: int = 0
    expired: int = 0
    waiting: int = 0
    more: bool = False


def dispatch_due(*, now: datetime, limit: int = BATCH, payments_work: bool = True) -> Dispatched:
    """
    Decide about one batch of the mails that are due, in one transaction.

    :param payments_work: whether mails that wait for payments may go; else they are looked at again later.
    :returns: what was decided; nothing while staff hold reminders back.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            with transaction.atomic():
                return _dispatch(now=now, limit=limit, payments_work=payments_work)
        except (IntegrityError, OperationalError) as error:
            # Another dispatcher wrote to one of these people this very moment: look again, and see it.
            log.info("reminders looked at again", why=type(error).__name__)
            if not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


def _dispatch(*, now: datetime, limit: int, payments_work: bool) -> Dispatched:
    if Switch.objects.filter(is_paused=True).exists():
        return Dispatched()
    batch = candidates.claim(now=now, limit=limit)
    if not batch:
        return Dispatched()
    running = campaigns.running({candidate.campaign for candidate in batch}, now=now)
    verdicts = deciding.decide(batch, running=running.keys(), payments_work=payments_work, now=now)
    _hand_over(verdicts.hand_over, now)
    _write_down(verdicts, now)
    planning.go_on(verdicts, now)
    found = Dispatched(
        handed_over=len(verdicts.hand_over),
        suppressed=sum(map(len, verdicts.suppress.values())),
        held_out=len(verdicts.hold_out),
        expired=len(verdicts.expire),
        waiting=sum(map(len, verdicts.wait.values())),
        more=len(batch) == limit,
    )
    log.info("reminders dispatched", handed_over=found.handed_over, suppressed=found.suppressed)
    return found


def _hand_over(leaving: Sequence[Candidate], now: datetime) -> None:
    """Owe the mails. What they say is looked up when they are sent (`writing`)."""
    promises = [
        outbox.Promise(
            kind=_kind_of_mail(candidate),
            dedup_key=dedup_key(candidate.pk, candidate.handovers + 1),
            recipient_hash=candidate.email_hash,
            locale=candidate.locale,
        )
        for candidate in leaving
    ]
    outbox.owe_many(promises, deliver_before=now + IN_OUTBOX, now=now)


_OF_KIND = {Reminder.Kind.OUTAGE.value: letters.OUTAGE, Reminder.Kind.ABANDONED.value: letters.ABANDONED}


def _kind_of_mail(candidate: Candidate) -> str:
    if candidate.asks_to_go_on:
        return letters.KEEP_GOING
    if candidate.step == Step.SECOND:
        return letters.SECOND
    return _OF_KIND.get(candidate.kind, letters.REMIND)


def _write_down(verdicts: Verdicts, now: datetime) -> None:
    _rows([candidate for candidate in verdicts.hand_over if candidate.asks_to_go_on]).update(
        step=Step.KEEP_GOING
    )
    _rows(verdicts.hand_over).update(
        state=SendState.HANDED_OVER,
        decided_at=now,
        handed_on=now.astimezone(UTC).date(),
        handovers=F("handovers") + 1,
    )
    _rows(verdicts.hold_out).update(state=SendState.HELD_OUT, decided_at=now)
    _rows(verdicts.expire).update(state=SendState.EXPIRED, decided_at=now)
    for reason, suppressed in verdicts.suppress.items():
        _rows(suppressed).update(state=SendState.SUPPRESSED, reason=reason, decided_at=now)
    for moment, waiting in verdicts.wait.items():
        _rows(waiting).update(ready_at=moment)


def _rows(some: Sequence[Candidate]) -> Any:
    if not some:
        return ReminderSend.objects.none()
    return ReminderSend.objects.filter(
        among("pk", [candidate.pk for candidate in some]), state=SendState.PLANNED
    )
