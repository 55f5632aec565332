"""Invoices, receipts, and the questions of a bank."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.sandbox.conftest import Checked
from tests.sandbox.pages.browser import Browser


def test_a_failed_invoice_can_be_paid_on_its_page(sandbox: Checked, browser: Browser, past_due: Any) -> None:
    invoice = past_due
    assert invoice["status"] == "open"
    browser.visit(invoice["hosted_invoice_url"])
    assert browser.press("Pay €10.00").alerts[0].startswith("Please enter a card number")
    assert browser.press("Pay €10.00", card="4000000000000002").alerts == ["Your card was declined."]
    browser.press("Pay €10.00", card="4000002760003184")
    page = browser.press("Complete")
    assert "paid" in page
    assert sandbox.account.all("subscription")[0]["status"] == "active"
    assert "paid" in browser.visit(f"{invoice['hosted_invoice_url']}/pdf")


def test_a_receipt_says_what_was_paid_and_what_came_back(
    sandbox: Checked, browser: Browser, stripe_api: Any, a_gift: Any
) -> None:
    sandbox.pay(a_gift()["id"], email="ada@example.org")
    charge = sandbox.account.all("charge")[0]
    stripe_api("refunds", charge=charge["id"], amount=500)
    page = browser.visit(charge["receipt_url"])
    for words in ("€15.00", "Visa ending in 4242", "24 Nov 2026", "Refunded €5.00"):
        assert words in page


@pytest.mark.parametrize(
    ("button", "status", "heading"), [("Complete", 200, "Confirmed"), ("Fail", 402, "Not confirmed")]
)
def test_a_challenge_of_an_intent_has_a_page(
    browser: Browser, stripe_api: Any, button: str, status: int, heading: str
) -> None:
    intent = stripe_api(
        "payment_intents",
        amount=1500,
        currency="eur",
        confirm=True,
        payment_method="pm_card_authenticationRequired",
    )
    assert "€15.00" in browser.visit(intent["next_action"]["redirect_to_url"]["url"])
    assert ("h1", heading) in browser.press(button).headings
    assert browser.status == status
    if status == 200:
        page = browser.visit(intent["next_action"]["redirect_to_url"]["url"])
        assert ("h1", "Nothing to confirm") in page.headings


def test_the_challenge_of_a_setup_intent_has_a_page(browser: Browser, stripe_api: Any, grace: Any) -> None:
    method = stripe_api("payment_methods", type="card", card={"number": "4000002500003155"})
    intent = stripe_api("setup_intents", customer=grace, confirm=True, payment_method=method["id"])
    browser.visit(intent["next_action"]["redirect_to_url"]["url"])
    assert ("h1", "Confirmed") in browser.press("Complete").headings


def test_the_challenge_of_a_renewal_pays_the_invoice(
    sandbox: Checked, browser: Browser, stripe_api: Any, grace: Any
) -> None:
    method = stripe_api("payment_methods", type="card", card={"number": "4000002760003184"})
    stripe_api(f"payment_methods/{method['id']}/attach", customer=grace)
    subscription = sandbox.account.all("subscription")[0]
    stripe_api(f"subscriptions/{subscription['id']}", default_payment_method=method["id"])
    sandbox.advance(timedelta(days=31))
    intent = next(
        each for each in sandbox.account.all("payment_intent") if each["status"] == "requires_action"
    )
    browser.visit(intent["next_action"]["redirect_to_url"]["url"])
    assert ("h1", "Confirmed") in browser.press("Complete").headings
    assert sandbox.account.all("invoice")[0]["status"] == "paid"
