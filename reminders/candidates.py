"""The mails that are due: taken in batches, each with just what is needed to decide about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from members.rows import among, read
from reminders import calendar, zones
from reminders.models import Reminder, ReminderSend

Kind, Step = Reminder.Kind, ReminderSend.Step

ANSWER_AFTER = 6  # mails of a recurring reminder without an answer, then we ask whether to go on
OUTAGE_LASTS = timedelta(hours=72)


@dataclass(slots=True)
class Candidate:
    """A planned mail with what is needed to decide about it; plain values, for they come by the thousand."""

    pk: int
    step: int
    due_at: datetime
    handovers: int
    period: date
    reminder: int
    kind: str
    email_hash: str
    locale: str
    time_zone: str
    country: str
    campaign: int | None
    asked_at: datetime
    every_months: int | None
    anchor_day: int
    mails_promised: int
    mails_without_answer: int
    held_out: bool

    @property
    def zone(self) -> ZoneInfo:
        return zones.of_reader(time_zone=self.time_zone, country=self.country)

    @property
    def is_recurring(self) -> bool:
        return self.every_months is not None

    @property
    def is_first_of_two(self) -> bool:
        """Whether a second mail was promised, four weeks after this one."""
        return self.kind == Kind.ONE_OFF and self.step == Step.FIRST and self.mails_promised > 1

    @property
    def asks_to_go_on(self) -> bool:
        """Whether the mail is the question whether to go on with a series."""
        if self.handovers:  # handed over before, and never left
            return self.step == Step.KEEP_GOING
        return self.is_recurring and self.mails_without_answer >= ANSWER_AFTER

    @property
    def latest(self) -> datetime:
        """After this moment it comes too late."""
        if self.kind == Kind.OUTAGE:
            return self.asked_at + OUTAGE_LASTS
        return self.due_at + calendar.LATEST


_COLUMNS = (
    "pk", "step", "due_at", "handovers", "period", "reminder", "reminder__kind", "reminder__email_hash",
    "reminder__locale", "reminder__time_zone", "reminder__country", "reminder__campaign", "reminder__created_at",
    "reminder__frequency_months", "reminder__anchor_day", "reminder__mails_promised",
    "reminder__mails_without_answer", "reminder__held_out",
)  # fmt: skip


def claim(*, now: datetime, limit: int) -> list[Candidate]:
    """
    A batch of what is due, the longest due first, kept from other dispatchers until the transaction ends.

    Where the database can, rows that another dispatcher holds are skipped; SQLite lets one writer in at a time.
    """
    due = ReminderSend.objects.filter(state=ReminderSend.State.PLANNED, ready_at__lte=now)
    due = due.order_by("ready_at", "id")
    ids = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
    if not ids:
        return []
    rows = ReminderSend.objects.filter(among("pk", ids), state=ReminderSend.State.PLANNED)
    return [Candidate(*row) for row in read(rows.order_by("ready_at", "id").values_list(*_COLUMNS))]
