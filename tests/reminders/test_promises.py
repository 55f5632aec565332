"""What issue and screen promise, where no other file has it: the mail's words, all the numbers, a house in disorder."""

from __future__ import annotations

import html as html_lib
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from donations.intervals import Interval
from donations.money import Money
from members import doorbell, outbox
from reminders import calendar, codes, services, tasks
from reminders.codes import Purpose
from reminders.models import Reminder, ReminderSend
from tests.reminders.conftest import API, Desk, state_of
from tests.reminders.test_attribution import mark_of
from tests.reminders.test_dispatch import JANUARY, MONTHLY, _no_confirmation, a_gift  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> Desk:
    """Tasks and views read the desk's clock."""
    monkeypatch.setattr("members.clock.now", lambda: desk.now)
    return desk


# --- The mail


@pytest.mark.parametrize(
    ("locale", "words", "button"),
    [
        ("en", ["On November 24, 2026 you asked us to remind you", "You thought of $5.00 each month"],
         "Open the support page"),
        ("ru", ["24 ноября 2026", "5,00 $ каждый месяц"], "Открыть страницу поддержки"),
    ],
)  # fmt: skip
def test_both_parts_say_what_was_asked_for_and_when_and_have_one_button(
    desk: Desk, locale: str, words: list[str], button: str
) -> None:
    desk.ask(interval=Interval.MONTH, amount=Money(500, "USD"), locale=locale)
    desk.go_and_work(JANUARY)
    [mail] = desk.mails
    html, kind = mail.alternatives[0]
    assert kind == "text/html"
    for part in (str(mail.body), html_lib.unescape(re.sub(r"<[^>]+>", " ", str(html)))):
        plain = re.sub(r"[\s\u00a0\u202f]+", " ", part)
        assert all(word in plain for word in words), plain
        assert button in plain
    [give] = {link for link in re.findall(r'href="([^"]+)"', str(html)) if "/support/" in link}
    assert (
        "interval=month&amp;amount=500&amp;currency=USD" in give
        or "interval=month&amount=500&currency=USD" in give
    )
    assert f"lang={locale}" in give


# --- The numbers


def test_staff_are_told_every_number_that_was_promised(clock: Desk, api: Client, settings: Any) -> None:
    ada, grace, charlie = (clock.ask(f"{name}@example.org") for name in ("ada", "grace", "charlie"))
    stopped = clock.ask("stopped@example.org")
    services.cancel(code=codes.make(Purpose.STOP, stopped.public_id), now=clock.now)
    settings.REMINDER_HOLD_OUT_PERCENT = 100
    clock.ask("drawn@example.org")
    settings.REMINDER_HOLD_OUT_PERCENT = 0
    clock.ask("later@example.org", plan=calendar.Plan(date(2027, 2, 15), 15))
    clock.ask("later2@example.org", plan=calendar.Plan(date(2027, 2, 15), 15))
    a_gift(clock, "grace@example.org", at=clock.now + timedelta(hours=1))
    clock.go_and_work(JANUARY)
    a_gift(
        clock,
        "ada@example.org",
        at=JANUARY + timedelta(days=2),
        source={"reminder": mark_of(ada.sends.get())},
    )
    a_gift(clock, "charlie@example.org", at=JANUARY + timedelta(days=4))
    clock.go_to(JANUARY + timedelta(days=5))
    clock.count_gifts()

    user = User.objects.create_user("boss", password="a long password", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_reminder"))
    api.force_login(user)
    told = api.get(f"{API}stats/").json()
    assert told["created"] == {"ONE_OFF": 7}
    assert told["due_by_day"] == {"2027-02-15": 2}
    assert told["sent"] == 2
    assert told["suppressed"] == {"given": 1, "cancelled": 1}
    assert told["cancelled"] == 1
    assert told["converted"] == {"DIRECT": 1, "ASSISTED": 1}
    assert told["value"] == {"USD": {"DIRECT": 500, "ASSISTED": 500}}
    assert told["median_days"] == 3.0
    assert told["sends"]["HELD_OUT"] == 1
    assert told["failed"] == {}
    assert (state_of(grace), state_of(charlie)) == ([("SUPPRESSED", "given")], [("SENT", "")])


# --- A house in disorder


class Away:
    """A broker that is gone."""

    def send_task(self, *_: Any, **__: Any) -> None:
        raise ConnectionRefusedError("the broker is away")


def test_with_the_broker_gone_each_arrives_once_with_the_next_sweeps(
    clock: Desk, monkeypatch: pytest.MonkeyPatch, settings: Any, api: Client
) -> None:
    settings.DOORBELL = "thread"
    monkeypatch.setattr(doorbell, "current_app", Away())
    body = {"email": "charlie@example.org", "remind": "next_month", "consent_version": "reminder-2"}
    assert api.post(API, body, content_type="application/json").status_code == 202
    clock.go_to(JANUARY)
    for _ in range(2):  # beat's own sweeps, twice
        tasks.dispatch_reminders()
        outbox.deliver_due(now=clock.now)
        tasks.follow_reminders()
        tasks.tidy_reminders()
    assert [mail.to for mail in clock.mails] == [["charlie@example.org"]]


def test_each_task_can_be_run_again_at_once_and_with_tomorrows_arguments(clock: Desk) -> None:
    clock.ask()
    clock.go_to(JANUARY)
    for task in (tasks.dispatch_reminders, tasks.follow_reminders, tasks.tidy_reminders) * 3:
        task(batch=7, asked_by="a newer version")
    outbox.deliver_due(now=clock.now)
    assert len(clock.mails) == 1


def test_a_clock_that_jumps_a_year_ahead_brings_a_series_one_mail_at_most_and_goes_on(clock: Desk) -> None:
    reminder = clock.ask(plan=MONTHLY)
    clock.go_and_work(JANUARY)
    clock.go_and_work(JANUARY + timedelta(days=365 + 12))
    clock.work()
    assert len(clock.mails) == 1, "what was missed is not made up for"
    assert state_of(reminder)[:2] == [("SENT", ""), ("EXPIRED", "")]
    planned = reminder.sends.get(state="PLANNED")
    assert planned.due_at == datetime(2028, 2, 1, 10, tzinfo=UTC)
    clock.go_and_work(planned.due_at)
    assert len(clock.mails) == 2


def test_asking_while_the_database_refuses_one_row_harms_no_other(clock: Desk) -> None:
    """A row that cannot be (put in by hand, say) is refused by the database, so that no batch ever meets it."""
    from django.db import IntegrityError, transaction

    good = clock.ask()
    for wrong in ({"frequency_months": 0}, {"anchor_day": 0}, {"mails_promised": 3}, {"kind": "WEEKLY"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Reminder.objects.filter(pk=good.pk).update(**wrong)
    clock.go_and_work(JANUARY)
    assert ReminderSend.objects.get().state == "SENT"
