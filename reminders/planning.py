"""What comes after a batch was decided about: the next month of a series, the second mail, or the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import F

from members.rows import among, insert_new
from reminders import calendar
from reminders.candidates import Candidate, Step
from reminders.deciding import Verdicts
from reminders.models import Reminder, ReminderSend

SECOND_AFTER = timedelta(days=28)
KEEP_GOING_WITHIN = timedelta(days=28)


def go_on(verdicts: Verdicts, now: datetime) -> None:
    """
    Plan what follows, in the transaction of the batch; each plan once, however often its mail is decided about.

    A single reminder whose mail was handed over is not over yet: the outbox tells when it left (`outcomes`).
    """
    suppressed = [candidate for group in verdicts.suppress.values() for candidate in group]
    _ask_to_go_on([one for one in verdicts.hand_over if one.asks_to_go_on], now)
    _continue_series(
        [one for one in verdicts.hand_over if one.is_recurring and not one.asks_to_go_on],
        [one for one in [*verdicts.hold_out, *suppressed, *verdicts.expire] if one.is_recurring],
        now,
    )
    _plan_second([one for one in [*verdicts.hand_over, *verdicts.hold_out] if one.is_first_of_two])
    _end(
        [one for one in verdicts.hold_out if not one.is_recurring and not one.is_first_of_two],
        Reminder.State.DONE,
        now,
    )
    _end([one for one in suppressed if _is_the_last(one)], Reminder.State.DONE, now)
    _end([one for one in verdicts.expire if _is_the_last(one)], Reminder.State.EXPIRED, now)


def _is_the_last(unsent: Candidate) -> bool:
    """Nothing comes after it: its second mail is only planned once the first was handed over."""
    return not unsent.is_recurring and not (unsent.is_first_of_two and unsent.handovers)


def _ask_to_go_on(asked: Sequence[Candidate], now: datetime) -> None:
    """The reader has to say yes before anything else is planned."""
    _open(asked).update(state=Reminder.State.PENDING_CONFIRM, confirm_by=now + KEEP_GOING_WITHIN)


def _continue_series(mailed: Sequence[Candidate], unsent: Sequence[Candidate], now: datetime) -> None:
    plans: list[ReminderSend] = []
    months: dict[date, list[Candidate]] = defaultdict(list)
    for candidate in [*mailed, *unsent]:
        if candidate.handovers:
            continue  # what follows was planned when it was first handed over
        plan = calendar.following(
            candidate.period,
            anchor_day=candidate.anchor_day,
            every=candidate.every_months or 1,
            zone=candidate.zone,
            after=now,
        )
        plans.append(_planned(candidate, plan.period, calendar.due_at(plan.day, candidate.zone), Step.FIRST))
        months[plan.period].append(candidate)
    insert_new(plans)
    for month, candidates in months.items():
        _open(candidates).update(period=month)
    _open([candidate for candidate in mailed if not candidate.handovers]).update(
        mails_without_answer=F("mails_without_answer") + 1
    )


def _plan_second(firsts: Sequence[Candidate]) -> None:
    plans = []
    for first in firsts:
        if first.handovers:
            continue  # planned when it was first handed over
        day = first.due_at.astimezone(first.zone).date() + SECOND_AFTER
        plans.append(_planned(first, day.replace(day=1), calendar.due_at(day, first.zone), Step.SECOND))
    insert_new(plans)


def _end(over: Sequence[Candidate], state: Reminder.State, now: datetime) -> None:
    _open(over).update(state=state, ended_at=now)


def _open(candidates: Sequence[Candidate]) -> Any:
    if not candidates:
        return Reminder.objects.none()
    return Reminder.objects.filter(
        among("pk", [candidate.reminder for candidate in candidates]), state=Reminder.State.SCHEDULED
    )


def _planned(candidate: Candidate, period: date, due_at: datetime, step: int) -> ReminderSend:
    return ReminderSend(
        reminder_id=candidate.reminder,
        period=period,
        step=step,
        person=candidate.email_hash,
        due_at=due_at,
        ready_at=due_at,
    )
