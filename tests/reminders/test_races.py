"""Two dispatchers, a killed worker, a person with two reminders: nobody gets a mail twice, and none is skipped."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from donations.models import Campaign
from members.models import Message
from members.rows import insert_new
from reminders import dispatch, outcomes, services
from reminders.models import Reminder, ReminderSend, Switch
from tests import factories
from tests.crashing import Process, steps_of
from tests.reminders.conftest import NOON, Desk

JANUARY = datetime(2027, 1, 1, 10, 0, tzinfo=UTC)

pytestmark = pytest.mark.django_db(transaction=True)
needs_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite in memory cannot be shared by writers"
)


def many(campaign: Campaign, count: int, *, people: int) -> None:
    """So many single reminders, of so many people, all due on the first of January."""
    from members import crypto

    for first in range(0, count, 500):
        reminders = []
        for number in range(first, min(first + 500, count)):
            email = f"reader{number % people}@example.org"
            reminders.append(
                Reminder(
                    kind="ONE_OFF", state="SCHEDULED", email=email, email_hash=crypto.lookup_hash(email),
                    locale="en", campaign=campaign, consent_version="reminder-1", anchor_day=1, created_at=NOON,
                    # one reader has one reminder for a month; their second one is of another month
                    period=date(2027, 1, 1) if number < people else date(2026, 12, 1),
                )
            )  # fmt: skip
        insert_new(reminders)
        rows = Reminder.objects.filter(public_id__in=[reminder.public_id for reminder in reminders])
        insert_new(
            [
                ReminderSend(
                    reminder=row,
                    period=row.period,
                    step=1,
                    person=row.email_hash,
                    due_at=JANUARY,
                    ready_at=JANUARY,
                )
                for row in rows
            ]
        )


def race(*acts: Any) -> list[BaseException]:
    """Do these at once, each in a thread of its own; what went wrong."""
    failures: list[BaseException] = []
    gate = threading.Barrier(len(acts))

    def run(act: Any) -> None:
        try:
            gate.wait()
            act()
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def until_nothing_is_due(limit: int = 500) -> None:
    while dispatch.dispatch_due(now=JANUARY, limit=limit).more:
        pass


@pytest.mark.postgresql
@needs_postgresql
def test_two_dispatchers_hand_over_ten_thousand_once_each() -> None:
    many(factories.a_campaign(), 10_000, people=10_000)
    assert race(until_nothing_is_due, until_nothing_is_due) == []
    until_nothing_is_due()

    assert Counter(ReminderSend.objects.values_list("state", flat=True)) == {"HANDED_OVER": 10_000}
    assert Message.objects.count() == 10_000
    assert Message.objects.values("recipient_hash").distinct().count() == 10_000


@pytest.mark.postgresql
@needs_postgresql
def test_two_dispatchers_write_once_to_a_person_with_two_reminders() -> None:
    many(factories.a_campaign(), 2_000, people=1_000)
    failures = race(lambda: until_nothing_is_due(97), lambda: until_nothing_is_due(89))
    until_nothing_is_due()

    assert failures == []
    assert Counter(ReminderSend.objects.values_list("state", "reason")) == {
        ("HANDED_OVER", ""): 1_000,
        ("SUPPRESSED", "cap"): 1_000,
    }
    assert Message.objects.values("recipient_hash").distinct().count() == Message.objects.count() == 1_000


@pytest.mark.postgresql
@needs_postgresql
def test_a_reader_who_stops_while_it_is_dispatched_is_stopped_or_mailed_never_both() -> None:
    campaign = factories.a_campaign()
    many(campaign, 200, people=200)
    codes = [
        services.codes.make(services.Purpose.STOP, pk)
        for pk in Reminder.objects.values_list("public_id", flat=True)
    ]

    def stop_all() -> None:
        for code in codes:
            services.cancel(code=code, now=JANUARY)

    assert race(lambda: until_nothing_is_due(20), stop_all) == []
    outcomes.follow_outbox(now=JANUARY)
    assert not ReminderSend.objects.filter(state__in=["PLANNED", "HANDED_OVER"]).exists()
    assert set(Message.objects.values_list("state", "failure_code")) <= {("FAILED", "withdrawn")}


@pytest.mark.postgresql
@needs_postgresql
def test_the_same_wish_at_once_is_one_reminder() -> None:
    campaign = factories.a_campaign()
    desk = Desk(campaign=campaign)
    assert race(*[desk.ask] * 6) == []
    assert (Reminder.objects.count(), ReminderSend.objects.count()) == (1, 1)


# --- Dying between any two steps


def test_a_worker_that_dies_anywhere_sends_each_once() -> None:
    """
    Each death is followed by another worker that finishes.

    Where the mail server may have got the mail, it is never sent again: of the deaths, one step's mail may be
    missing (the one between the mark and the mail), and none is doubled.
    """
    desk = Desk(campaign=factories.a_campaign())
    Switch.objects.get_or_create(pk=1)

    def three(number: int) -> list[str]:
        addresses = [f"reader{number}-{which}@example.org" for which in range(3)]
        for address in addresses:
            desk.ask(address)
        return addresses

    three(0)
    desk.go_to(JANUARY)
    steps = steps_of(desk.work)
    assert steps.count("MAIL") == 3
    missing = 0
    for number in range(1, len(steps) + 2):
        desk.go_to(NOON)
        addresses = three(number)
        desk.go_to(JANUARY)
        process = Process(die_before=number - 1)
        process.run(desk.work)
        Message.objects.filter(state="SENDING").update(leased_until=timezone.now() - timedelta(days=1))
        desk.work()
        desk.work()
        copies = Counter(letter.to[0] for letter in desk.mails)
        counts = [copies[address] for address in addresses]
        assert max(counts) == 1, (number, steps[number - 2 : number], counts)
        lost = counts.count(0)
        assert lost <= 1
        if lost:
            missing += 1
            assert Message.objects.filter(failure_code="outcome_unknown").count() >= missing
        unsettled = ReminderSend.objects.filter(state__in=["PLANNED", "HANDED_OVER"])
        assert not unsettled.exists(), number
    assert missing <= 3  # one for each of the three mails: between the mark and the mail server's yes
