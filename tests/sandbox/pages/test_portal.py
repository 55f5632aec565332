"""The billing portal: what Grace sees and can change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.sandbox.conftest import Checked
from tests.sandbox.pages.browser import Browser
from tests.sandbox.pages.conftest import START


def test_the_portal_shows_what_grace_gives_and_when_next(browser: Browser, the_portal: Any) -> None:
    page = browser.visit(the_portal())
    for words in (
        "grace@example.org",
        "Membership active",
        "€10.00 per month",
        "24 Dec 2026",
        "Visa ending in 4242",
    ):
        assert words in page
    assert page.links["← Back to the newsroom"] == "https://news.example.org/account"


def test_grace_cancels_and_thinks_better_of_it(sandbox: Checked, browser: Browser, the_portal: Any) -> None:
    browser.visit(the_portal())
    page = browser.press("Cancel at the end of the period")
    assert page.alerts == ["Your subscription will end with the period that is paid for."]
    assert "Ends on 24 Dec 2026" in page
    assert sandbox.account.all("subscription")[0]["cancel_at_period_end"] is True
    page = browser.press("Do not cancel")
    assert "Next payment on 24 Dec 2026" in page
    assert sandbox.account.all("subscription")[0]["cancel_at_period_end"] is False


def test_an_ended_subscription_says_when(sandbox: Checked, browser: Browser, the_portal: Any) -> None:
    browser.visit(the_portal())
    browser.press("Cancel at the end of the period")
    sandbox.advance(timedelta(days=31))
    page = browser.visit(the_portal())
    assert "Ended on 24 Dec 2026" in page
    assert not any(form.buttons for form in page.forms)


def test_a_pause_is_shown_with_its_end(
    sandbox: Checked, browser: Browser, stripe_api: Any, the_portal: Any
) -> None:
    subscription = sandbox.account.all("subscription")[0]
    resumes = int((START + timedelta(days=90)).timestamp())
    stripe_api(
        f"subscriptions/{subscription['id']}", pause_collection={"behavior": "void", "resumes_at": resumes}
    )
    assert "Paused until 22 Feb 2027" in browser.visit(the_portal())
    stripe_api(f"subscriptions/{subscription['id']}", pause_collection={"behavior": "void"})
    assert "Paused until further notice" in browser.visit(the_portal())


def test_grace_changes_her_card_in_the_portal(
    sandbox: Checked, browser: Browser, the_portal: Any, grace: Any
) -> None:
    browser.visit(the_portal())
    browser.follow("Change the card")
    assert browser.press("Save the card", card="4000000000000002").alerts == ["Your card was declined."]
    page = browser.press("Save the card", card="5555 5555 5555 4444")
    assert page.alerts == ["Your card was changed."]
    assert "Mastercard ending in 4444 default" in page
    default = sandbox.account.objects[grace]["invoice_settings"]["default_payment_method"]
    assert sandbox.account.objects[default]["card"]["last4"] == "4444"
    assert any(event["type"] == "customer.updated" for event in sandbox.account.all("event"))


def test_a_new_card_may_need_the_banks_word(browser: Browser, the_portal: Any) -> None:
    browser.visit(the_portal())
    browser.follow("Change the card")
    browser.press("Save the card", card="4000002500003155")
    assert browser.press("Complete").alerts == ["Your card was changed."]


def test_a_link_to_change_the_card_shows_that_form_and_leads_back(browser: Browser, the_portal: Any) -> None:
    after = {"type": "redirect", "redirect": {"return_url": "https://news.example.org/changed"}}
    browser.visit(the_portal(flow_data={"type": "payment_method_update", "after_completion": after}))
    assert ("h1", "Change the card") in browser.page.headings
    assert "Cancel" not in browser.page
    assert browser.press("Save the card").alerts[0].startswith("Please enter a card number")
    browser.press("Save the card", card="5555555555554444")
    assert browser.left_for == "https://news.example.org/changed"


def test_a_task_can_end_on_a_page_of_its_own(browser: Browser, the_portal: Any) -> None:
    after = {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": "Thank you, Grace."}}
    browser.visit(the_portal(flow_data={"type": "payment_method_update", "after_completion": after}))
    page = browser.press("Save the card", card="5555555555554444")
    assert "Thank you, Grace." in page
    assert page.links["Go back"] == "https://news.example.org/account"


def test_a_link_to_cancel_asks_once(sandbox: Checked, browser: Browser, the_portal: Any) -> None:
    subscription = sandbox.account.all("subscription")[0]["id"]
    flow = {"type": "subscription_cancel", "subscription_cancel": {"subscription": subscription}}
    url = the_portal(flow_data=flow)
    browser.visit(url)
    assert ("h1", "Done") in browser.press("Cancel at the end of the period").headings
    assert sandbox.account.objects[subscription]["cancel_at_period_end"] is True
    assert ("h1", "Nothing to cancel") in browser.visit(url).headings


def test_a_failed_payment_is_shown_and_paid_with_a_new_card(
    sandbox: Checked, browser: Browser, stripe_api: Any, grace: Any, past_due: Any, the_portal: Any
) -> None:
    invoice = past_due
    page = browser.visit(the_portal())
    assert ("h2", "Payments that failed") in page.headings
    assert browser.press("Pay now").alerts == ["Your card was declined."]
    subscription = sandbox.account.all("subscription")[0]
    method = stripe_api("payment_methods", type="card", card={"number": "4242424242424242"})
    stripe_api(f"payment_methods/{method['id']}/attach", customer=grace)
    stripe_api(f"subscriptions/{subscription['id']}", default_payment_method=method["id"])
    assert browser.press("Pay now").alerts == ["Thank you: the invoice is paid."]
    assert invoice["status"] == "paid"
    answer = browser.client.post(
        browser.url.partition("?")[0], data={"do": "pay_invoice", "invoice": invoice["id"]}
    )
    assert answer.status_code == 303


def test_the_bank_may_have_a_question_about_a_failed_payment(
    sandbox: Checked, browser: Browser, stripe_api: Any, grace: Any, past_due: Any, the_portal: Any
) -> None:
    method = stripe_api("payment_methods", type="card", card={"number": "4000002760003184"})
    stripe_api(f"payment_methods/{method['id']}/attach", customer=grace)
    subscription = sandbox.account.all("subscription")[0]
    stripe_api(f"subscriptions/{subscription['id']}", default_payment_method=method["id"])
    browser.visit(the_portal())
    browser.press("Pay now")
    assert ("h1", "Confirmed") in browser.press("Complete").headings
    assert past_due["status"] == "paid"
    assert "paid" in browser.follow("See the invoice")


def test_a_button_that_the_portal_does_not_have_does_nothing(browser: Browser, the_portal: Any) -> None:
    browser.visit(the_portal())
    assert browser.client.post(browser.url, data={"do": "everything"}).status_code == 400


def test_a_refused_card_can_be_tried_again(sandbox: Checked, browser: Browser, the_portal: Any) -> None:
    browser.visit(the_portal())
    browser.follow("Change the card")
    for _ in range(2):
        browser.press("Save the card", card="4000002500003155")
        page = browser.press("Fail")
        assert page.alerts == ["We could not authenticate your payment method."]
    browser.press("Save the card", card="4000002500003155")
    assert browser.press("Complete").alerts == ["Your card was changed."]
    assert [each["status"] for each in sandbox.account.all("setup_intent")] == [
        "succeeded",
        "requires_payment_method",
        "requires_payment_method",
    ]


def test_the_portal_touches_nobody_elses_subscription(
    sandbox: Checked, browser: Browser, a_plan: Any, the_portal: Any
) -> None:
    sandbox.pay(a_plan()["id"], email="ada@example.org")
    of_ada = sandbox.account.all("subscription")[0]
    browser.visit(the_portal())
    page = browser.press("Cancel at the end of the period", subscription=of_ada["id"])
    assert browser.status == 404
    assert page.alerts[0].startswith("No such subscription")
    assert of_ada["cancel_at_period_end"] is False
