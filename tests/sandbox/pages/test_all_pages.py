"""What holds for every page: honest, readable by everybody, closed to other sites."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.conftest import Checked
from tests.sandbox.pages.browser import Browser, Page


def all_pages(browser: Browser, stripe_api: Any, a_gift: Any, the_portal: Any) -> Iterator[Page]:
    yield browser.visit("/")
    yield browser.visit(a_gift()["url"])
    yield browser.press("Donate", email="ada@example.org", card="4000002760003184")
    yield browser.press("Fail")
    yield browser.visit("/nowhere")
    yield browser.visit(the_portal())
    yield browser.follow("Change the card")
    paid = {"amount": 900, "currency": "eur", "confirm": True, "payment_method": "pm_card_visa"}
    yield browser.visit(f"/receipts/{stripe_api('payment_intents', **paid)['latest_charge']}")


def test_every_page_says_that_no_money_is_real_and_can_be_read_by_everybody(
    browser: Browser, stripe_api: Any, a_gift: Any, the_portal: Any
) -> None:
    for page in all_pages(browser, stripe_api, a_gift, the_portal):
        assert "Sandbox: no real money." in page
        assert '<html lang="en">' in page.source
        assert page.title.endswith("· Sandbox")
        assert [tag for tag, _ in page.headings].count("h1") == 1
        assert "<script" not in page.source
        for control in page.controls:
            named = control["tag"] == "button" or control.get("type") == "hidden" or "aria-label" in control
            assert named or control.get("id") in page.labels, control


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "http://localhost:8000", "null"])
def test_a_form_on_another_site_moves_nothing(
    sandbox: Checked, browser: Browser, a_gift: Any, origin: str
) -> None:
    session = a_gift()
    typed = {"do": "pay", "email": "ada@example.org", "card": "4242424242424242"}
    answer = browser.client.post(f"/c/pay/{session['id']}", data=typed, headers={"Origin": origin})
    assert answer.status_code == 403
    assert sandbox.account.objects[session["id"]]["status"] == "open"


def test_behind_a_forwarded_port_the_public_address_counts() -> None:
    behind = Checked(public_url="https://sandbox.example.org")
    answer = Browser(behind).client.post(
        "/", data={"do": "clock", "advance": "1 day"}, headers={"Origin": "https://sandbox.example.org"}
    )
    assert answer.status_code == 303


def test_what_does_not_exist_is_a_page_that_says_so(browser: Browser) -> None:
    for path in ("/nothing", "/c/pay/cs_test_none", "/p/session/bps_none", "/static/none.css", "/i/in_none"):
        browser.visit(path)
        assert browser.status == 404, path
    assert browser.client.post("/r/cs_test_none").status_code == 405
    assert browser.client.post("/", data={"do": "everything"}).status_code == 400


def test_pages_are_not_kept_and_run_no_scripts(browser: Browser) -> None:
    headers = browser.client.get("/").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_the_style_comes_from_the_sandbox_itself(browser: Browser) -> None:
    answer = browser.client.get("/static/sandbox.css")
    assert answer.status_code == 200
    assert answer.mimetype == "text/css"
    assert "http" not in answer.get_data(as_text=True)
    assert browser.client.get("/static/../pages.py").status_code == 404


def test_what_a_reader_types_is_shown_as_text(browser: Browser, a_gift: Any) -> None:
    browser.visit(a_gift()["url"])
    page = browser.press("Donate", email="<b>ada", name='"><script>alert(1)</script>', card="")
    assert "<script" not in page.source
    assert page.forms[0].values["name"] == '"><script>alert(1)</script>'
