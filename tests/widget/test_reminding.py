"""Not ready to support today: a reminder by mail or in the reader's own calendar, from the newspaper's page."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from reminders.models import Reminder
from tests.widget.marks import IN_A_BROWSER

pytestmark = IN_A_BROWSER


@pytest.fixture
def box(paper):
    box = paper.open()
    box.get_by_text("$10", exact=True).click()
    box.get_by_text("Remind me later").click()
    return box


def test_by_mail_with_what_was_chosen_above(paper, box):
    box.get_by_text("In three months").click()
    box.get_by_label("Your e-mail address").fill("charlie@example.org")
    box.get_by_role("button", name="Remind me by e-mail").click()

    expect(box.get_by_text("One e-mail on ")).to_be_visible()
    expect(box.get_by_role("button", name="Remind me by e-mail")).to_be_hidden()
    reminder = Reminder.objects.get()
    assert reminder.email == "charlie@example.org"
    assert (reminder.amount_minor, reminder.currency, reminder.interval) == (1000, "USD", "month")
    assert reminder.time_zone == "Europe/Riga"
    assert reminder.source["component"] == "widget-inline"
    assert reminder.consent_version == "widget-1"
    told = [each for each in paper.events() if each["name"] == "reminder"]
    assert [(each["remind"], each["way"]) for each in told] == [("in_3_months", "mail")]
    assert "charlie" not in str(told)


def test_in_ones_own_calendar_without_leaving_an_address(paper, box):
    with paper.page.expect_download() as download:
        box.get_by_role("link", name="Put it into my own calendar").click()

    file = download.value.path().read_text()
    assert file.startswith("BEGIN:VCALENDAR")
    assert "VALARM" in file
    asked = parse_qs(urlsplit(download.value.url).query)
    assert (asked["amount"], asked["currency"], asked["remind"]) == (["1000"], ["USD"], ["next_month"])
    assert not Reminder.objects.exists()
    assert paper.page.url == f"{paper.origin}/dev/article/"


def test_on_a_day_of_ones_own_which_has_to_be_named(box):
    box.get_by_text("On another day").click()
    box.get_by_label("Your e-mail address").fill("charlie@example.org")
    box.get_by_role("button", name="Remind me by e-mail").click()
    expect(box.get_by_text("Please choose a day")).to_be_visible()
    box.get_by_label("The day").fill("2001-01-01")
    box.get_by_role("button", name="Remind me by e-mail").click()
    expect(box.get_by_text("Please choose a day")).to_be_visible()
    assert not Reminder.objects.exists()


def test_an_address_that_cannot_be_is_said_beside_it(box):
    for wrong in ("", "charlie", "charlie@example.org, grace@example.org"):
        box.get_by_label("Your e-mail address").fill(wrong)
        box.get_by_role("button", name="Remind me by e-mail").click()
        expect(box.get_by_text("We cannot write to this e-mail address.")).to_be_visible()
    assert not Reminder.objects.exists()


def test_a_slip_of_the_fingers_is_asked_about(box):
    box.get_by_label("Your e-mail address").fill("charlie@gmial.com")
    box.get_by_role("button", name="Remind me by e-mail").click()

    expect(box.get_by_text("Did you mean gmail.com?")).to_be_visible()
    expect(box.get_by_label("Your e-mail address")).to_be_visible()


def test_when_payments_do_not_work_as_soon_as_they_do(paper, box, stripe_sandbox):
    stripe_sandbox.fault("POST /v1/checkout/sessions", "unavailable", times=20)
    box.get_by_role("button", name="Continue").click()
    expect(box.get_by_text("As soon as payments work again")).to_be_visible()
    expect(box.get_by_role("link", name="Put it into my own calendar")).to_be_hidden()
    box.get_by_label("Your e-mail address").fill("charlie@example.org")
    box.get_by_role("button", name="Remind me by e-mail").click()

    expect(box.get_by_role("button", name="Remind me by e-mail")).to_be_hidden()
    assert Reminder.objects.get().kind == Reminder.Kind.OUTAGE
    stripe_sandbox.faults.clear()


def test_a_reminder_that_does_not_arrive_is_said_and_can_be_sent_again(paper, box):
    box.get_by_label("Your e-mail address").fill("charlie@example.org")
    paper.context.set_offline(True)
    box.get_by_role("button", name="Remind me by e-mail").click()
    expect(box.get_by_text("You seem to be offline.")).to_be_visible()
    paper.context.set_offline(False)
    box.get_by_role("button", name="Remind me by e-mail").click()

    expect(box.get_by_role("button", name="Remind me by e-mail")).to_be_hidden()
    assert Reminder.objects.count() == 1


def test_where_the_newsroom_offers_none_there_is_none(paper):
    paper.answers(reminder=None)
    box = paper.open()

    expect(box.get_by_text("Remind me later")).to_have_count(0)
