"""What the API takes, refuses and answers."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError
from django.test import Client

from members.models import Message
from reminders import services
from reminders.models import Reminder, ReminderSend, TurnedAway
from tests.reminders.conftest import API, NOON, Desk

pytestmark = pytest.mark.django_db

GUARDIAN_ONE_OFF = {
    "email": "charlie@example.org",
    "country": "GB",
    "reminderCreatedAt": "2026-11-24T11:59:58.123Z",
    "reminderPlatform": "WEB",
    "reminderComponent": "EPIC",
    "reminderStage": "PRE",
    "reminderPeriod": "2027-02-01",
    "reminderOption": "giving-tuesday-2026",
}
GUARDIAN_RECURRING = {
    "email": "charlie@example.org",
    "country": "GB",
    "reminderCreatedAt": "2026-11-24T11:59:58.123Z",
    "reminderPlatform": "SUPPORT",
    "reminderComponent": "THANKYOU",
    "reminderStage": "POST",
    "reminderFrequencyMonths": 3,
}


def codes_of(response: Any) -> dict[str, str]:
    assert response.status_code == 400, response.content
    fields = response.json()["error"]["fields"]
    return {name: details[0]["code"] for name, details in fields.items()}


# --- Asking


@pytest.mark.parametrize(
    ("remind", "promise", "day"),
    [
        ("next_month", "One e-mail on January 1, 2027.", date(2027, 1, 1)),
        ("in_3_months", "One e-mail on February 24, 2027.", date(2027, 2, 24)),
        ("2027-01-15", "One e-mail on January 15, 2027.", date(2027, 1, 15)),
    ],
)
def test_a_reader_is_told_what_was_promised(
    desk: Desk, post: Any, remind: Any, promise: str, day: date
) -> None:
    response = post(remind=remind)
    assert response.status_code == 202
    assert response.json() == {"status": "accepted", "promise": promise}
    assert ReminderSend.objects.get().due_at == datetime(day.year, day.month, day.day, 10, tzinfo=UTC)


def test_a_series_is_promised_with_its_rhythm_and_the_question(desk: Desk, post: Any) -> None:
    promise = post(remind={"every_months": 3}).json()["promise"]
    assert promise == (
        "An e-mail on February 24, 2027, and then every 3 months, until you stop it. "
        "If we do not know your address yet, we first ask you by e-mail to say yes."
    )


def test_the_promise_comes_in_the_readers_language(desk: Desk, post: Any) -> None:
    promise = post(locale="ru").json()["promise"]
    assert promise.replace("\u202f", " ") == "Одно письмо, 1 января 2027 г."


@pytest.mark.parametrize("email", ["charlie@gmial.com", "CHARLIE@GMIAL.COM", "nobody-else@gmial.com"])
def test_a_domain_that_looks_like_a_slip_is_taken_and_asked_about(desk: Desk, post: Any, email: str) -> None:
    desk.ask("charlie@gmial.com")
    response = post(email=email)
    assert (response.status_code, response.json()["did_you_mean"]) == (202, "gmail.com")
    assert "charlie" not in response.content.decode().lower()
    assert Reminder.objects.filter(state="SCHEDULED").exists()


def test_no_domain_of_the_table_is_called_a_slip_of_another(desk: Desk) -> None:
    from members import typos

    assert not set(typos._MEANT) & set(typos._MISSED)
    assert all(
        typos.meant(domain) == "" for domain in ("gmail.com", "example.org", "mail.com", "ymail.com", "")
    )


def test_the_wish_is_kept_with_what_it_was_about(desk: Desk, post: Any) -> None:
    post(time_zone="Europe/Riga", source={"page_url": "https://news.example/a?x=1", "component": "epic"})
    reminder = Reminder.objects.get()
    assert (reminder.interval, reminder.amount_minor, reminder.currency) == ("month", 500, "USD")
    assert reminder.source == {"page_url": "https://news.example/a", "component": "epic"}
    assert reminder.sends.get().due_at == datetime(2027, 1, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"remind": {"every_months": 0}}, {"remind": "invalid"}),
        ({"remind": {"every_months": -3}}, {"remind": "invalid"}),
        ({"remind": {"every_months": 0.6}}, {"remind": "invalid"}),
        ({"remind": {"every_months": "3"}}, {"remind": "invalid"}),
        ({"remind": {"every_months": 25}}, {"remind": "invalid"}),
        ({"remind": {"every_months": True}}, {"remind": "invalid"}),
        ({"remind": {"every_months": 3, "x": 1}}, {"remind": "invalid"}),
        ({"remind": "yesterday"}, {"remind": "invalid"}),
        ({"remind": 1795000000}, {"remind": "invalid"}),
        ({"remind": ["next_month"]}, {"remind": "invalid"}),
        ({"remind": None}, {"remind": "invalid"}),
        ({"remind": ...}, {"remind": "required"}),
        ({"remind": "2026-11-24"}, {"remind": "date_in_the_past"}),
        ({"remind": "2028-07-01"}, {"remind": "date_too_far"}),
        ({"remind": "2027-02-29"}, {"remind": "invalid"}),
        ({"email": ...}, {"email": "required"}),
        ({"email": ""}, {"email": "invalid"}),
        ({"email": "a b@example.org"}, {"email": "invalid"}),
        ({"email": ["a@example.org"]}, {"email": "invalid"}),
        ({"consent_version": ...}, {"consent_version": "required"}),
        ({"campaign": "no-such"}, {"campaign": "unknown_campaign"}),
        ({"amount": 199}, {"amount": "amount_too_small"}),
        ({"amount": 0}, {"amount": "min_value"}),
        ({"amount": 5.0}, {"amount": "invalid"}),
        ({"currency": ...}, {"currency": "required"}),
        ({"currency": "XXX"}, {"currency": "currency_not_offered"}),
        ({"currency": 5}, {"currency": "invalid"}),
        ({"interval": "week"}, {"interval": "invalid"}),
        ({"time_zone": "Mars/Phobos"}, {"time_zone": "invalid"}),
        ({"country": "gb"}, {"country": "invalid"}),
        ({"locale": "../../etc"}, {"locale": "invalid"}),
        ({"state": "DONE"}, {"state": "unknown_field"}),
        ({"source": {"page_url": "javascript:alert(1)"}}, {"source.page_url": "invalid"}),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_stored(
    desk: Desk, post: Any, changes: dict[str, Any], codes: dict[str, str]
) -> None:
    found = codes_of(post(**changes))
    assert found == codes
    assert not Reminder.objects.exists()


def test_the_answer_does_not_tell_whether_an_address_is_known(desk: Desk, post: Any) -> None:
    first = post(email="charlie@example.org")
    second = post(email="charlie@example.org")
    other = post(email="ada@example.org")
    assert first.content == second.content == other.content
    assert Reminder.objects.count() == 2


def test_upper_case_is_the_same_person_and_a_tag_is_not(desk: Desk, post: Any) -> None:
    for email in ("charlie@example.org", "CHARLIE@example.org", "charlie+news@example.org"):
        assert post(email=email).status_code == 202
    assert sorted(reminder.email for reminder in Reminder.objects.all()) == [
        "charlie+news@example.org",
        "charlie@example.org",
    ]


def test_asking_again_changes_the_one_plan_that_there_is(desk: Desk, post: Any, settings: Any) -> None:
    settings.REMINDER_CONFIRM_RECURRING = False
    post(remind={"every_months": 3})
    post(remind={"every_months": 1}, amount=1000)
    reminder = Reminder.objects.get()
    assert (reminder.frequency_months, reminder.amount_minor) == (1, 1000)
    planned = reminder.sends.get(state="PLANNED")
    assert planned.due_at == datetime(2026, 12, 24, 10, tzinfo=UTC)


# --- Saying yes first


def test_a_series_for_an_unknown_address_waits_for_a_yes(desk: Desk, post: Any) -> None:
    post(remind={"every_months": 3})
    assert Reminder.objects.get().state == "PENDING_CONFIRM"
    assert list(Message.objects.values_list("kind", flat=True)) == ["reminder_confirm"]
    assert not ReminderSend.objects.exists()


def test_a_thousand_tries_for_somebody_bring_one_mail_a_day(desk: Desk, post: Any, settings: Any) -> None:
    settings.REMINDERS_PER_ADDRESS = settings.REMINDERS_PER_NETWORK = 0
    settings.REMINDER_CONFIRM_ONE_OFF = True
    for number in range(12):
        post(remind=f"2027-{number % 12 + 1:02d}-15")
        post(remind={"every_months": number + 1})
    assert Message.objects.count() == 1


# --- Too many


def test_the_fourth_for_one_address_is_answered_alike_and_not_stored(desk: Desk, post: Any) -> None:
    answers = [post(remind=f"2027-0{month}-15") for month in range(1, 5)]
    assert [answer.status_code for answer in answers] == [202] * 4
    assert Reminder.objects.count() == 3


def test_a_network_that_asks_for_too_many_gets_the_same_answer(desk: Desk, post: Any, settings: Any) -> None:
    settings.REMINDERS_PER_NETWORK = 5
    answers = {post(email=f"reader{number}@example.org").content for number in range(8)}
    assert len(answers) == 1
    assert Reminder.objects.count() == 5


def test_a_mail_domain_that_gets_too_many_gets_the_same_answer(desk: Desk, post: Any, settings: Any) -> None:
    settings.REMINDERS_PER_DOMAIN = 2
    for number in range(4):
        assert post(email=f"reader{number}@example.org").status_code == 202
    assert Reminder.objects.count() == 2


def test_what_one_network_sends_beyond_its_share_uses_up_nobody_elses(
    desk: Desk, post: Any, settings: Any
) -> None:
    settings.REMINDERS_PER_NETWORK, settings.REMINDERS_PER_DOMAIN, settings.TRUSTED_PROXIES = 2, 3, 1
    for number in range(9):
        post(email=f"flood{number}@example.org", headers={"X-Forwarded-For": "192.0.2.7"})
    post(email="charlie@example.org", headers={"X-Forwarded-For": "198.51.100.9"})
    assert Reminder.objects.count() == 3


def test_staff_see_how_many_were_turned_away_and_nobody_sees_whom(
    desk: Desk, post: Any, api: Client, settings: Any
) -> None:
    for month in range(1, 7):
        post(remind=f"2027-0{month}-15")
    settings.REMINDERS_PER_NETWORK = 7
    for number in range(4):
        post(email=f"reader{number}@example.org")
    api.force_login(User.objects.create_superuser("boss", password="a long password"))
    found = api.get(f"{API}stats/").json()["turned_away"]
    assert found == {"by_day": {"2026-11-24": {"address": 3, "network": 3}}, "total": 6}
    listed = api.get("/admin/reminders/turnedaway/").content.decode()
    assert "From one network" in listed
    kept = repr(list(TurnedAway.objects.values()))
    assert "example.org" not in kept
    assert "127.0.0.1" not in kept


def test_a_flood_that_cannot_be_counted_is_answered_alike(desk: Desk, post: Any, monkeypatch: Any) -> None:
    def broken(*_: Any, **__: Any) -> int:
        raise OperationalError("too many at once")

    monkeypatch.setattr("reminders.throttle.insert_new", broken)
    answers = {post(remind="2027-01-15").content for _ in range(5)}
    assert len(answers) == 1
    assert Reminder.objects.count() == 1
    assert not TurnedAway.objects.exists()


# --- The Guardian's client


def test_the_guardians_single_reminder_is_taken_as_it_is(desk: Desk, post: Any) -> None:
    response = post("create/one-off", GUARDIAN_ONE_OFF)
    assert (response.status_code, response.json()) == (200, {"done": True})
    reminder = Reminder.objects.get()
    assert (reminder.kind, reminder.period) == ("ONE_OFF", date(2027, 2, 1))
    assert reminder.sends.get().due_at == datetime(2027, 2, 1, 10, tzinfo=UTC)
    assert reminder.source == {
        "platform": "WEB", "component": "EPIC", "stage": "PRE", "option": "giving-tuesday-2026",
    }  # fmt: skip


def test_the_guardians_series_is_taken_as_it_is(desk: Desk, post: Any, settings: Any) -> None:
    settings.REMINDER_CONFIRM_RECURRING = False
    response = post("create/recurring", GUARDIAN_RECURRING)
    assert (response.status_code, response.json()) == (200, {"done": True})
    reminder = Reminder.objects.get()
    assert (reminder.kind, reminder.frequency_months) == ("RECURRING", 3)
    assert reminder.sends.get().due_at == datetime(2027, 2, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("frequency", [0, -3, 0.6, "3", 25, None])
def test_a_frequency_that_would_break_the_guardians_query_is_refused(
    desk: Desk, post: Any, frequency: Any
) -> None:
    body = {**GUARDIAN_RECURRING, "reminderFrequencyMonths": frequency}
    assert set(codes_of(post("create/recurring", body))) == {"reminderFrequencyMonths"}
    assert not Reminder.objects.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reminderPlatform", "PAPER"), ("reminderComponent", "epic"), ("reminderStage", ""),
        ("reminderPeriod", "2026-10-01"), ("reminderPeriod", "2029-01-01"), ("reminderPeriod", 20270101),
        ("country", "United Kingdom"), ("email", "charlie @example.org"), ("email", f"{'a' * 60}@{'b' * 50}.org"),
    ],
)  # fmt: skip
def test_what_the_guardian_would_store_and_never_send_is_refused(
    desk: Desk, post: Any, name: str, value: Any
) -> None:
    assert set(codes_of(post("create/one-off", {**GUARDIAN_ONE_OFF, name: value}))) == {name}
    assert not Reminder.objects.exists()


def test_the_guardians_cancel_and_reactivate(desk: Desk, post: Any, settings: Any) -> None:
    settings.REMINDER_CONFIRM_RECURRING = False
    post("create/one-off", GUARDIAN_ONE_OFF)
    post("create/recurring", GUARDIAN_RECURRING)
    series = Reminder.objects.get(kind="RECURRING")
    code = services.codes.make(services.Purpose.STOP, series.public_id)

    for _ in range(2):
        response = post("cancel", {"reminderCode": code})
        assert (response.status_code, response.json()) == (200, "OK")
    assert set(Reminder.objects.values_list("state", flat=True)) == {"CANCELLED"}

    assert post("reactivate", {"reminderCode": code}).status_code == 200
    series.refresh_from_db()
    assert series.state == "SCHEDULED"
    assert Reminder.objects.get(kind="ONE_OFF").state == "CANCELLED"
    assert series.sends.get(state="PLANNED").due_at == datetime(2027, 2, 24, 10, tzinfo=UTC)


@pytest.mark.parametrize("path", ["cancel", "reactivate"])
def test_a_code_that_nobody_has_is_answered_like_a_good_one(desk: Desk, post: Any, path: str) -> None:
    assert post(path, {"reminderCode": "x" * 43}).status_code == 200
    assert post(path, {}).status_code == 400
    assert post(path, {"reminderCode": 5}).status_code == 400


# --- The calendar file


def test_a_calendar_entry_stores_nothing_and_holds_everything(desk: Desk, api: Client, at_noon: None) -> None:
    response = api.get(
        f"{API}calendar.ics",
        {"remind": "2027-03-14", "campaign": "support-us", "interval": "month", "amount": "500", "currency": "USD",
         "time_zone": "America/New_York"},
    )  # fmt: skip
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/calendar")
    lines = response.content.decode().replace("\r\n ", "").split("\r\n")
    assert "DTSTART;TZID=America/New_York:20270314T100000" in lines
    assert "BEGIN:VALARM" in lines
    assert "TZID:America/New_York" in lines
    # The night in which the clocks go forward: from 02:00 on, four hours behind Greenwich rather than five.
    at = lines.index("DTSTART:20270314T020000")
    assert lines[at - 1 : at + 3] == [
        "BEGIN:DAYLIGHT", "DTSTART:20270314T020000", "TZOFFSETFROM:-0500", "TZOFFSETTO:-0400",
    ]  # fmt: skip
    [link] = [line for line in lines if line.startswith("URL:")]
    assert "/support/support-us/?interval=month&amount=500&currency=USD" in link
    assert re.search(r"UID:[0-9a-f-]{36}@", "\n".join(lines))
    assert max(len(line.encode()) for line in response.content.decode().split("\r\n")) <= 75
    assert not Reminder.objects.exists()
    assert not Message.objects.exists()


def test_a_series_in_a_calendar_returns_to_the_31st(desk: Desk, api: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr("members.clock.now", lambda: datetime(2027, 1, 31, 12, tzinfo=UTC))
    body = api.get(f"{API}calendar.ics", {"remind": "every_1_month"}).content.decode()
    assert "RRULE:FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=28,29,30,31;BYSETPOS=-1" in body


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"remind": "never"},
        {"remind": "when_payments_work"},
        {"remind": "next_month", "campaign": "no-such"},
        {"remind": "next_month", "email": "charlie@example.org"},
        {"remind": "next_month", "amount": "5.00", "currency": "USD", "interval": "once"},
        {"remind": "next_month", "time_zone": "X\r\nBEGIN:VEVENT"},
    ],
)
def test_a_calendar_entry_that_cannot_be_is_refused(
    desk: Desk, api: Client, query: Any, at_noon: None
) -> None:
    assert api.get(f"{API}calendar.ics", query).status_code == 400


# --- Numbers for staff


def test_only_staff_see_numbers(desk: Desk, api: Client, at_noon: None) -> None:
    address = f"{API}stats/"
    assert api.get(address).status_code == 403
    user = User.objects.create_user("grace", password="a long password", is_staff=True)
    api.force_login(user)
    assert api.get(address).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_reminder"))
    response = api.get(address)
    assert response.status_code == 200
    assert response.json()["lift"]["difference"] is None


def test_numbers_say_what_was_asked_for_and_what_is_due(desk: Desk) -> None:
    from reminders import queries

    desk.ask("ada@example.org")
    desk.ask("charlie@example.org")
    found = queries.get_stats(now=NOON)
    assert found["created"] == {"ONE_OFF": 2}
    assert found["due_by_day"] == {"2027-01-01": 2}
    assert found["sent"] == 0
