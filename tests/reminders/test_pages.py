"""The pages: a GET never changes anything, a POST does what its button says, once."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from donations.models import Ask
from reminders import calendar, codes, outcomes, services
from reminders.codes import Purpose
from reminders.models import Reminder, ReminderSend, Unsubscription
from tests.paper import Page
from tests.reminders.conftest import Desk, state_of

pytestmark = pytest.mark.django_db

JANUARY = datetime(2027, 1, 1, 10, 0, tzinfo=UTC)
PAGES = ("stop", "next-month", "unsubscribe")


def links_in(desk: Desk) -> dict[str, str]:
    """The pages to which the last mail leads, by name."""
    found = re.findall(
        r"https?://[^/\s]+(/(?:reminders/[\w-]+/([a-z-]+)/|support/\S+))", str(desk.mails[-1].body)
    )
    return {name or "support": path for path, name in found}


@pytest.fixture
def mailed(desk: Desk) -> Reminder:
    """A reminder whose mail has arrived."""
    reminder = desk.ask(interval=None)
    desk.go_and_work(JANUARY)
    return reminder


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> Client:
    """A browser without cookies, at the time of the desk."""
    monkeypatch.setattr("members.clock.now", lambda: desk.now)
    return Client(enforce_csrf_checks=True)


def rows() -> list[Any]:
    return [
        *Reminder.objects.values_list(),
        *ReminderSend.objects.values_list(),
        *Unsubscription.objects.values_list(),
    ]


# --- The mail


def test_the_mail_has_its_buttons_and_the_headers_for_one_click(desk: Desk, mailed: Reminder) -> None:
    letter = desk.mails[-1]
    assert set(links_in(desk)) == {"support", *PAGES}
    assert letter.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert letter.extra_headers["List-Unsubscribe"].strip("<>").endswith(links_in(desk)["unsubscribe"])


def test_the_mail_for_a_receipt_has_no_such_headers(settings: Any) -> None:
    from members import emails

    assert emails.KINDS["receipt"].unsubscribe == ""


# --- GET and POST


@pytest.mark.parametrize("page", PAGES)
def test_programs_that_follow_every_link_change_nothing(
    desk: Desk, mailed: Reminder, reader: Client, page: str
) -> None:
    before = rows()
    for method in (reader.get, reader.head, reader.get):
        assert method(links_in(desk)[page]).status_code == 200
    assert reader.post(links_in(desk)[page]).status_code == 200  # no button was pressed
    assert reader.put(links_in(desk)[page]).status_code == 405
    assert rows() == before


def press(reader: Client, path: str) -> Page:
    page = Page(reader.get(path).content.decode())
    response = reader.post(path, page.fields)
    assert response.status_code == 200, response.content
    return Page(response.content.decode())


def test_one_click_needs_no_cookie_and_no_second_page(desk: Desk, mailed: Reminder, reader: Client) -> None:
    other = desk.ask(plan=calendar.Plan(date(2027, 6, 1), 1))
    for _ in range(3):
        response = reader.post(links_in(desk)["unsubscribe"], {"List-Unsubscribe": "One-Click"})
        assert response.status_code == 200
    other.refresh_from_db()
    assert other.state == "CANCELLED"
    assert Unsubscription.objects.count() == 1
    desk.go_and_work(datetime(2027, 6, 1, 10, tzinfo=UTC))
    assert len(desk.mails) == 1


def test_stopping_one_leaves_the_others(desk: Desk, mailed: Reminder, reader: Client, settings: Any) -> None:
    settings.REMINDER_CONFIRM_RECURRING = False
    series = desk.ask(plan=calendar.Plan(date(2027, 2, 1), 1, every_months=1))
    other = desk.ask(plan=calendar.Plan(date(2027, 6, 1), 1))
    desk.go_and_work(datetime(2027, 2, 1, 10, tzinfo=UTC))
    page = press(reader, links_in(desk)["stop"])
    assert "This reminder is stopped" in page.text
    series.refresh_from_db()
    other.refresh_from_db()
    assert (series.state, other.state) == ("CANCELLED", "SCHEDULED")
    assert state_of(series) == [("SENT", ""), ("SUPPRESSED", "cancelled")]


def test_next_month_instead_brings_one_more_mail_and_no_third(
    desk: Desk, mailed: Reminder, reader: Client
) -> None:
    link = links_in(desk)["next-month"]
    for _ in range(2):
        assert "February 1, 2027" in press(reader, link).text
    desk.go_and_work(datetime(2027, 2, 1, 10, tzinfo=UTC))
    assert len(desk.mails) == 2
    assert reader.post(link, {"act": "yes"}).status_code == 410
    desk.go_and_work(datetime(2027, 3, 1, 10, tzinfo=UTC))
    assert len(desk.mails) == 2


def test_who_signs_up_again_after_stopping_gets_a_new_reminder_with_a_new_code(desk: Desk) -> None:
    first = desk.ask()
    services.cancel(code=codes.make(Purpose.STOP, first.public_id), now=desk.now)
    second = desk.ask()
    first.refresh_from_db()
    assert first.public_id != second.public_id
    assert (first.state, second.state) == ("CANCELLED", "SCHEDULED")


def test_who_unsubscribed_and_is_signed_up_again_has_to_say_yes(
    desk: Desk, mailed: Reminder, reader: Client
) -> None:
    reader.post(links_in(desk)["unsubscribe"], {"List-Unsubscribe": "One-Click"})
    desk.wait(days=40)
    again = desk.ask()
    assert again.state == "PENDING_CONFIRM"
    desk.work()
    assert desk.kinds[-1] == "reminder_confirm"
    page = press(reader, links_in(desk)["confirm"])
    assert "We will remind you" in page.text
    again.refresh_from_db()
    assert again.state == "SCHEDULED"
    assert not Unsubscription.objects.exists()


def test_a_mail_in_the_outbox_is_taken_back_when_its_reader_stops_it(desk: Desk) -> None:
    from members import outbox
    from reminders import dispatch

    reminder = desk.ask()
    desk.go_to(JANUARY)
    dispatch.dispatch_due(now=desk.now)
    services.cancel(code=codes.make(Purpose.STOP, reminder.public_id), now=desk.now)
    outbox.deliver_due(now=desk.now)
    outcomes.follow_outbox(now=desk.now)
    assert desk.mails == []
    assert state_of(reminder) == [("SUPPRESSED", "cancelled")]


# --- Codes


def test_a_code_that_was_tampered_with_is_no_code(mailed: Reminder) -> None:
    good = codes.make(Purpose.STOP, mailed.public_id)
    assert codes.read(Purpose.STOP, good) == mailed.public_id
    flipped = good[:-2] + ("A" if good[-2] != "A" else "B") + good[-1]
    for bad in (
        good[:-1],
        good + "A",
        flipped,
        good.upper(),
        good.replace(good[0], "%", 1),
        "",
        "é" * 43,
        good + "=",
    ):
        assert codes.read(Purpose.STOP, bad) is None
    for purpose in Purpose:
        assert (codes.read(purpose, good) is not None) == (purpose is Purpose.STOP)


def test_a_code_still_works_while_the_secret_is_changed(mailed: Reminder, settings: Any) -> None:
    good = codes.make(Purpose.STOP, mailed.public_id)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another secret " * 4
    assert codes.read(Purpose.STOP, good) == mailed.public_id
    settings.SECRET_KEY_FALLBACKS = []
    assert codes.read(Purpose.STOP, good) is None


def test_no_code_is_in_the_database(desk: Desk, mailed: Reminder) -> None:
    code = links_in(desk)["stop"].split("/")[2]
    assert code not in repr(list(Reminder.objects.values()) + list(ReminderSend.objects.values()))


@pytest.mark.parametrize("page", [*PAGES, "confirm"])
def test_whatever_is_no_code_gets_the_same_page(desk: Desk, reader: Client, page: str) -> None:
    answers = set()
    for code in ("x" * 43, "x", codes.make(Purpose.FROM_MAIL, codes.new_id())):
        for response in (
            reader.get(f"/reminders/{code}/{page}/"),
            reader.post(f"/reminders/{code}/{page}/", {"act": "yes"}),
        ):
            assert response.status_code == 404
            answers.add(re.sub(r"/reminders/[\w-]+/", "/", response.content.decode()))
    assert len(answers) == 1


# --- The deep link


def test_the_button_opens_the_page_as_the_reader_wished_it(desk: Desk, reader: Client) -> None:
    from donations.intervals import Interval
    from donations.money import Money

    desk.ask(interval=Interval.MONTH, amount=Money(500, "USD"))
    desk.go_and_work(JANUARY)
    page = Page(reader.get(links_in(desk)["support"]).content.decode())
    assert page.fields["interval"] == "month"
    assert page.fields["amount_USD_month"] == "500"
    assert codes.read(Purpose.FROM_MAIL, page.fields["reminder"]) == ReminderSend.objects.get().rid


def test_an_amount_below_the_new_minimum_is_raised_and_the_page_says_so(desk: Desk, reader: Client) -> None:
    from donations.intervals import Interval
    from donations.money import Money

    desk.ask(interval=Interval.MONTH, amount=Money(200, "USD"))
    Ask.objects.filter(currency="USD", interval="month").update(minimum_minor=300)
    desk.go_and_work(JANUARY)
    page = Page(reader.get(links_in(desk)["support"]).content.decode())
    assert "You thought of $2. The least amount is $3 by now, so we have put that in." in page.text
    assert page.fields["other_USD_month"] == "3.00"


# --- The form


def test_the_support_page_leads_to_the_form_and_the_form_to_a_promise(desk: Desk) -> None:
    reader = Client()
    page = Page(reader.get("/support/support-us/?interval=month&amount=500&currency=USD").content.decode())
    [link] = [link for link in page.links if link.startswith("/reminders/new/")]
    form = Page(reader.get(link).content.decode())
    form.fields["email"] = "charlie@example.org"
    response = reader.post("/reminders/new/", form.fields)
    assert response.status_code == 303
    told = Page(reader.get(response["Location"]).content.decode())
    assert "One e-mail on" in told.text
    reminder = Reminder.objects.get()
    assert (reminder.interval, reminder.amount_minor, reminder.campaign) == ("month", 500, desk.campaign)
    [entry] = [link for link in told.links if "calendar.ics" in link]
    assert reader.get(entry).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"), [("email", "charlie"), ("remind", "2020-01-01"), ("remind", "on_day")]
)
def test_a_mistake_in_the_form_is_explained(desk: Desk, name: str, value: str) -> None:
    sent = {"email": "charlie@example.org", "remind": "next_month", name: value}
    response = Client().post("/reminders/new/", sent)
    assert response.status_code == 400
    assert 'role="alert"' in response.content.decode()
    assert not Reminder.objects.exists()


def test_a_wish_in_the_link_that_cannot_be_taken_any_more_does_not_stop_the_reminder(desk: Desk) -> None:
    sent = {"email": "charlie@example.org", "remind": "next_month", "campaign": "gone", "amount": "1"}
    assert Client().post("/reminders/new/", sent).status_code == 303
    assert Reminder.objects.get().campaign is None


def test_the_form_speaks_russian(desk: Desk) -> None:
    page = Page(Client().get("/reminders/new/?lang=ru").content.decode())
    assert page.language == "ru"
    assert "Напомните мне позже" in page.text


def test_the_waiting_room_lasts_a_week(desk: Desk, settings: Any) -> None:
    settings.REMINDER_CONFIRM_ONE_OFF = True
    reminder = desk.ask()
    code = codes.make(Purpose.CONFIRM, reminder.public_id)
    assert services.confirm(code=code, now=desk.now + timedelta(days=8)) is None
    services.tidy(now=desk.now + timedelta(days=8))
    reminder.refresh_from_db()
    assert reminder.state == "EXPIRED"


def test_when_payments_do_not_work_the_page_offers_to_write_when_they_do(
    desk: Desk, monkeypatch: Any
) -> None:
    from donations import services as donation_services
    from donations.errors import PaymentsUnavailable

    def unavailable(**_: Any) -> None:
        raise PaymentsUnavailable("Please try again in a minute.")

    monkeypatch.setattr(donation_services, "start_contribution", unavailable)
    reader = Client()
    page = Page(reader.get("/support/support-us/").content.decode())
    failed = reader.post("/support/support-us/", page.fields)
    assert failed.status_code == 503
    [link] = [link for link in Page(failed.content.decode()).links if "when_payments_work" in link]
    form = Page(reader.get(link).content.decode())
    assert form.fields["remind"] == "when_payments_work"
    form.fields["email"] = "charlie@example.org"
    told = reader.get(reader.post("/reminders/new/", form.fields)["Location"])
    assert "One e-mail when payments work again" in Page(told.content.decode()).text
    assert Reminder.objects.get().kind == "OUTAGE"


def test_a_widget_is_told_what_it_can_offer_when_payments_do_not_work(
    desk: Desk, monkeypatch: Any, api: Client
) -> None:
    from donations import services as donation_services
    from donations.errors import PaymentsUnavailable

    def unavailable(**_: Any) -> None:
        raise PaymentsUnavailable("Please try again in a minute.")

    monkeypatch.setattr(donation_services, "start_contribution", unavailable)
    gift = {"campaign": "support-us", "interval": "once", "amount": 2500, "currency": "USD"}
    response = api.post("/api/v1/contributions/", gift, content_type="application/json")
    assert response.status_code == 503
    assert response.json()["error"]["remind_me"] == {
        "url": "/api/v1/reminders/",
        "remind": "when_payments_work",
    }
