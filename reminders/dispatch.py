"""
Sending what is due: take a batch, decide about each, hand those that go out to the outbox; all or nothing.

A batch is one transaction: the claim, every decision with its reason, the mails in the outbox and the next plans
stand together or not at all. So a crash anywhere repeats the batch, and two dispatchers, two beats or a clock
that jumps find rows that are locked, or decided. What a batch costs does not depend on how many are due.

Whether to write to somebody is decided here and now, from what is known now: who gave this morning gets no mail.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F

from donations.models import Campaign
from members import crypto, outbox
from members.fields import Sealed
from members.models import Message
from members.rows import insert_new
from reminders import calendar, letters, suppression, zones
from reminders.models import Reminder, ReminderSend, Switch, dedup_key

log = structlog.get_logger(__name__)

SendState, Step, Reason = ReminderSend.State, ReminderSend.Step, ReminderSend.Reason

BATCH = 1000
IN_OUTBOX = timedelta(hours=1)  # what the mail server did not take by then is decided anew
ANSWER_AFTER = 6  # mails of a recurring reminder without an answer, then we ask whether to go on
SECOND_AFTER = timedelta(days=28)
KEEP_GOING_WITHIN = timedelta(days=28)
OUTAGE_LASTS = timedelta(hours=72)
OUTAGE_LOOKS = timedelta(minutes=5)
_TRIES = 3


@dataclass(slots=True)
class Candidate:
    """A planned mail with what is needed to decide about it and to write it."""

    pk: int
    rid: uuid.UUID
    step: int
    due_at: datetime
    handovers: int
    reminder: int
    public_id: uuid.UUID
    kind: str
    sealed_email: Sealed
    email_hash: str
    locale: str
    time_zone: str
    country: str
    campaign: int | None
    interval: str
    amount_minor: int | None
    currency: str
    asked_at: datetime
    period: date
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
        return self.kind == Reminder.Kind.RECURRING

    @property
    def asks_to_go_on(self) -> bool:
        if self.handovers:  # handed over before, and never left
            return self.step == Step.KEEP_GOING
        return self.is_recurring and self.mails_without_answer >= ANSWER_AFTER

    @property
    def latest(self) -> datetime:
        """After this moment it comes too late."""
        return (
            self.asked_at + OUTAGE_LASTS
            if self.kind == Reminder.Kind.OUTAGE
            else self.due_at + calendar.LATEST
        )


_COLUMNS = (
    "pk", "rid", "step", "due_at", "handovers", "reminder", "reminder__public_id", "reminder__kind",
    "reminder__email", "reminder__email_hash", "reminder__locale", "reminder__time_zone", "reminder__country",
    "reminder__campaign", "reminder__interval", "reminder__amount_minor", "reminder__currency",
    "reminder__created_at", "period", "reminder__frequency_months", "reminder__anchor_day",
    "reminder__mails_promised", "reminder__mails_without_answer", "reminder__held_out",
)  # fmt: skip


@dataclass(slots=True)
class Verdicts:
    """What was decided about a batch."""

    hand_over: list[Candidate] = field(default_factory=list)
    hold_out: list[Candidate] = field(default_factory=list)
    expire: list[Candidate] = field(default_factory=list)
    wait: dict[datetime, list[Candidate]] = field(default_factory=lambda: defaultdict(list))
    suppress: dict[str, list[Candidate]] = field(default_factory=lambda: defaultdict(list))


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
    batch = _claim(now=now, limit=limit)
    if not batch:
        return Dispatched()
    campaigns = _campaigns(batch, now)
    verdicts = _decide(batch, campaigns, now=now, payments_work=payments_work)
    _hand_over(verdicts, campaigns, now)
    _write_down(verdicts, now)
    _go_on(verdicts, now)
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


def _claim(*, now: datetime, limit: int) -> list[Candidate]:
    due = ReminderSend.objects.filter(state=SendState.PLANNED, ready_at__lte=now).order_by("ready_at", "id")
    # Where the database can, rows that another dispatcher holds are skipped; SQLite lets one writer in at a time.
    ids = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
    if not ids:
        return []
    rows = ReminderSend.objects.filter(pk__in=ids, state=SendState.PLANNED).order_by("ready_at", "id")
    return [Candidate(*row) for row in rows.values_list(*_COLUMNS)]


def _campaigns(batch: Sequence[Candidate], now: datetime) -> dict[int | None, Campaign]:
    """The running campaigns that the batch is about; under None the one for wishes that named none."""
    wanted = {candidate.campaign for candidate in batch}
    running = {
        campaign.pk: campaign
        for campaign in Campaign.objects.filter(is_published=True, starts_at__lte=now)
        if not campaign.has_ended(now)
    }
    found: dict[int | None, Campaign] = {pk: running[pk] for pk in wanted if pk in running}
    if None in wanted and running:
        found[None] = max(running.values(), key=lambda campaign: (campaign.starts_at, campaign.pk))
    return found


# --- Deciding


def _decide(
    batch: Sequence[Candidate], campaigns: dict[int | None, Campaign], *, now: datetime, payments_work: bool
) -> Verdicts:
    verdicts = Verdicts()
    awake: list[Candidate] = []
    for candidate in batch:
        zone = candidate.zone
        if now > candidate.latest:
            verdicts.expire.append(candidate)
        elif candidate.kind == Reminder.Kind.OUTAGE and not payments_work:
            verdicts.wait[now + OUTAGE_LOOKS].append(candidate)
        elif calendar.is_night(now, zone):
            verdicts.wait[calendar.next_morning(now, zone)].append(candidate)
        else:
            awake.append(candidate)
    reasons = suppression.reasons(
        [_asker(candidate) for candidate in awake], running=campaigns.keys(), now=now
    )
    for candidate in awake:
        reason = reasons.get(candidate.pk)
        if reason is not None:
            verdicts.suppress[reason].append(candidate)
        elif candidate.held_out:
            verdicts.hold_out.append(candidate)
        else:
            verdicts.hand_over.append(candidate)
    return verdicts


def _asker(candidate: Candidate) -> suppression.Asker:
    return suppression.Asker(
        send=candidate.pk,
        reminder=candidate.reminder,
        kind=candidate.kind,
        step=candidate.step,
        email_hash=candidate.email_hash,
        campaign=candidate.campaign,
        asked_at=candidate.asked_at,
        due_at=candidate.due_at,
        period=candidate.period,
    )


# --- Handing over


def _hand_over(verdicts: Verdicts, campaigns: dict[int | None, Campaign], now: datetime) -> None:
    promises = []
    written = []
    for candidate in verdicts.hand_over:
        try:
            address = _EMAIL.open(_Row(candidate.public_id), candidate.sealed_email)
        except crypto.Unreadable:
            address = ""
        if not address:
            verdicts.suppress[Reason.ADDRESS_UNREADABLE].append(candidate)
            continue
        try:
            promise = _promise(candidate, address, campaigns[candidate.campaign], now)
        except Exception as error:  # one that cannot be written must not hold up the others
            log.error("reminder not written", send=candidate.pk, error=type(error).__name__)
            verdicts.suppress[Reason.NOT_WRITTEN].append(candidate)
            continue
        written.append(candidate)
        promises.append(promise)
    verdicts.hand_over = written
    outbox.owe_many(promises, now=now)


@dataclass(frozen=True, slots=True)
class _Row:
    """As much of a reminder as opening its address takes."""

    public_id: uuid.UUID


_EMAIL: Any = Reminder._meta.get_field("email")


def _promise(candidate: Candidate, address: str, campaign: Campaign, now: datetime) -> outbox.Promise:
    kind = _kind_of_mail(candidate)
    facts = letters.Facts(
        public_id=candidate.public_id,
        rid=candidate.rid,
        asked_at=candidate.asked_at,
        locale=candidate.locale,
        zone=candidate.zone,
        interval=candidate.interval,
        amount_minor=candidate.amount_minor,
        currency=candidate.currency,
        every_months=candidate.every_months or 0,
        can_be_moved=candidate.is_recurring or candidate.mails_promised == 1,
    )
    return outbox.Promise(
        kind=kind,
        recipient=address,
        dedup_key=dedup_key(candidate.rid, candidate.handovers + 1),
        context=letters.context(kind, facts, campaign),
        locale=candidate.locale,
        deliver_before=now + IN_OUTBOX,
    )


def _kind_of_mail(candidate: Candidate) -> str:
    if candidate.asks_to_go_on:
        return letters.KEEP_GOING
    if candidate.step == Step.SECOND:
        return letters.SECOND
    return {Reminder.Kind.OUTAGE.value: letters.OUTAGE, Reminder.Kind.ABANDONED.value: letters.ABANDONED}.get(
        candidate.kind, letters.REMIND
    )


# --- Writing down what was decided


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
    for reason, candidates in verdicts.suppress.items():
        _rows(candidates).update(state=SendState.SUPPRESSED, reason=reason, decided_at=now)
    for moment, candidates in verdicts.wait.items():
        _rows(candidates).update(ready_at=moment)


def _rows(candidates: Sequence[Candidate]) -> Any:
    if not candidates:
        return ReminderSend.objects.none()
    return ReminderSend.objects.filter(
        pk__in=[candidate.pk for candidate in candidates], state=SendState.PLANNED
    )


def _go_on(verdicts: Verdicts, now: datetime) -> None:
    """What comes after: the next month of a series, the second mail of a single one, or the end."""
    out = verdicts.hand_over + verdicts.hold_out
    decided = (
        out + [candidate for group in verdicts.suppress.values() for candidate in group] + verdicts.expire
    )
    handed = {candidate.pk for candidate in verdicts.hand_over}
    asked = [candidate for candidate in verdicts.hand_over if candidate.asks_to_go_on]
    asked_pks = {candidate.pk for candidate in asked}
    plans: list[ReminderSend] = []
    periods: dict[date, list[int]] = defaultdict(list)
    answered_less: list[int] = []
    ended: list[int] = []
    expired = {candidate.pk for candidate in verdicts.expire}
    too_late: list[int] = []
    for candidate in decided:
        if candidate.handovers or candidate.pk in asked_pks:
            continue  # what follows was settled when it was first handed over; or the reader has to say yes
        if candidate.is_recurring:
            plan = _next_of_series(candidate, now)
            plans.append(
                _planned(candidate, plan.period, calendar.due_at(plan.day, candidate.zone), Step.FIRST)
            )
            periods[plan.period].append(candidate.reminder)
            if candidate.pk in handed:
                answered_less.append(candidate.reminder)
        elif _has_second(candidate) and candidate in out:
            day = candidate.due_at.astimezone(candidate.zone).date() + SECOND_AFTER
            due = calendar.due_at(day, candidate.zone)
            plans.append(_planned(candidate, day.replace(day=1), due, Step.SECOND))
        else:
            (too_late if candidate.pk in expired else ended).append(candidate.reminder)
    insert_new(plans)
    for period, reminders in periods.items():
        _open(reminders).update(period=period)
    _open(answered_less).update(mails_without_answer=F("mails_without_answer") + 1)
    _open(ended).update(state=Reminder.State.DONE, ended_at=now)
    _open(too_late).update(state=Reminder.State.EXPIRED, ended_at=now)
    _open([candidate.reminder for candidate in asked]).update(
        state=Reminder.State.PENDING_CONFIRM, confirm_by=now + KEEP_GOING_WITHIN
    )


def _open(reminders: Iterable[int]) -> Any:
    found = list(reminders)
    if not found:
        return Reminder.objects.none()
    return Reminder.objects.filter(pk__in=found, state=Reminder.State.SCHEDULED)


def _has_second(candidate: Candidate) -> bool:
    is_single = candidate.kind == Reminder.Kind.ONE_OFF
    return is_single and candidate.step == Step.FIRST and candidate.mails_promised > 1


def _next_of_series(candidate: Candidate, now: datetime) -> calendar.Plan:
    return calendar.following(
        candidate.period,
        anchor_day=candidate.anchor_day,
        every=candidate.every_months or 1,
        zone=candidate.zone,
        after=now,
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


# --- What became of those in the outbox


def follow_outbox(*, now: datetime, limit: int = BATCH) -> int:
    """
    Learn from the outbox what became of the mails that were handed to it; of how many something was learned.

    A mail that never left, because the server was away for too long, is planned again and decided anew: perhaps
    its reader gave meanwhile.
    """
    learned, last = 0, 0
    waiting = ReminderSend.objects.filter(state=SendState.HANDED_OVER).order_by("pk")
    while rows := list(waiting.filter(pk__gt=last).values_list("pk", "rid", "handovers")[:limit]):
        last = rows[-1][0]
        keys = {dedup_key(rid, handovers): pk for pk, rid, handovers in rows}
        final = Message.objects.filter(
            dedup_key__in=keys, state__in=[Message.State.SENT, Message.State.FAILED]
        )
        ends: dict[tuple[str, str], list[int]] = defaultdict(list)
        for key, state, code in final.values_list("dedup_key", "state", "failure_code"):
            ends[state, code].append(keys[key])
        for (state, code), pks in ends.items():
            learned += _learn(pks, state, code, now)
    return learned


def _learn(pks: list[int], state: str, code: str, now: datetime) -> int:
    handed = ReminderSend.objects.filter(pk__in=pks, state=SendState.HANDED_OVER)
    if state == Message.State.SENT:
        return handed.update(state=SendState.SENT)
    if code == "not_in_time":
        return handed.update(state=SendState.PLANNED, decided_at=None, handed_on=None, ready_at=now)
    if code == "withdrawn":
        return handed.update(state=SendState.SUPPRESSED, reason=Reason.CANCELLED, handed_on=None)
    reason = Reason.BOUNCED.value if code == "recipient_refused" else code
    return handed.update(state=SendState.FAILED, reason=reason)
