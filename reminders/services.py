"""
What readers do with reminders: ask, say yes, stop, start again, move. Every verb can be repeated.

Who holds a code may do what it is for; a code that is wrong, or whose reminder is over, changes nothing and is no
error, so that nobody learns from an answer whether an address or a code is known.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q

from donations import amounts, forms, queries, recovery
from donations.errors import InvalidWish
from donations.intervals import Interval
from donations.models import Campaign
from donations.money import Money
from members import addresses, bounces, crypto, outbox
from members.models import Bounce, Member
from members.people import People, get_people
from members.rows import insert_new
from reminders import calendar, codes, letters, zones
from reminders.codes import Purpose
from reminders.models import Reminder, ReminderSend, Unsubscription

log = structlog.get_logger(__name__)

State, Kind, SendState = Reminder.State, Reminder.Kind, ReminderSend.State

CONFIRM_WITHIN = timedelta(days=7)
_ERASE_BATCH = 1000
ONE_CONFIRM_MAIL_IN = timedelta(hours=24)
ONE_CONFIRM_MAIL_AFTER_UNSUBSCRIBING_IN = timedelta(days=28)


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What a reader asks for; checked by the serializer, texts are clean, `email` is normalised.

    :param plan: the day, counted in the reader's zone.
    :param amount: with `interval`, what the support page will be filled in with.
    :param due_at: the moment, where it is not ten o'clock of that day.
    :param asked_at: since when a gift makes the mail needless, where that is not now.
    """

    email: str
    kind: Reminder.Kind
    plan: calendar.Plan
    consent_version: str
    campaign: str = ""
    interval: Interval | None = None
    amount: Money | None = None
    locale: str = ""
    time_zone: str = ""
    country: str = ""
    source: dict[str, Any] = field(default_factory=dict)
    contribution_id: uuid.UUID | None = None
    due_at: datetime | None = None
    asked_at: datetime | None = None

    @property
    def zone(self) -> ZoneInfo:
        return zones.of_reader(time_zone=self.time_zone, country=self.country)


# --- Asking


def check(wish: Wish, *, now: datetime) -> Campaign | None:
    """
    The running campaign that the wish names; None if it names none.

    :raises InvalidWish: no such campaign is running, or it does not take that amount. Nothing is stored.
    """
    if not wish.campaign:
        return None
    campaign = queries.get_running_campaign(wish.campaign, now=now)
    if wish.amount is not None and wish.interval is not None:
        ask = queries.get_ask(campaign, currency=wish.amount.currency, interval=wish.interval)
        if code := amounts.fault_of(wish.amount, ask):
            words = forms.explain("amount", code, ask=ask, locale="en")
            raise InvalidWish(words, code=code, fields=("amount",))
    return campaign


def ask_for_reminder(*, wish: Wish, now: datetime) -> Reminder:
    """
    Write down a reader's wish and plan its mail, or first ask the reader to say yes by mail.

    Somebody who asks again for what is planned already changes that plan; there is never a second one. Who has
    stopped a reminder and asks anew gets a new one with new codes.

    :raises InvalidWish: as `check`.
    """
    campaign = check(wish, now=now)
    hashes = crypto.lookup_hashes(addresses.identity(wish.email))
    with transaction.atomic():
        people = get_people(hashes)
        must_confirm = _must_confirm(wish.kind, hashes, people)
        reminder = _new(wish, campaign, hashes[0], people.person(hashes[0]), must_confirm, now)
        if insert_new([reminder]):
            reminder = Reminder.objects.get(public_id=reminder.public_id)
        else:
            restated = _restate(wish, campaign, hashes, now)
            if restated is None:  # taken up before, or stopped this very moment
                return reminder
            reminder = restated
        if reminder.state == State.PENDING_CONFIRM:
            _owe_confirmation(reminder, hashes, people, now=now)
        elif reminder.state == State.SCHEDULED:
            _plan_send(reminder, wish.plan, due_at=_due(wish, now))
    log.info("reminder asked for", reminder=str(reminder.public_id), kind=reminder.kind, state=reminder.state)
    return reminder


def _due(wish: Wish, now: datetime) -> datetime:
    return wish.due_at or calendar.due_at(wish.plan.day, wish.zone)


def _new(
    wish: Wish, campaign: Campaign | None, email_hash: str, person: str, must_confirm: bool, now: datetime
) -> Reminder:
    return Reminder(
        kind=wish.kind,
        state=State.PENDING_CONFIRM if must_confirm else State.SCHEDULED,
        email=wish.email,
        email_hash=email_hash,
        consent_version=wish.consent_version,
        contribution_id=wish.contribution_id,
        mails_promised=settings.REMINDER_MAILS if wish.kind == Kind.ONE_OFF else 1,
        held_out=wish.kind != Kind.OUTAGE and is_held_out(person),
        confirm_by=now + CONFIRM_WITHIN if must_confirm else None,
        **_wanted(wish, campaign, now),
    )


def _wanted(wish: Wish, campaign: Campaign | None, now: datetime) -> dict[str, Any]:
    return {
        "campaign": campaign,
        "interval": wish.interval.value if wish.interval else "",
        "amount_minor": wish.amount.minor if wish.amount else None,
        "currency": wish.amount.currency if wish.amount else "",
        "locale": wish.locale or (campaign.locale if campaign else settings.LANGUAGE_CODE),
        "time_zone": wish.time_zone,
        "country": wish.country,
        "source": wish.source,
        "period": wish.plan.period,
        "anchor_day": wish.plan.anchor_day,
        "frequency_months": wish.plan.every_months or None,
        "created_at": wish.asked_at or now,
    }


def _restate(wish: Wish, campaign: Campaign | None, hashes: list[str], now: datetime) -> Reminder | None:
    """The reminder that this person has already, changed into what they want now."""
    same = Reminder.objects.filter(email_hash__in=hashes, kind=wish.kind, state__in=Reminder.OPEN)
    if wish.kind == Kind.ONE_OFF:
        same = same.filter(period=wish.plan.period)
    found = same.order_by("pk").first()
    if found is None:
        return None
    reminder = _hold(found)
    if reminder is None or reminder.state not in Reminder.OPEN:
        return None
    for name, value in _wanted(wish, campaign, now).items():
        setattr(reminder, name, value)
    reminder.consent_version = wish.consent_version
    reminder.save()
    return reminder


def is_held_out(person: str) -> bool:
    """Whether the lot has fallen on this person: the same each time, so that all their reminders are alike."""
    digest = crypto.lookup_hash(f"reminders.hold-out:{person.partition(':')[2]}").partition(":")[2]
    return int(digest[:8], 16) % 10_000 < settings.REMINDER_HOLD_OUT_PERCENT * 100


# --- Saying yes


def _must_confirm(kind: str, hashes: list[str], people: People) -> bool:
    if kind in (Kind.OUTAGE, Kind.ABANDONED):
        # Asked for on the payment's own way, for one mail; an address that wants none is left alone at send time.
        return False
    if _wants_none(hashes, people):
        return True
    wanted = (
        settings.REMINDER_CONFIRM_RECURRING if kind == Kind.RECURRING else settings.REMINDER_CONFIRM_ONE_OFF
    )
    if not wanted:
        return False
    seen = Reminder.objects.filter(email_hash__in=hashes).exclude(confirmed_at=None).exists()
    return not seen and not Member.objects.filter(email_hash__in=hashes).exists()


def _wants_none(hashes: list[str], people: People) -> bool:
    """
    Whether this person unsubscribed or complained, under whatever address; or the address itself takes no mail.

    :param hashes: of the address that was typed, under each key.
    """
    return (
        Unsubscription.objects.filter(email_hash__in=people.hashes).exists()
        or bounces.is_noted(hashes)
        or (
            bool(people.with_several_addresses)
            and Bounce.objects.filter(email_hash__in=people.hashes, kind=Bounce.Kind.COMPLAINT).exists()
        )
    )


def _owe_confirmation(reminder: Reminder, hashes: list[str], people: People, *, now: datetime) -> None:
    """One mail that asks for a yes; not again for a day, whoever types that address however often."""
    is_out = _wants_none(hashes, people)
    pause = ONE_CONFIRM_MAIL_AFTER_UNSUBSCRIBING_IN if is_out else ONE_CONFIRM_MAIL_IN
    if Reminder.objects.filter(email_hash__in=hashes, confirm_sent_at__gt=now - pause).exists():
        return
    Reminder.objects.filter(pk=reminder.pk).update(confirm_sent_at=now)
    outbox.owe(
        kind=letters.CONFIRM,
        recipient=reminder.email,
        dedup_key=f"reminder_confirm:{reminder.public_id.hex}:{now:%Y%m%dT%H}",
        context=letters.confirmation(reminder),
        locale=reminder.locale,
        now=now,
    )


def confirm(*, code: str, now: datetime) -> Reminder | None:
    """
    The reader says yes: to this reminder, and to all others of the address that wait for it.

    :returns: the reminder, planned now; None for a code that is no good (any more).
    """
    reminder = _find(Purpose.CONFIRM, code)
    if reminder is None:
        return None
    if reminder.state == State.SCHEDULED:
        return reminder
    with transaction.atomic():
        waiting = Reminder.objects.filter(
            email_hash=reminder.email_hash, state=State.PENDING_CONFIRM, confirm_by__gt=now
        )
        held = [found for row in waiting.order_by("pk") if (found := _hold(row))]
        for each in held:
            if each.state != State.PENDING_CONFIRM:
                continue
            plan = _plan_from(each, now)
            each.state, each.confirmed_at, each.confirm_by = State.SCHEDULED, now, None
            each.mails_without_answer = 0
            each.period = plan.period
            each.save()
            _plan_send(each, plan, due_at=calendar.due_at(plan.day, _zone(each)))
        if held:
            Unsubscription.objects.filter(email_hash=reminder.email_hash).delete()
            # The code came by mail: so the address takes mail, and its reader wants some.
            bounces.lift([reminder.email_hash, *crypto.lookup_hashes(addresses.identity(held[0].email))])
    reminder.refresh_from_db()
    return reminder if reminder.state == State.SCHEDULED else None


def _plan_from(reminder: Reminder, now: datetime) -> calendar.Plan:
    """The planned day; if it passed while the reader's yes was awaited, the next one."""
    zone = _zone(reminder)
    day = calendar.day_in(reminder.period, reminder.anchor_day)
    every = reminder.frequency_months or 0
    taken = reminder.sends.filter(period=reminder.period).exists()
    if calendar.due_at(day, zone) > now and not taken:
        return calendar.Plan(day, reminder.anchor_day, every)
    if every:
        return calendar.following(day, anchor_day=reminder.anchor_day, every=every, zone=zone, after=now)
    return calendar.Plan(calendar.next_morning(now, zone).astimezone(zone).date(), reminder.anchor_day)


# --- Stopping, starting again, moving


def cancel(*, code: str, now: datetime) -> Reminder | None:
    """Stop one reminder. Returns it, stopped now or before; None for a code that is no good."""
    reminder = _find(Purpose.STOP, code)
    if reminder is not None:
        _stop([reminder], now)
        reminder.refresh_from_db()
    return reminder


def cancel_all_of_person(*, code: str, now: datetime) -> Reminder | None:
    """
    Stop all reminders of the person to whom the code of one was mailed, as the Guardian's /cancel does.

    Those under other addresses of theirs as well.
    """
    reminder = _find(Purpose.STOP, code)
    if reminder is not None:
        _stop(_open_ones(reminder), now)
    return reminder


def cancel_all(*, code: str, now: datetime) -> Reminder | None:
    """
    Unsubscribe: stop all reminders of this person, under whatever address, and remember that they want none.

    It is remembered of the address that said so, and asked of the person: if staff merged two people by mistake and
    undo it, nobody is left without reminders because of somebody else's wish.
    """
    reminder = _find(Purpose.UNSUBSCRIBE, code)
    if reminder is not None:
        insert_new([Unsubscription(email_hash=reminder.email_hash, since=now)])
        _stop(_open_ones(reminder), now)
    return reminder


def cancel_by_staff(*, reminder: Reminder, actor: str, now: datetime) -> None:
    """Stop one reminder because the reader wrote to us, say."""
    log.info("reminder stopped by staff", reminder=str(reminder.public_id), actor=actor)
    _stop([reminder], now)


def _open_ones(reminder: Reminder) -> list[Reminder]:
    same_person = Q(email_hash__in=get_people([reminder.email_hash]).hashes)
    is_open = Q(state__in=Reminder.OPEN) | Q(sends__state__in=[SendState.PLANNED, SendState.HANDED_OVER])
    return list(Reminder.objects.filter(same_person & is_open).distinct().order_by("pk"))


def _stop(reminders: Sequence[Reminder], now: datetime) -> None:
    """End them, and take back what is planned or still in the outbox."""
    for each in reminders:
        with transaction.atomic():
            reminder = _hold(each)
            if reminder is None:
                continue
            planned = reminder.sends.filter(state=SendState.PLANNED)
            planned.update(state=SendState.SUPPRESSED, reason=ReminderSend.Reason.CANCELLED, decided_at=now)
            handed = list(reminder.sends.filter(state=SendState.HANDED_OVER))
            if handed:
                outbox.withdraw([send.dedup_key for send in handed])
            if reminder.state in Reminder.OPEN:
                reminder.state, reminder.ended_at, reminder.confirm_by = State.CANCELLED, now, None
                reminder.save(update_fields=["state", "ended_at", "confirm_by"])


def reactivate(*, code: str, now: datetime) -> Reminder | None:
    """
    Start a stopped recurring reminder again, counted from today; the reader's own code is their consent.

    :returns: the reminder if it is planned now; None if there is nothing to start again.
    """
    found = _find(Purpose.STOP, code)
    if found is None or not found.is_recurring:
        return None
    with transaction.atomic():
        reminder = _hold(found)
        if reminder is None or reminder.state != State.CANCELLED or not reminder.email:
            return reminder if reminder and reminder.state == State.SCHEDULED else None
        today = now.astimezone(_zone(reminder)).date()
        plan = calendar.every_months(today, reminder.frequency_months or 1)
        reminder.state, reminder.ended_at, reminder.created_at = State.SCHEDULED, None, now
        reminder.confirmed_at = now  # a yes, also after a no under another address of theirs
        reminder.period, reminder.anchor_day = plan.period, plan.anchor_day
        reminder.mails_without_answer = 0
        try:
            with transaction.atomic():
                reminder.save()
        except IntegrityError:  # they have another one by now
            return None
        Unsubscription.objects.filter(email_hash=reminder.email_hash).delete()
        _plan_send(reminder, plan, due_at=calendar.due_at(plan.day, _zone(reminder)))
    return reminder


def move_to_next_month(*, code: str, now: datetime) -> Reminder | None:
    """
    "Next month instead": plan the next mail for the next month, on the same day of it.

    A single reminder can be moved once after its mail, for two mails are the most that it brings.

    :returns: the reminder as it is planned now; None if it cannot be moved.
    """
    found = _find(Purpose.STOP, code)
    if found is None:
        return None
    with transaction.atomic():
        reminder = _hold(found)
        if reminder is None or not reminder.email or reminder.state not in (State.SCHEDULED, State.DONE):
            return None
        zone = _zone(reminder)
        mails = reminder.sends.filter(handed_on__isnull=False, step__in=[1, 2]).count()
        if not reminder.is_recurring and mails >= 2:
            return None
        month = calendar.add_months(now.astimezone(zone).date(), 1)
        plan = calendar.Plan(
            calendar.day_in(month, reminder.anchor_day), reminder.anchor_day, reminder.frequency_months or 0
        )
        reminder.mails_without_answer = 0
        reminder.state, reminder.ended_at, reminder.period = State.SCHEDULED, None, plan.period
        try:
            with transaction.atomic():
                reminder.save()
        except IntegrityError:  # a reminder of theirs is planned for that month already
            return None
        step = ReminderSend.Step.FIRST if reminder.is_recurring or not mails else ReminderSend.Step.SECOND
        _plan_send(reminder, plan, due_at=calendar.due_at(plan.day, zone), step=step, now=now)
    return reminder


# --- Planning


def _plan_send(
    reminder: Reminder,
    plan: calendar.Plan,
    *,
    due_at: datetime,
    step: int = ReminderSend.Step.FIRST,
    now: datetime | None = None,
) -> None:
    """Leave exactly this mail planned: one row for a period and a step, whoever plans it and how often."""
    others = reminder.sends.filter(state=SendState.PLANNED).exclude(period=plan.period, step=step)
    others.update(
        state=SendState.SUPPRESSED,
        reason=ReminderSend.Reason.MOVED,
        decided_at=now or reminder.created_at,
    )
    new = ReminderSend(
        reminder=reminder,
        period=plan.period,
        step=step,
        person=reminder.email_hash,
        due_at=due_at,
        ready_at=due_at,
    )
    if insert_new([new]):
        return
    taken_back = Q(state=SendState.SUPPRESSED, reason__in=["moved", "cancelled"]) | Q(state=SendState.PLANNED)
    reminder.sends.filter(taken_back, period=plan.period, step=step, handovers=0).update(
        state=SendState.PLANNED, reason="", decided_at=None, due_at=due_at, ready_at=due_at
    )


def _hold(reminder: Reminder) -> Reminder | None:
    """
    The reminder as it is now, kept from others until the transaction ends.

    Its sends first, in the order in which the dispatcher takes its locks.
    """
    list(reminder.sends.order_by("pk").select_for_update().values_list("pk", flat=True))
    return Reminder.objects.select_for_update().filter(pk=reminder.pk).first()


def _find(purpose: Purpose, code: str) -> Reminder | None:
    row_id = codes.read(purpose, code)
    return None if row_id is None else Reminder.objects.filter(public_id=row_id).first()


def find(purpose: Purpose, code: str) -> Reminder | None:
    """The reminder that a code is about, with its campaign, to show what can be done; None if it is no good."""
    row_id = codes.read(purpose, code)
    return (
        None
        if row_id is None
        else Reminder.objects.select_related("campaign").filter(public_id=row_id).first()
    )


def _zone(reminder: Reminder) -> ZoneInfo:
    return zones.of_reader(time_zone=reminder.time_zone, country=reminder.country)


# --- Forgetting


def tidy(*, now: datetime) -> int:
    """
    Let go what nobody said yes to, and forget addresses some weeks after the end; how many were forgotten.

    Where the reader was promised one mail about payments, the address goes with the next run after it.
    """
    late = Reminder.objects.filter(state=State.PENDING_CONFIRM, confirm_by__lte=now)
    late.update(state=State.EXPIRED, ended_at=now, confirm_by=None)
    keep = settings.REMINDER_ADDRESS_RETENTION
    over = Q(ended_at__lte=now - keep) | Q(
        kind__in=[Kind.OUTAGE, Kind.ABANDONED], ended_at__lte=now - timedelta(days=1)
    )
    waiting = ReminderSend.objects.filter(state__in=[SendState.PLANNED, SendState.HANDED_OVER])
    # A planned mail of a reminder that is over (it goes out once more) still needs the address.
    done = Reminder.objects.filter(over).exclude(email="").exclude(pk__in=waiting.values("reminder"))
    forgotten = 0
    while ids := list(done.values_list("pk", flat=True)[:_ERASE_BATCH]):
        forgotten += Reminder.objects.filter(pk__in=ids).update(email="", source={}, time_zone="", country="")
    outbox.erase(kinds=letters.KINDS, owed_before=now - keep)
    if forgotten:
        log.info("addresses forgotten", reminders=forgotten)
    return forgotten


def erase_person(*, email: str, now: datetime) -> int:
    """Stop and forget all reminders of a person at once, for a reader who asks to be forgotten; how many."""
    hashes = crypto.lookup_hashes(addresses.identity(addresses.normalise(email)))
    return erase_addresses(get_people(hashes).hashes, now=now)


def erase_addresses(hashes: Collection[str], *, now: datetime) -> int:
    """As `erase_person`, for addresses by their look-up hashes."""
    rows = Reminder.objects.filter(email_hash__in=hashes)
    _stop(list(rows), now)
    recovery.forget([row.contribution_id for row in rows if row.contribution_id])
    return rows.update(email="", source={}, time_zone="", country="")
