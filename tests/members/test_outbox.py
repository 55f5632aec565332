"""Owed mail goes out once, through a real mail server that is not always kind."""

from __future__ import annotations

import smtplib
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.db import connection, transaction

from members import addresses, clock, courier, emails, outbox, samples, tasks
from members.models import Member, Membership, Message
from members.outbox import Delivered
from tests.members.conftest import Postman

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def owe(now: datetime) -> Callable[..., bool]:
    """Promise a receipt to somebody."""

    def owe(to: str = "ada@example.org", key: str = "", **changes: Any) -> bool:
        wish: dict[str, Any] = {
            "kind": "receipt",
            "recipient": to,
            "dedup_key": key or f"receipt:{to}",
            "context": samples.context("receipt", "en"),
            "locale": "en",
            "now": now,
        }
        return outbox.owe(**{**wish, **changes})

    return owe


def one(to: str) -> Message:
    return next(message for message in Message.objects.all() if message.recipient == to)


# --- Promises


def test_the_same_promise_twice_is_one_promise(owe: Callable[..., bool]) -> None:
    assert owe(key="receipt:1") is True
    assert owe(key="receipt:1", to="grace@example.org") is False

    assert Message.objects.get().recipient == "ada@example.org"


def test_a_promise_costs_one_statement(owe: Callable[..., bool], django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        owe()


def test_a_promise_is_kept_or_forgotten_with_the_books(owe: Callable[..., bool]) -> None:
    with transaction.atomic():
        owe()
        transaction.set_rollback(True)
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"kind": "newsletter"}, emails.UnknownMail),
        ({"context": {}}, emails.IncompleteMail),
        ({"context": {**samples.context("receipt", "en"), "card": "4242"}}, emails.IncompleteMail),
        ({"context": {**samples.context("receipt", "en"), "amount_text": 500}}, emails.IncompleteMail),
        ({"recipient": "a@localhost"}, addresses.InvalidAddress),
        ({"recipient": "ada@example.org\r\nBcc: charlie@example.org"}, addresses.InvalidAddress),
    ],
)
def test_a_promise_that_could_not_be_kept_is_refused_at_once(
    owe: Callable[..., bool], changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        owe(**changes)
    assert not Message.objects.exists()


# --- Sending


def test_what_is_due_goes_out_over_one_connection(
    owe: Callable[..., bool], postman: Postman, now: datetime, grace: Member
) -> None:
    for number in range(5):
        owe(to=f"ada+{number}@example.org")
    owe(to="grace@example.org", member=grace, locale="ru", now=now + MINUTE)

    assert outbox.deliver_due(now=now) == Delivered(sent=5)

    assert postman.recipients == [f"ada+{number}@example.org" for number in range(5)]
    assert postman.connections == 1
    sent = one("ada+0@example.org")
    assert (sent.state, sent.sent_at, sent.attempts) == ("SENT", now, 1)
    assert one("grace@example.org").state == "OWED"


def test_the_mail_says_what_it_must_and_nothing_about_how_it_was_made(
    owe: Callable[..., bool], postman: Postman, now: datetime
) -> None:
    owe()
    outbox.deliver_due(now=now)

    mail = postman.taken[0]
    row = Message.objects.get()
    assert mail["Message-ID"] == f"<{row.public_id}@gazette.example>"
    assert mail["Subject"] == "Your receipt 2026-000123"
    assert mail["From"] == "The Sample Gazette <members@gazette.example>"
    assert mail["Date"] == "Tue, 24 Nov 2026 12:00:00 +0000"
    known = {"content-type", "mime-version", "subject", "from", "to", "reply-to", "date", "message-id"}
    trace = {"x-peer", "x-mailfrom", "x-rcptto"}
    assert {name.lower() for name in mail} - known - trace == {"auto-submitted"}
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "Total paid: $5.46" in text.get_content()
    assert "$5.46" in html.get_content()


def test_mail_that_was_sent_is_not_sent_again(
    owe: Callable[..., bool], postman: Postman, now: datetime
) -> None:
    owe()
    outbox.deliver_due(now=now)
    assert outbox.deliver_due(now=now + timedelta(days=1)) == Delivered()

    assert len(postman.taken) == 1


def test_an_address_that_does_not_exist_is_given_up_with_a_reason(
    owe: Callable[..., bool], postman: Postman, now: datetime
) -> None:
    postman.answers = {"ada@example.org": "RCPT 550 No such user ada@example.org"}
    owe()
    owe(to="grace@example.org")

    assert outbox.deliver_due(now=now) == Delivered(sent=1, failed=1)
    assert outbox.deliver_due(now=now + timedelta(days=2)) == Delivered()

    failed = one("ada@example.org")
    assert (failed.state, failed.failure_code) == ("FAILED", "recipient_refused")
    assert failed.failure_reason == "The mail server refused the recipient (550)."


def test_a_mailbox_that_is_busy_is_tried_later_with_growing_gaps(
    owe: Callable[..., bool], postman: Postman, now: datetime
) -> None:
    postman.answers = {"ada@example.org": "RCPT 450 Greylisted"}
    owe()
    at, gaps = now, []
    for _ in range(6):
        assert outbox.deliver_due(now=at) == Delivered(retried=1)
        due = Message.objects.get().next_attempt_at
        assert outbox.deliver_due(now=due - timedelta(seconds=1)) == Delivered()
        gaps.append((due - at) // MINUTE)
        at = due
    assert gaps == [5, 10, 20, 40, 60, 60]

    postman.answers = {}
    assert outbox.deliver_due(now=at) == Delivered(sent=1)
    sent = Message.objects.get()
    assert (sent.state, sent.attempts, sent.failure_code) == ("SENT", 7, "")


def test_after_48_tries_we_stop(owe: Callable[..., bool], postman: Postman, now: datetime) -> None:
    postman.answers = {"ada@example.org": "RCPT 451 Later"}
    owe()
    for hour in range(60):
        outbox.deliver_due(now=now + timedelta(hours=hour))

    message = Message.objects.get()
    assert (message.state, message.attempts, message.failure_code) == ("FAILED", 48, "recipient_put_off")


@pytest.mark.parametrize(
    ("answer", "result", "state", "code"),
    [
        ("DATA 554 Looks like spam", Delivered(failed=1), "FAILED", "content_refused"),
        ("DATA 452 Disk full", Delivered(retried=1), "OWED", "content_put_off"),
    ],
)
def test_refused_content_is_permanent_or_not_as_the_server_says(
    owe: Callable[..., bool],
    postman: Postman,
    now: datetime,
    answer: str,
    result: Delivered,
    state: str,
    code: str,
) -> None:
    postman.answers = {"ada@example.org": answer}
    owe()

    assert outbox.deliver_due(now=now) == result
    message = Message.objects.get()
    assert (message.state, message.failure_code) == (state, code)


def test_a_cut_after_the_content_leads_to_at_most_three_copies_with_one_message_id(
    owe: Callable[..., bool], postman: Postman, now: datetime
) -> None:
    postman.answers = {"ada@example.org": "CUT"}
    owe()
    owe(to="grace@example.org")

    first = outbox.deliver_due(now=now)
    assert first == Delivered(sent=1, retried=1)
    assert postman.connections == 2  # a new line for those behind the cut
    for hour in range(1, 10):
        outbox.deliver_due(now=now + timedelta(hours=hour))

    copies = [mail for mail in postman.taken if mail["To"] == "ada@example.org"]
    assert len(copies) == 3
    assert len({mail["Message-ID"] for mail in copies}) == 1
    message = one("ada@example.org")
    assert (message.state, message.failure_code) == ("FAILED", "outcome_unknown")


def test_while_the_server_is_away_nothing_is_lost(
    owe: Callable[..., bool], postman: Postman, now: datetime, settings: Any
) -> None:
    there, settings.EMAIL_PORT = settings.EMAIL_PORT, 1  # nobody listens on port 1
    for number in range(3):
        owe(to=f"ada+{number}@example.org")
    assert outbox.deliver_due(now=now) == Delivered(retried=3)
    assert Message.objects.filter(failure_code="unreachable", attempts=1).count() == 3

    settings.EMAIL_PORT = there
    assert outbox.deliver_due(now=now + 5 * MINUTE) == Delivered(sent=3)


def test_a_refused_login_is_our_fault_and_waits(
    owe: Callable[..., bool], postman: Postman, now: datetime, settings: Any
) -> None:
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "newsroom", "wrong"
    owe()

    assert outbox.deliver_due(now=now) == Delivered(retried=1)


def test_a_server_that_refuses_our_own_address_does_not_cost_the_reader_the_mail(
    owe: Callable[..., bool], postman: Postman, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        return "550 We do not know you"

    monkeypatch.setattr(postman, "handle_MAIL", refuse, raising=False)
    owe()

    assert outbox.deliver_due(now=now) == Delivered(retried=1)
    assert Message.objects.get().failure_code == "sender_refused"


def test_a_mail_that_cannot_be_written_does_not_stop_those_behind_it(
    owe: Callable[..., bool], postman: Postman, now: datetime
) -> None:
    owe()
    owe(to="grace@example.org")
    first, second = Message.objects.order_by("pk")
    sealed = Message.objects.values_list("context", flat=True).get(pk=second.pk)
    Message.objects.filter(pk=first.pk).update(context=sealed)  # another row's: it does not open here

    assert outbox.deliver_due(now=now) == Delivered(sent=1, retried=1)
    first.refresh_from_db(fields=["state", "failure_code"])
    assert (first.state, first.failure_code) == ("OWED", "no_render")


def test_a_fault_of_our_own_while_sending_waits_for_people_too(
    owe: Callable[..., bool], now: datetime, monkeypatch: pytest.MonkeyPatch, log_lines: list[dict[str, Any]]
) -> None:
    def broken(self: courier.Courier, mail: EmailMessage) -> courier.Result:
        raise KeyError("grace@example.org")

    monkeypatch.setattr(courier.Courier, "send", broken)
    owe()

    assert outbox.deliver_due(now=now) == Delivered(retried=1)
    assert Message.objects.get().failure_code == "no_send"
    assert "grace" not in str(log_lines)


def test_a_farewell_that_fails_does_not_undo_what_was_sent(
    owe: Callable[..., bool], postman: Postman, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("django.core.mail.backends.smtp.EmailBackend.close", fails)
    owe()

    assert outbox.deliver_due(now=now) == Delivered(sent=1)
    assert Message.objects.get().state == "SENT"


def test_a_login_that_the_server_refuses_says_so(
    owe: Callable[..., bool], postman: Postman, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: object) -> None:
        raise smtplib.SMTPAuthenticationError(535, b"newsroom@gazette.example: wrong password")

    monkeypatch.setattr("django.core.mail.backends.smtp.EmailBackend.open", refused)
    owe()

    assert outbox.deliver_due(now=now) == Delivered(retried=1)
    message = Message.objects.get()
    assert (message.failure_code, message.failure_reason) == (
        "login_refused",
        "The mail server refused our login.",
    )


def test_a_backend_that_takes_nothing_is_not_believed(
    owe: Callable[..., bool], now: datetime, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    monkeypatch.setattr("django.core.mail.backends.dummy.EmailBackend.send_messages", lambda self, mails: 0)
    owe()

    assert outbox.deliver_due(now=now) == Delivered(retried=1)
    assert Message.objects.get().failure_code == "not_taken"


def test_a_mail_without_a_usable_address_is_refused_by_the_courier(postman: Postman) -> None:
    with courier.Courier() as postbag:
        result = postbag.send(EmailMessage("Subject", "Text", "members@gazette.example", ["ada@@example"]))

    assert result.outcome is courier.Outcome.REFUSED
    assert result.code == "invalid_address"


# --- Workers that die, and workers that race


def test_what_a_dead_worker_held_is_sent_by_the_next(
    owe: Callable[..., bool], postman: Postman, now: datetime
) -> None:
    for number in range(3):
        owe(to=f"ada+{number}@example.org")
    dead = uuid.uuid4()
    an_hour_ago = clock.now() - timedelta(hours=1)
    Message.objects.update(state="SENDING", claimed_by=dead, leased_until=an_hour_ago)

    assert outbox.deliver_due(now=now) == Delivered(sent=3)
    # Only the first in line may have left the house already.
    assert list(Message.objects.order_by("pk").values_list("unsure", flat=True)) == [1, 0, 0]


def test_a_mail_that_kills_each_worker_is_given_up(
    owe: Callable[..., bool], postman: Postman, now: datetime
) -> None:
    owe()
    an_hour_ago = clock.now() - timedelta(hours=1)
    for _ in range(3):
        Message.objects.update(state="SENDING", claimed_by=uuid.uuid4(), leased_until=an_hour_ago)
        outbox._take_back_expired()

    message = Message.objects.get()
    assert (message.state, message.failure_code) == ("FAILED", "outcome_unknown")


def test_what_another_worker_is_sending_is_left_to_it(
    owe: Callable[..., bool], postman: Postman, now: datetime
) -> None:
    owe()
    Message.objects.update(
        state="SENDING", claimed_by=uuid.uuid4(), leased_until=clock.now() + timedelta(minutes=5)
    )

    assert outbox.deliver_due(now=now + timedelta(days=40)) == Delivered()
    assert not postman.taken


def test_a_batch_that_takes_too_long_gives_back_what_is_left(
    owe: Callable[..., bool], postman: Postman, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        owe(to=f"ada+{number}@example.org")
    seconds = iter([0.0, 60.0, 240.0])  # at the start, then before each of the mails
    monkeypatch.setattr(outbox, "time", SimpleNamespace(monotonic=lambda: next(seconds)))

    assert outbox.deliver_due(now=now) == Delivered(sent=1, more=True)
    assert Message.objects.filter(state="OWED", attempts=0).count() == 2


def test_two_workers_never_take_the_same_mail(owe: Callable[..., bool], now: datetime) -> None:
    for number in range(3):
        owe(to=f"ada+{number}@example.org")

    first = outbox._claim(uuid.uuid4(), now=now, limit=2)
    second = outbox._claim(uuid.uuid4(), now=now, limit=2)
    assert [len(first), len(second)] == [2, 1]
    assert not {message.pk for message in first} & {message.pk for message in second}


@pytest.mark.postgresql
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite in memory cannot be shared by writers")
@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_send_each_mail_once(
    owe: Callable[..., bool], postman: Postman, now: datetime
) -> None:
    for number in range(40):
        owe(to=f"ada+{number}@example.org")
    results: list[Delivered] = []

    def work() -> None:
        try:
            while (result := outbox.deliver_due(now=now, limit=5)) != Delivered():
                results.append(result)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sum(result.sent for result in results) == 40
    assert sorted(postman.recipients) == sorted(f"ada+{number}@example.org" for number in range(40))


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_we_talk_to_the_mail_server(
    owe: Callable[..., bool], postman: Postman, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    send = courier.Courier.send

    def watched(self: courier.Courier, mail: EmailMessage) -> courier.Result:
        seen.append(connection.in_atomic_block)
        return send(self, mail)

    monkeypatch.setattr(courier.Courier, "send", watched)
    owe()
    outbox.deliver_due(now=now)

    assert seen == [False]


# --- The tasks


def test_the_task_rings_again_while_there_is_more(
    owe: Callable[..., bool], postman: Postman, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []
    monkeypatch.setattr(tasks.doorbell, "ring", rung.append)
    monkeypatch.setattr(tasks.outbox, "deliver_due", lambda *, now: Delivered(sent=200, more=True))
    tasks.send_owed_mail(sent_by="a later version")
    assert rung == ["members.tasks.send_owed_mail"]

    monkeypatch.setattr(tasks.outbox, "deliver_due", lambda *, now: Delivered(sent=3))
    tasks.send_owed_mail()
    assert rung == ["members.tasks.send_owed_mail"]


def test_the_mail_about_an_end_is_rung_for_at_once(
    grace: Member, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []
    monkeypatch.setattr(tasks.doorbell, "ring", rung.append)
    monkeypatch.setattr(tasks.clock, "now", lambda: now)
    tasks.end_due_memberships(sent_by="a later version")
    assert rung == []

    Membership.objects.create(
        member=grace,
        source_kind="CONTRIBUTION",
        source_reference="contribution-1",
        annual_minor=60_00,
        currency="USD",
        started_at=now,
        paid_through=now,
        grace_until=now,
        ends_at=now,
        ends_as="ENDED",
    )
    tasks.end_due_memberships()
    assert rung == ["members.tasks.send_owed_mail"]
