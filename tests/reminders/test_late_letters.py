"""What a reminder says is looked up when it is sent: the outbox holds neither the address nor a link."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from members import emails, outbox, samples
from members.models import Message
from reminders import calendar, codes, dispatch, letters, outcomes, services
from reminders.codes import Purpose
from reminders.models import ReminderSend
from tests.reminders.conftest import Desk, Postman, state_of, the_send

pytestmark = pytest.mark.django_db

JANUARY = datetime(2027, 1, 1, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def due(desk: Desk) -> Desk:
    """Charlie's reminder is due, and the desk's clock stands at its moment."""
    desk.ask()
    desk.go_to(JANUARY)
    return desk


# --- What the outbox holds, and what it sends


def test_the_outbox_holds_neither_address_nor_contents_and_sends_both(due: Desk) -> None:
    dispatch.dispatch_due(now=due.now)
    message = Message.objects.get()
    assert (message.recipient, message.context) == ("", {})

    outbox.deliver_due(now=due.now)
    assert [letter.to for letter in due.mails] == [["charlie@example.org"]]
    assert "/reminders/" in str(due.mails[0].body)
    message = Message.objects.get()
    assert (message.state, message.recipient, message.context) == ("SENT", "", {})


def test_a_mail_says_what_the_reader_wants_when_it_is_sent(due: Desk) -> None:
    dispatch.dispatch_due(now=due.now)
    send = ReminderSend.objects.get()
    send.reminder.locale = "ru"
    send.reminder.amount_minor, send.reminder.currency, send.reminder.interval = 700, "USD", "month"
    send.reminder.save()
    outbox.deliver_due(now=due.now)
    assert "amount=700&currency=USD" in str(due.mails[0].body)


def test_a_batch_of_mails_is_looked_up_in_two_statements(due: Desk, django_assert_num_queries: Any) -> None:
    for number in range(5):
        due.go_to(JANUARY - timedelta(days=30))
        due.ask(f"reader{number}@example.org")
    due.go_to(JANUARY)
    dispatch.dispatch_due(now=due.now)
    batch = list(Message.objects.all())
    with django_assert_num_queries(2):
        emails.complete(batch, now=due.now)
    assert len({message.recipient for message in batch}) == 6


def test_nobody_can_owe_a_mail_about_which_nobody_can_be_asked(db: None) -> None:
    promise = outbox.Promise(kind="receipt", dedup_key="receipt:1", recipient_hash="k:1", locale="en")
    with pytest.raises(emails.UnknownMail):
        outbox.owe_many([promise], deliver_before=JANUARY + HOUR, now=JANUARY)
    assert not Message.objects.exists()


def test_staff_see_that_the_address_is_asked_for_when_it_is_sent(due: Desk) -> None:
    dispatch.dispatch_due(now=due.now)
    staff = Client()
    staff.force_login(User.objects.create_superuser("boss", password="a long password"))
    page = staff.get(f"/admin/members/message/{Message.objects.get().pk}/change/").content.decode()
    assert page.count("(asked for when it is sent)") == 2
    assert "example.org" not in page.replace("gazette.example.org", "")


# --- Where something is missing by then


def test_one_letter_that_cannot_be_written_does_not_hold_up_the_others(
    due: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    due.go_to(JANUARY - timedelta(days=30))
    other = due.ask("ada@example.org")
    due.go_to(JANUARY)
    write = letters.context

    def break_for_ada(kind: str, facts: letters.Facts, campaign: Any) -> dict[str, str]:
        if facts.public_id == other.public_id:
            raise ZeroDivisionError
        return write(kind, facts, campaign)

    monkeypatch.setattr(letters, "context", break_for_ada)
    due.work()
    assert [letter.to for letter in due.mails] == [["charlie@example.org"]]

    monkeypatch.undo()  # mended; an hour is over, and it is decided about anew
    due.wait(hours=2)
    due.work()
    due.work()
    assert [letter.to for letter in due.mails][1:] == [["ada@example.org"]]


def test_receipts_leave_while_reminders_cannot_be_looked_up(
    due: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatch.dispatch_due(now=due.now)
    outbox.owe(kind="receipt", recipient="ada@example.org", dedup_key="receipt:1", locale="en", now=due.now,
               context=samples.context("receipt", "en"))  # fmt: skip
    monkeypatch.setattr("reminders.campaigns.running", lambda *_, **__: 1 / 0)
    outbox.deliver_due(now=due.now)
    assert due.kinds == ["receipt"]
    assert Message.objects.get(kind="reminder").state == "OWED"


def test_an_appeal_that_ended_while_the_mail_waited_is_asked_for_no_more(due: Desk) -> None:
    reminder = ReminderSend.objects.get().reminder
    dispatch.dispatch_due(now=due.now)
    due.campaign.ends_at = JANUARY
    due.campaign.save()
    outbox.deliver_due(now=due.now)
    due.wait(hours=2)
    due.work()
    due.work()
    assert due.mails == []
    assert state_of(reminder) == [("SUPPRESSED", "campaign_over")]
    reminder.refresh_from_db()
    assert reminder.state == "DONE"


# --- When a reminder is over


def test_a_single_reminder_is_done_when_its_mail_has_left_and_not_before(due: Desk) -> None:
    reminder = ReminderSend.objects.get().reminder
    dispatch.dispatch_due(now=due.now)
    reminder.refresh_from_db()
    assert (reminder.state, reminder.ended_at) == ("SCHEDULED", None)

    outbox.deliver_due(now=due.now)
    due.wait(minutes=5)
    outcomes.follow_outbox(now=due.now)
    reminder.refresh_from_db()
    assert (reminder.state, reminder.ended_at) == ("DONE", due.now)


def test_a_mail_that_never_could_leave_is_too_late_in_the_end(due: Desk, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # nobody listens there
    reminder = ReminderSend.objects.get().reminder
    for _ in range(9):
        due.work()
        due.wait(days=1)
    due.work()
    due.work()
    assert state_of(reminder) == [("EXPIRED", "")]
    reminder.refresh_from_db()
    assert reminder.state == "EXPIRED"


def test_a_reader_who_stops_it_while_the_mail_waits_has_stopped_it(due: Desk) -> None:
    reminder = ReminderSend.objects.get().reminder
    dispatch.dispatch_due(now=due.now)
    services.cancel(code=codes.make(Purpose.STOP, reminder.public_id), now=due.now)
    due.work()
    reminder.refresh_from_db()
    assert (reminder.state, due.mails) == ("CANCELLED", [])
    assert state_of(reminder) == [("SUPPRESSED", "cancelled")]


def test_who_moves_it_before_we_learned_that_it_left_gets_the_second_one(due: Desk) -> None:
    reminder = ReminderSend.objects.get().reminder
    dispatch.dispatch_due(now=due.now)
    outbox.deliver_due(now=due.now)
    assert services.move_to_next_month(code=codes.make(Purpose.STOP, reminder.public_id), now=due.now)
    outcomes.follow_outbox(now=due.now)
    reminder.refresh_from_db()
    assert reminder.state == "SCHEDULED"

    due.go_and_work(JANUARY + timedelta(days=31))
    assert due.kinds == ["reminder", "reminder_second"]
    reminder.refresh_from_db()
    assert reminder.state == "DONE"


def test_a_refused_address_ends_the_reminder(due: Desk, postman: Postman) -> None:
    postman.answers["charlie@example.org"] = "RCPT 550 no such user"
    reminder = ReminderSend.objects.get().reminder
    due.work()
    reminder.refresh_from_db()
    assert (the_send(reminder).reason, reminder.state) == ("bounced", "DONE")


# --- Who is who, when keys change


def test_the_caps_hold_through_a_change_of_keys(desk: Desk, settings: Any) -> None:
    old, new = ("old", b"o" * 32), ("new", b"n" * 32)
    settings.LOOKUP_HASH_KEYS = [old]
    first = desk.ask(plan=calendar.Plan(date(2027, 1, 10), 10))
    second = desk.ask(plan=calendar.Plan(date(2027, 2, 1), 1))
    desk.go_and_work(datetime(2027, 1, 10, 10, tzinfo=UTC))

    settings.LOOKUP_HASH_KEYS = [new, old]
    call_command("rotate_encryption", verbosity=0)
    assert {send.person[:4] for send in ReminderSend.objects.all()} == {"new:"}
    desk.go_and_work(datetime(2027, 2, 1, 10, tzinfo=UTC))
    assert (state_of(first), state_of(second)) == ([("SENT", "")], [("SUPPRESSED", "cap")])
