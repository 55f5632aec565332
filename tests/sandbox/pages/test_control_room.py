"""The control room: the clock, the books, the bank and the post."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import webhooks
from sandbox.server import Sandbox
from tests.sandbox.conftest import Checked
from tests.sandbox.pages.browser import Browser


def money_of(sandbox: Checked, currency: str) -> int:
    amount: int = sandbox.books()[currency]["charges"]["amount"]
    return amount


def test_the_clock_is_moved_by_a_button(sandbox: Checked, browser: Browser, grace: Any) -> None:
    browser.visit("/")
    assert "Tuesday, 24 November 2026" in browser.page
    assert "Thursday, 24 December 2026" in browser.press("+1 month")
    assert "Friday, 25 December 2026" in browser.press("+1 day")
    assert money_of(sandbox, "EUR") == 2000
    assert "Saturday, 25 December 2027" in browser.press("+1 year")


def test_the_clock_is_set_to_any_later_moment(browser: Browser) -> None:
    browser.visit("/_sandbox/")
    assert "Sunday, 28 February 2027, 12:30:00" in browser.press("Set the clock", to="2027-02-28T12:30")
    assert browser.press("Set the clock", to="2026-01-01T00:00").alerts == ["The clock cannot go back."]
    assert browser.press("Set the clock", to="").alerts == ["Please choose a day and a time."]


def test_the_books_stand_in_a_table(sandbox: Checked, browser: Browser, a_gift: Any, grace: Any) -> None:
    assert "Nothing has been paid yet" in Browser(Sandbox()).visit("/")
    sandbox.pay(a_gift(5000, "jpy")["id"])
    page = browser.visit("/")
    assert "EUR €10.00 (1) €0.00 (0) €0.00 (0) €0.59 €9.41 1" in page
    assert "JPY ¥5,000 (1)" in page


def test_an_open_session_can_be_visited_and_expired(sandbox: Checked, browser: Browser, a_gift: Any) -> None:
    session = a_gift(customer_email="ada@example.org")
    page = browser.visit("/")
    assert session["url"] in page.links.values()
    assert "ada@example.org" in page
    assert browser.press("Expire").alerts == ["The session has expired."]
    assert sandbox.account.objects[session["id"]]["status"] == "expired"


@pytest.mark.parametrize(("button", "status"), [("Settle now", "paid"), ("Let it fail", "unpaid")])
def test_a_bank_debit_is_ended_by_a_button(
    sandbox: Checked, browser: Browser, a_gift: Any, button: str, status: str
) -> None:
    session = a_gift()
    sandbox.pay(session["id"], email="ada@example.org", method="bank_debit")
    assert "Bank debits on their way" in browser.visit("/")
    page = browser.press(button)
    assert "Bank debits on their way" not in page
    assert sandbox.account.objects[session["id"]]["payment_status"] == status


def test_a_charge_is_refunded_in_parts(sandbox: Checked, browser: Browser, a_gift: Any) -> None:
    sandbox.pay(a_gift()["id"])
    browser.visit("/")
    assert "partly refunded" in browser.press("Refund", amount="500")
    assert browser.press("Refund", amount="5.00").alerts == ["Please enter the refund in whole minor units."]
    assert browser.press("Refund", amount="9999").alerts[0].startswith("Refund amount")
    browser.press("Refund")
    assert sandbox.books()["EUR"]["refunds"] == {"count": 2, "amount": 1500}


@pytest.mark.parametrize(("button", "status", "held"), [("Win", "won", 0), ("Lose", "lost", 1500)])
def test_a_dispute_is_opened_and_decided(
    sandbox: Checked, browser: Browser, a_gift: Any, button: str, status: str, held: int
) -> None:
    sandbox.pay(a_gift()["id"])
    browser.visit("/")
    assert "dispute: needs response" in browser.press("Dispute")
    assert f"dispute: {status}" in browser.press(button)
    assert sandbox.books()["EUR"]["disputes"]["amount"] == held


def test_events_are_shown_with_what_became_of_their_webhooks(
    sandbox: Checked, browser: Browser, stripe_api: Any, a_gift: Any
) -> None:
    stripe_api(
        "webhook_endpoints", url="http://127.0.0.1:9/hook", enabled_events=["checkout.session.completed"]
    )
    sandbox.pay(a_gift()["id"])
    sandbox.take_webhooks()
    page = browser.visit("/")
    assert "charge.succeeded" in page
    assert "delivered built-in listener" in page
    assert "pending http://127.0.0.1:9/hook" in page
    assert "1 still to be delivered" in page


def test_a_webhook_that_failed_says_why_and_when_it_is_tried_again(
    a_gift: Any, sandbox: Checked, browser: Browser
) -> None:
    a_gift()
    sandbox.pay(sandbox.account.all("checkout.session")[0]["id"])
    row = sandbox.account.deliveries[0]
    webhooks.failed(sandbox.account, row, status=500, error=None)
    assert "pending built-in listener, answered 500; next try 24 Nov 2026, 09:01" in browser.visit("/")
