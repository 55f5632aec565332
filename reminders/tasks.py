"""What workers do for reminders; each can be lost, doubled or late: rows say what is left to do."""

from __future__ import annotations

from celery import shared_task

from members import clock, doorbell, outbox
from reminders import attribution, dispatch, followup, letters, outcomes, services

_MOST_BATCHES = 50  # then ring again, so that one task stays short
# Receipts wait behind what lies in the outbox: a million reminders at once must not make them late.
_MOST_IN_OUTBOX = 5000


@shared_task
def dispatch_reminders(**_later: object) -> None:
    """Decide about what is due and hand it to the outbox, batch after batch."""
    now = clock.now()
    outcomes.follow_outbox(now=now)
    payments_work = followup.payments_work_again(now=now)
    handed = False
    for _ in range(_MOST_BATCHES):
        if outbox.backlog(letters.KINDS) >= _MOST_IN_OUTBOX:
            break  # the mail server has enough to do; the next sweep goes on
        found = dispatch.dispatch_due(now=now, payments_work=payments_work)
        handed = handed or bool(found.handed_over)
        if not found.more:
            break
    else:
        doorbell.ring("reminders.tasks.dispatch_reminders")
    if handed:
        doorbell.ring("members.tasks.send_owed_mail")


@shared_task
def follow_reminders(**_later: object) -> None:
    """Take up payment pages that were left, and count the gifts that came of mails."""
    now = clock.now()
    followup.take_up_abandoned(now=now)
    attribution.count_gifts(now=now)


@shared_task
def tidy_reminders(**_later: object) -> None:
    """Let go what nobody confirmed, and forget addresses."""
    services.tidy(now=clock.now())
