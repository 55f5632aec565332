""" "Not ready to support today? Remind me later", at the foot of the support page, for a browser without scripts."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from donations import asides
from donations.models import Contribution
from reminders import codes, services
from reminders.models import Reminder
from tests.paper import PAGE, Page, open_page, send
from tests.reminders.conftest import Desk

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> Client:
    monkeypatch.setattr("members.clock.now", lambda: desk.now)
    return Client()


def ask(reader: Client, page: Page, by: str = "email", **changes: str) -> Any:
    """Press one of the two buttons at the foot of the page."""
    return send(reader, page, remind_by=by, **{"remind_email": "charlie@example.org", **changes})


def told(reader: Client, response: Any) -> str:
    """The words of the page to which a form led."""
    assert response.status_code == 303, response.content
    assert "charlie" not in response["Location"], "no address is in an address"
    return Page(reader.get(response["Location"]).content.decode()).text


# --- What it brings along


@pytest.mark.parametrize(
    ("choice", "kept"),
    [
        ({"interval": "year", "amount_USD_year": "2500"}, ("year", 2500, "USD")),
        (
            {"interval": "month", "amount_USD_month": "other", "other_USD_month": "7,50"},
            ("month", 750, "USD"),
        ),
        ({"interval": "month", "amount_USD_month": "other", "other_USD_month": "1"}, ("month", None, "")),
        ({"interval": "month", "amount_USD_month": "other", "other_USD_month": "a lot"}, ("month", None, "")),
        ({"currency": "JPY", "interval": "month", "amount_JPY_month": "300"}, ("month", 300, "JPY")),
    ],
)
def test_the_reminder_is_of_what_is_chosen_above_it(
    desk: Desk, reader: Client, choice: dict[str, str], kept: tuple[str, int | None, str]
) -> None:
    words = told(reader, ask(reader, open_page(reader), **choice))

    assert "One e-mail on January 1, 2027." in words
    reminder = Reminder.objects.get()
    assert (reminder.interval, reminder.amount_minor, reminder.currency) == kept
    assert (reminder.campaign, reminder.email) == (desk.campaign, "charlie@example.org")
    assert reminder.source == {"component": "support_page"}
    assert reminder.consent_version == "reminder-2"
    assert not Contribution.objects.exists()


def test_a_day_of_ones_own_and_a_zone_that_a_script_told(desk: Desk, reader: Client) -> None:
    response = ask(
        reader, open_page(reader), remind="on_day", remind_day="2027-03-14", remind_time_zone="Europe/Riga"
    )

    assert "One e-mail on March 14, 2027." in told(reader, response)
    assert f"{Reminder.objects.get().sends.get().due_at:%Y-%m-%dT%H:%M}" == "2027-03-14T08:00"


def test_a_zone_that_is_none_is_the_newsrooms(desk: Desk, reader: Client) -> None:
    told(reader, ask(reader, open_page(reader), remind_time_zone="Mars/Phobos"))
    assert Reminder.objects.get().time_zone == ""


def test_a_series_says_that_it_asks_first(desk: Desk, reader: Client) -> None:
    page = open_page(reader)
    assert "we first ask you by e-mail to say yes" in page.text

    told(reader, ask(reader, page, remind="every_3_months"))
    assert Reminder.objects.get().state == "PENDING_CONFIRM"


def test_it_speaks_russian(desk: Desk, reader: Client) -> None:
    address = f"{PAGE}?lang=ru"
    page = open_page(reader, address)
    assert "Сегодня не готовы поддержать?" in page.text
    assert "1 января" in page.text
    response = send(reader, page, address, remind_by="email", remind_email="charlie@example.org")
    assert "Одно письмо, 1 января 2027" in told(reader, response).replace("\u202f", " ")
    assert Reminder.objects.get().locale == "ru"


# --- What comes back


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"remind_email": "charlie"}, ["This is not an e-mail address"]),
        ({"remind_email": ""}, ["This is not an e-mail address"]),
        ({"remind": "on_day"}, ["Please choose a day in the future"]),
        ({"remind": "on_day", "remind_day": "2020-01-01"}, ["Please choose a day in the future"]),
        (
            {"remind": "on_day", "remind_day": "2050-01-01", "remind_email": "x"},
            ["Please choose a day in the future", "This is not an e-mail address"],
        ),
    ],
)
def test_a_fault_is_told_in_place_and_nothing_that_was_filled_in_is_lost(
    desk: Desk, reader: Client, changes: dict[str, str], words: list[str]
) -> None:
    filled = {
        "interval": "year",
        "amount_USD_year": "2500",
        "email": "receipt@example.org",
        "name": "Charlie",
    }
    response = ask(reader, open_page(reader), **filled, **changes)

    assert response.status_code == 400
    html = response.content.decode()
    again = Page(html)
    assert all(word in again.text for word in words)
    assert '<details class="remind" id="remind-me"' in html
    assert " open>" in html.split('id="remind-me"')[1].split("\n")[0]
    kept = {**filled, "remind_email": "charlie@example.org", "remind": "next_month", **changes}
    assert {name: again.fields[name] for name in kept} == kept
    assert len(again.ids) == len(set(again.ids))
    assert "Please look at this once more. Nothing was charged." not in again.text, "giving has no fault"
    assert not Reminder.objects.exists()
    assert not Contribution.objects.exists()


def test_the_answer_is_the_same_for_an_address_that_is_known(desk: Desk, reader: Client) -> None:
    page = open_page(reader)
    first, second = ask(reader, page), ask(reader, page)
    other = ask(reader, page, remind_email="ada@example.org")
    assert first["Location"] == second["Location"] == other["Location"]
    assert Reminder.objects.count() == 2


def test_a_slip_is_asked_about_and_taken(desk: Desk, reader: Client) -> None:
    response = ask(reader, open_page(reader), remind_email="charlie@gmial.com")
    words = told(reader, response)

    assert "Your address ends in gmial.com. Did you mean gmail.com?" in words
    assert Reminder.objects.get().email == "charlie@gmial.com"


def test_nobody_can_put_words_onto_the_page_that_asks_about_a_slip(desk: Desk, reader: Client) -> None:
    page = reader.get("/reminders/asked/?remind=next_month&typed=evil.example").content.decode()
    assert "evil.example" not in page.split("<main")[1]
    assert "Did you mean" not in page


# --- The calendar


def test_the_other_button_gives_a_calendar_entry_and_needs_no_address(desk: Desk, reader: Client) -> None:
    chosen = {"interval": "year", "amount_USD_year": "2500", "remind": "every_3_months"}
    response = ask(reader, open_page(reader), "calendar", remind_email="", **chosen)

    assert response.status_code == 303
    query = parse_qs(urlsplit(response["Location"]).query)
    assert query["remind"] == ["every_3_months"]
    assert (query["interval"], query["amount"], query["currency"]) == (["year"], ["2500"], ["USD"])
    file = reader.get(response["Location"])
    assert file["Content-Type"].startswith("text/calendar")
    assert "RRULE:FREQ=MONTHLY;INTERVAL=3" in file.content.decode()
    assert not Reminder.objects.exists()


def test_a_day_that_a_calendar_cannot_take_is_told_in_place(desk: Desk, reader: Client) -> None:
    response = ask(reader, open_page(reader), "calendar", remind="on_day", remind_day="2020-01-01")
    assert response.status_code == 400
    assert "Please choose a day in the future" in response.content.decode()


# --- Beside giving


def test_continue_goes_to_the_payment_whatever_the_foot_of_the_page_holds(house: Any) -> None:
    reader = Client()
    response = send(reader, open_page(reader))
    assert response.status_code == 303
    assert "/c/pay/" in response["Location"]


def test_enter_in_its_address_field_leads_nobody_to_a_payment(house: Any) -> None:
    """To a browser without scripts, Enter presses the form's first button, which is Continue."""
    reader = Client()
    asked = send(reader, open_page(reader), remind_email="charlie@example.org")

    assert asked.status_code == 400
    page = Page(asked.content.decode())
    assert "Do you want to be reminded, or to give now?" in page.text
    assert not Contribution.objects.exists()
    assert not Reminder.objects.exists()
    assert "/c/pay/" in send(reader, page)["Location"], "who presses Continue now means it"
    assert told(reader, send(reader, page, remind_by="email"))


def test_when_payments_do_not_work_it_lies_open_and_offers_to_tell(
    desk: Desk, reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from donations import services as giving
    from donations.errors import PaymentsUnavailable

    def unavailable(**_: Any) -> None:
        raise PaymentsUnavailable("Please try again in a minute.")

    monkeypatch.setattr(giving, "start_contribution", unavailable)
    failed = send(reader, open_page(reader))
    assert failed.status_code == 503
    page = Page(failed.content.decode())
    assert page.fields["remind"] == "when_payments_work"
    words = told(reader, ask(reader, page))
    assert "One e-mail when payments work again" in words
    assert Reminder.objects.get().kind == "OUTAGE"


def test_a_house_without_reminders_shows_none(
    desk: Desk, reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asides, "_registered", [])
    page = open_page(reader)
    assert "Remind me" not in page.text
    assert "remind" not in page.fields


def test_a_mails_link_still_opens_the_page_with_its_mark(desk: Desk, reader: Client) -> None:
    mark = codes.make(services.Purpose.FROM_MAIL, codes.new_id())
    page = open_page(reader, f"{PAGE}?interval=month&amount=500&currency=USD&reminder={mark}")
    assert page.fields["reminder"] == mark
