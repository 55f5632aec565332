"""The page on which a reader pays or saves a card."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sandbox import cards, contents, showing
from tests.sandbox.conftest import Checked
from tests.sandbox.pages.browser import Browser
from tests.sandbox.pages.conftest import CANCEL, SUCCESS


def money_of(sandbox: Checked, currency: str) -> int:
    amount: int = sandbox.books()[currency]["charges"]["amount"]
    return amount


def test_ada_pays_by_card_and_is_sent_to_the_newspapers_page(
    sandbox: Checked, browser: Browser, a_gift: Any
) -> None:
    session = a_gift()
    page = browser.visit(session["url"])
    assert "€15.00" in page
    browser.press("Donate €15.00", email="ada@example.org", name="Ada", card="4242 4242 4242 4242")
    assert browser.left_for == SUCCESS.replace("{CHECKOUT_SESSION_ID}", session["id"])
    assert money_of(sandbox, "EUR") == 1500


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (1500, "jpy", "¥1,500"),
        (123456, "usd", "$1,234.56"),
        (5120, "kwd", "KWD 5.120"),
        (50000, "isk", "ISK 500"),
        (150000, "ugx", "UGX 1,500"),
        (20000, "huf", "HUF 200.00"),
    ],
)
def test_an_amount_has_as_many_decimals_as_its_currency(
    browser: Browser, a_gift: Any, minor: int, currency: str, shown: str
) -> None:
    browser.visit(a_gift(minor, currency)["url"])
    assert f"Donate {shown}" in browser.page.forms[0].buttons


def test_what_costs_money_back_is_shown_with_a_minus() -> None:
    assert showing.amount(-1234, "eur") == "−€12.34"


@pytest.mark.parametrize(("interval", "said"), [("month", "per month"), ("year", "per year")])
def test_a_subscription_says_how_often_it_is_paid(
    browser: Browser, a_plan: Any, interval: str, said: str
) -> None:
    browser.visit(a_plan(interval)["url"])
    assert f"Give €10.00 {said}" in browser.page.forms[0].buttons
    assert showing.every({"interval": "month", "interval_count": 3}) == "every 3 months"


def test_several_lines_are_listed_with_their_amounts(browser: Browser, stripe_api: Any) -> None:
    lines = [
        {
            "quantity": 1,
            "price_data": {"currency": "eur", "unit_amount": 1500, "product_data": {"name": "Gift"}},
        },
        {
            "quantity": 2,
            "price_data": {"currency": "eur", "unit_amount": 37, "product_data": {"name": "Fees"}},
        },
    ]
    session = stripe_api("checkout/sessions", mode="payment", success_url=SUCCESS, line_items=lines)
    page = browser.visit(session["url"])
    assert "Fees × 2" in page
    assert "€0.74" in page
    assert "Pay €15.74" in page


def test_a_known_address_is_filled_in_and_locked(sandbox: Checked, browser: Browser, a_gift: Any) -> None:
    session = a_gift(customer_email="ada@example.org")
    browser.visit(session["url"])
    field = next(each for each in browser.page.controls if each.get("name") == "email")
    assert field["value"] == "ada@example.org"
    assert "readonly" in field
    browser.press("Donate", email="charlie@example.org", card="4242424242424242")
    assert sandbox.account.objects[session["id"]]["customer_details"]["email"] == "ada@example.org"


def test_a_declined_card_is_explained_and_another_one_may_follow(
    sandbox: Checked, browser: Browser, a_gift: Any
) -> None:
    browser.visit(a_gift()["url"])
    page = browser.press("Donate", email="ada@example.org", name="Ada", card="4000000000009995")
    assert browser.status == 402
    assert page.alerts == ["Your card has insufficient funds."]
    assert page.forms[0].values["email"] == "ada@example.org"
    assert page.forms[0].values["name"] == "Ada"
    browser.press("Donate", card="4242424242424242")
    assert browser.left_for is not None
    assert money_of(sandbox, "EUR") == 1500


def test_a_test_card_is_filled_in_at_one_press_and_keeps_what_was_typed(
    browser: Browser, a_gift: Any
) -> None:
    browser.visit(a_gift()["url"])
    page = browser.press("Insufficient funds", email="ada@example.org", name="Ada")
    assert page.forms[0].values["card"] == "4000 0000 0000 9995"
    assert page.forms[0].values["email"] == "ada@example.org"
    assert page.alerts == []


@pytest.mark.parametrize(
    ("filled", "said"),
    [
        ({"email": "", "card": "4242424242424242"}, "Please enter your e-mail address."),
        ({"email": "ada", "card": "4242424242424242"}, "Please check your e-mail address: it has no @."),
        (
            {"email": "ada@example.org", "card": " "},
            "Please enter a card number, or press one of the test cards.",
        ),
        ({"email": "ada@example.org", "card": "1234"}, "Your card number is incorrect."),
    ],
)
def test_a_form_that_is_not_complete_says_what_is_missing(
    browser: Browser, a_gift: Any, filled: dict[str, str], said: str
) -> None:
    browser.visit(a_gift()["url"])
    assert browser.press("Donate", **filled).alerts == [said]
    assert browser.left_for is None


@pytest.mark.parametrize(
    ("button", "paid", "said"), [("Complete", True, None), ("Fail", False, "We could not authenticate")]
)
def test_the_bank_asks_and_the_readers_answer_decides(
    sandbox: Checked, browser: Browser, a_gift: Any, button: str, paid: bool, said: str | None
) -> None:
    browser.visit(a_gift()["url"])
    page = browser.press("Donate", email="ada@example.org", card="4000 0027 6000 3184")
    assert ("h1", "Confirm that it is you") in page.headings
    assert "card ending in 3184" in page
    page = browser.press(button)
    assert (browser.left_for is not None) is paid
    assert said is None or page.alerts[0].startswith(said)


def test_a_challenge_can_be_left_and_another_card_taken(browser: Browser, a_gift: Any) -> None:
    browser.visit(a_gift()["url"])
    browser.press("Donate", email="ada@example.org", card="4000002760003184")
    page = browser.press("Back to the form")
    assert page.forms[0].values["email"] == "ada@example.org"
    browser.press("Donate", card="4242424242424242")
    assert browser.left_for is not None


def test_a_bank_debit_leads_on_at_once_and_is_settled_later(
    sandbox: Checked, browser: Browser, a_gift: Any
) -> None:
    session = a_gift()
    browser.visit(session["url"])
    browser.press("Donate", email="ada@example.org", method="bank")
    assert browser.left_for is not None
    assert sandbox.account.objects[session["id"]]["payment_status"] == "unpaid"
    sandbox.advance(timedelta(days=6))
    assert sandbox.account.objects[session["id"]]["payment_status"] == "paid"


def test_the_account_that_is_said_to_come_back_unpaid_does(
    sandbox: Checked, browser: Browser, a_gift: Any
) -> None:
    session = a_gift()
    browser.visit(session["url"])
    unpaid = contents.UNPAID_ACCOUNTS["sepa_debit"]
    browser.press("Donate", email="ada@example.org", method="bank", account=unpaid)
    sandbox.advance(timedelta(days=6))
    assert sandbox.account.objects[session["id"]]["payment_status"] == "unpaid"
    assert sandbox.books() == {}
    assert set(contents.UNPAID_ACCOUNTS.values()) <= cards.FAILING_ACCOUNTS


@pytest.mark.parametrize(
    ("given", "bank", "card"),
    [
        ({"currency": "jpy"}, False, True),
        ({"allowed_payment_method_types": ["card"]}, False, True),
        ({"allowed_payment_method_types": ["sepa_debit"]}, True, False),
    ],
)
def test_only_methods_that_the_session_takes_are_offered(
    sandbox: Checked, browser: Browser, a_gift: Any, given: dict[str, Any], bank: bool, card: bool
) -> None:
    page = browser.visit(a_gift(**given)["url"])
    names = {each.get("name") for each in page.controls}
    assert ("account" in names) is bank
    assert ("card" in names) is card
    browser.press("Donate", email="ada@example.org", **({"card": "4242424242424242"} if card else {}))
    assert browser.left_for is not None


def test_saving_a_card_charges_nothing(
    sandbox: Checked, browser: Browser, stripe_api: Any, grace: Any
) -> None:
    session = stripe_api(
        "checkout/sessions", mode="setup", currency="eur", customer=grace, success_url=SUCCESS
    )
    before = sandbox.books()
    page = browser.visit(session["url"])
    assert "Nothing is charged now" in page
    assert browser.press("Save the card", card="4000000000000002").alerts == ["Your card was declined."]
    browser.press("Save the card", card="5555555555554444")
    assert browser.left_for is not None
    assert sandbox.books() == before
    saved = sandbox.account.objects[sandbox.account.objects[session["id"]]["setup_intent"]]["payment_method"]
    assert sandbox.account.objects[saved]["card"]["last4"] == "4444"


def test_going_back_leads_to_where_the_application_said(browser: Browser, a_gift: Any) -> None:
    assert browser.visit(a_gift()["url"]).links["← Go back"] == CANCEL


def test_a_finished_session_says_so_and_takes_no_second_payment(
    sandbox: Checked, browser: Browser, a_gift: Any
) -> None:
    session = a_gift()
    sandbox.pay(session["id"], email="ada@example.org")
    page = browser.visit(session["url"])
    assert ("h1", "All done here") in page.headings
    assert page.links["Continue"] == SUCCESS.replace("{CHECKOUT_SESSION_ID}", session["id"])
    browser.client.post(
        f"/c/pay/{session['id']}", data={"do": "pay", "email": "ada@example.org", "card": "4242424242424242"}
    )
    assert money_of(sandbox, "EUR") == 1500


def test_an_expired_session_says_so(sandbox: Checked, browser: Browser, a_gift: Any) -> None:
    session = a_gift()
    browser.visit(session["url"])
    sandbox.advance(timedelta(days=2))
    page = browser.press("Donate", email="ada@example.org", card="4242424242424242")
    assert browser.status == 410
    assert ("h1", "This page has expired") in page.headings
    assert page.links["Go back"] == CANCEL


def test_an_expired_session_can_be_taken_up_again_for_a_month(
    sandbox: Checked, browser: Browser, a_gift: Any
) -> None:
    old = a_gift(after_expiration={"recovery": {"enabled": True}}, metadata={"contribution": "7"})
    sandbox.expire(old["id"])
    browser.visit(old["url"])
    page = browser.follow("Start again")
    assert "Donate €15.00" in page
    again = browser.visit(f"/r/{old['id']}")
    assert again.source == page.source
    copies = [each for each in sandbox.account.all("checkout.session") if each["recovered_from"] == old["id"]]
    assert [each["status"] for each in copies] == ["open", "open"]
    browser.press("Donate", email="ada@example.org", card="4242424242424242")
    assert browser.left_for is not None
    new = browser.left_for.partition("session_id=")[2]
    assert new != old["id"]
    assert sandbox.account.objects[new]["recovered_from"] == old["id"]
    assert sandbox.account.objects[new]["metadata"] == {"contribution": "7"}
    sandbox.advance(timedelta(days=31))
    assert "cannot be recovered" in browser.visit(f"/r/{old['id']}")
    assert browser.status == 400
