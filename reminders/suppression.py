"""
Why a reminder is not sent, asked at the moment of sending, for a whole batch at once.

Each question is one query about many people; the first reason that fits counts and is kept with the send. A person
may have several addresses: what they gave, what they had and what they want none of counts for all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Max

from donations import givers
from members.models import Bounce
from members.people import People, get_people, hold
from members.queries import get_refused_hashes
from members.rows import among
from reminders.candidates import Candidate
from reminders.models import Reminder, ReminderSend, Unsubscription

Reason, SendState = ReminderSend.Reason, ReminderSend.State

ONE_MAIL_IN = timedelta(days=28)
MAILS_A_YEAR = 12
A_YEAR = timedelta(days=365)
DISPUTED_LATELY = timedelta(days=90)
_LEFT = (SendState.HANDED_OVER, SendState.SENT, SendState.FAILED)


def reasons(askers: Sequence[Candidate], *, running: Collection[int | None], now: datetime) -> dict[int, str]:
    """
    For each mail that must not be sent, by the send's id, the reason (`ReminderSend.Reason`).

    :param running: the campaigns to which something can be given now.
    """
    if not askers:
        return {}
    people = get_people({asker.email_hash for asker in askers})
    # A dispatcher with a reminder under another address of one of them waits here, and then sees our mails.
    hold(people)
    gave = _last_gifts(people, now)
    unsubscribed = _unsubscribed(askers, people)
    refused = get_refused_hashes({asker.email_hash for asker in askers})
    given = _given(askers, people, gave)
    answered = _answered([asker.reminder for asker in askers if asker.step == ReminderSend.Step.SECOND])
    mails = _mails_this_year(people, now)
    one_offs = _one_offs_to_come([a for a in askers if a.is_recurring], askers, people)
    today = now.astimezone(UTC).date()
    found: dict[int, str] = {}
    taken: set[str] = set()
    # Of two mails for one person, a single reminder goes before one that repeats, and what was due earlier first.
    for asker in sorted(askers, key=lambda a: (a.is_recurring, a.due_at, a.pk)):
        person = people.person(asker.email_hash)
        reader = gave.get(person, _NOTHING)
        days = mails.get(person, ())
        reason = None
        if asker.reminder in given:
            reason = Reason.GIVEN
        elif reader.has_recurring:
            reason = Reason.RECURRING
        elif asker.reminder in unsubscribed:
            reason = Reason.UNSUBSCRIBED
        elif asker.email_hash in refused:
            reason = Reason.BOUNCED
        elif reader.has_disputed:
            reason = Reason.DISPUTED
        elif asker.campaign not in running:
            reason = Reason.CAMPAIGN_OVER
        elif asker.reminder in answered:
            reason = Reason.ANSWERED
        elif (person, asker.period) in one_offs and asker.is_recurring:
            reason = Reason.ONE_OFF_INSTEAD
        elif person in taken or any(today - day < ONE_MAIL_IN for day in days) or len(days) >= MAILS_A_YEAR:
            reason = Reason.CAP
        if reason is None:
            taken.add(person)
        else:
            found[asker.pk] = reason.value
    return found


@dataclass(slots=True)
class _Reader:
    """What the books say of a person."""

    last_at: datetime | None = None
    has_recurring: bool = False
    has_disputed: bool = False


_NOTHING = _Reader()


def _last_gifts(people: People, now: datetime) -> dict[str, _Reader]:
    if not people.members:
        return {}
    given = givers.get_last_given_at(people.members)
    recurring = givers.get_members_with_recurring(people.members)
    disputed = givers.get_members_with_dispute_since(people.members, now - DISPUTED_LATELY)
    found: dict[str, _Reader] = defaultdict(_Reader)
    for member, person in people.members.items():
        reader = found[person]
        if member in given:
            reader.last_at = max(given[member], reader.last_at or given[member])
        reader.has_recurring |= member in recurring
        reader.has_disputed |= member in disputed
    return found


def _unsubscribed(askers: Sequence[Candidate], people: People) -> set[int]:
    """
    The reminders of readers who want none.

    Who unsubscribed, or called a mail spam, under one address wants none under their others either, but for what
    they said yes to afterwards.
    """
    rows = Unsubscription.objects.filter(among("email_hash", people.hashes))
    said = dict(rows.values_list("email_hash", "since"))
    here = {asker.reminder for asker in askers if asker.email_hash in said}
    if not people.with_several_addresses:
        return here
    spam = Bounce.objects.filter(among("email_hash", people.hashes), kind=Bounce.Kind.COMPLAINT)
    noes: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
    for email_hash, since in (*said.items(), *spam.values_list("email_hash", "since")):
        noes[people.person(email_hash)].append((email_hash, since))
    elsewhere: dict[int, datetime] = {}
    for asker in askers:
        others = [since for at, since in noes[people.person(asker.email_hash)] if at != asker.email_hash]
        if others:
            elsewhere[asker.reminder] = max(others)
    agreed = Reminder.objects.filter(among("pk", elsewhere), confirmed_at__isnull=False)
    for reminder, confirmed_at in agreed.values_list("pk", "confirmed_at"):
        if confirmed_at is not None and confirmed_at > elsewhere[reminder]:
            del elsewhere[reminder]
    return here | elsewhere.keys()


def _given(askers: Sequence[Candidate], people: People, gave: dict[str, _Reader]) -> set[int]:
    """The reminders since whose asking the person gave, or somebody did by the link of one of their mails."""
    by_link = _given_by_link([asker.reminder for asker in askers])
    concerned = [a for a in askers if a.reminder in by_link or people.person(a.email_hash) in gave]
    since = _since(concerned)
    return {
        asker.reminder
        for asker in concerned
        for last_at in (
            by_link.get(asker.reminder),
            gave.get(people.person(asker.email_hash), _NOTHING).last_at,
        )
        if last_at is not None and last_at >= since[asker.reminder]
    }


def _since(askers: Sequence[Candidate]) -> dict[int, datetime]:
    """
    From when on a gift makes a mail needless: since the reader asked.

    Of a reminder that repeats, since its last mail was decided about: who asked to be asked every three months
    wants to be asked again three months after giving.
    """
    # Stripe tells moments to the second: a gift in the second of asking counts as after it.
    found = {asker.reminder: asker.asked_at.replace(microsecond=0) for asker in askers}
    repeating = [asker.reminder for asker in askers if asker.is_recurring]
    if not repeating:
        return found
    decided = ReminderSend.objects.filter(among("reminder", repeating), decided_at__isnull=False)
    decided = decided.exclude(reason__in=[Reason.MOVED, Reason.CANCELLED]).order_by()
    for reminder, at in decided.values_list("reminder").annotate(Max("decided_at")):
        found[reminder] = max(found[reminder], at)
    return found


def _given_by_link(reminders: Sequence[int]) -> dict[int, datetime]:
    """When somebody last gave by a mail's link, under whatever address; other gifts of the person are known."""
    gifts = ReminderSend.objects.filter(among("reminder", reminders)).exclude(conversion="").order_by()
    direct = gifts.filter(conversion=ReminderSend.Conversion.DIRECT)
    return {
        reminder: at for reminder, at in direct.values_list("reminder").annotate(Max("converted_at")) if at
    }


def _answered(reminders: Sequence[int]) -> set[int]:
    if not reminders:
        return set()
    begun = ReminderSend.objects.filter(among("reminder", reminders), begun_at__isnull=False)
    return set(begun.values_list("reminder", flat=True))


def _mails_this_year(people: People, now: datetime) -> dict[str, list[date]]:
    since = (now - A_YEAR).date()
    left = ReminderSend.objects.filter(among("person", people.hashes), state__in=_LEFT, handed_on__gt=since)
    found: dict[str, list[date]] = defaultdict(list)
    for email_hash, day in left.values_list("person", "handed_on"):
        if day is not None:
            found[people.person(email_hash)].append(day)
    return found


def _one_offs_to_come(
    recurring: Sequence[Candidate], askers: Sequence[Candidate], people: People
) -> set[tuple[str, date]]:
    """For which person and month a single reminder is planned, which then comes instead of the one that repeats."""
    if not recurring:
        return set()
    planned = ReminderSend.objects.filter(
        among("person", people.hashes),
        period__in={asker.period for asker in recurring},
        state=SendState.PLANNED,
        reminder__kind=Reminder.Kind.ONE_OFF,
    )
    mine = {asker.pk for asker in askers}
    rows = planned.values_list("pk", "person", "period")
    return {(people.person(email_hash), month) for pk, email_hash, month in rows if pk not in mine}
