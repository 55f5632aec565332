"""Grace changes, pauses, stops and comes back in a real browser, and mends a card that failed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from donations.models import ContributionChange, Payment, Subscription
from members import clock, sessions
from members import queries as members
from tests.account.conftest import GRACE
from tests.account.test_in_a_browser import barriers
from tests.house import House
from tests.widget.marks import IN_A_BROWSER

pytestmark = IN_A_BROWSER


def sign_in(page: Page, base: str) -> None:
    """By the shortest way; the session of a month ago is over."""
    reader = members.get_member(GRACE)
    assert reader is not None
    key = sessions.begin(reader, sessions.Kind.COOKIE, now=clock.now())
    page.context.add_cookies([{"name": settings.READER_COOKIE_NAME, "value": key, "url": base}])


@pytest.fixture
def page(
    chromium: Browser,
    live_server: Any,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Page]:
    """A telephone on which Grace is signed in, at the page of her contribution."""
    base = f"http://127.0.0.1:{live_server.thread.port}"
    monkeypatch.setattr(settings, "PUBLIC_BASE_URL", base)
    house.give_and_pay(interval="month", amount=1500, email=GRACE)
    context = chromium.new_context(locale="en-US", viewport={"width": 360, "height": 740})
    context.set_default_timeout(15_000)
    page = context.new_page()
    sign_in(page, base)
    page.goto(f"{base}/account/contributions/")
    page.get_by_role("link", name="Look at it or change it").click()
    yield page
    context.close()


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def test_change_undo_pause_instead_of_stopping_and_stop(page: Page, house: House) -> None:
    faults: list[str] = []
    faults += barriers(page)
    page.get_by_role("link", name="Amount, interval or fee").click()
    page.get_by_label("Amount in USD").fill("20")
    page.get_by_label("I cover the payment fee as well").check()
    faults += barriers(page)
    page.get_by_role("button", name="Show what it comes to").click()
    heading(page, "Is this right?")
    expect(page.get_by_text("$20.91 each month")).to_be_visible()
    faults += barriers(page)
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_role("status")).to_contain_text("From the next payment on you give $20.91 each month.")
    house.catch_up()
    assert Subscription.objects.get().amount_minor == 2091
    page.get_by_role("button", name="Undo this change").click()
    house.catch_up()
    assert Subscription.objects.get().amount_minor == 1500

    page.get_by_role("button", name="Stop my contribution").click()
    heading(page, "Stop your contribution?")
    faults += barriers(page)
    page.get_by_role("link", name="Pause", exact=True).click()
    page.get_by_label(re.compile("Pause for two months")).check()
    faults += barriers(page)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_contain_text("Your contribution is paused.")
    house.catch_up()
    assert Subscription.objects.get().state == "PAUSED"
    assert ContributionChange.objects.filter(kind="PAUSE", instead_of_stopping=True).exists()
    page.reload()
    page.get_by_role("button", name="End the pause now").click()
    house.catch_up()

    page.get_by_role("button", name="Stop my contribution").click()
    page.get_by_text("Would you tell us why?").click()
    page.get_by_label("I seldom read it").check()
    page.get_by_role("button", name="Stop my contribution").click()
    expect(page.get_by_role("status")).to_contain_text("No further payment is taken.")
    house.catch_up()
    page.get_by_role("button", name="Go on giving").click()
    house.catch_up()
    assert Subscription.objects.get().cancel_at is None
    assert faults == []


def test_a_failed_card_is_mended_and_who_left_comes_back(page: Page, house: House) -> None:
    house.stripe.controls.change_card(Subscription.objects.get().stripe_id, "4000000000000341")
    house.catch_up()
    house.advance(days=31, hours=2)
    assert Subscription.objects.get().state == "PAST_DUE"

    sign_in(page, settings.PUBLIC_BASE_URL)
    page.reload()
    expect(page.get_by_text("the open payment is charged to it")).to_be_visible()
    page.get_by_role("button", name="Give another card").click()
    page.wait_for_url("**/p/session/**")
    page.get_by_label("Card number").fill("4242424242424242")
    page.locator("button[type=submit]").first.click()
    page.wait_for_url("**/account/contributions/**")
    house.catch_up()
    assert Subscription.objects.get().state == "ACTIVE"
    assert Payment.objects.filter(state="SUCCEEDED").count() == 2
    # The card that failed was another one as well.
    assert list(ContributionChange.objects.values_list("kind", flat=True)) == ["CARD", "CARD"]

    page.reload()
    page.get_by_role("button", name="Stop my contribution").click()
    page.get_by_role("button", name="Stop my contribution").click()
    house.catch_up()
    house.advance(days=31)
    assert Subscription.objects.get().state == "CANCELLED"
    sign_in(page, settings.PUBLIC_BASE_URL)
    page.reload()
    page.get_by_role("link", name="Give again").click()
    page.wait_for_url("**/support/support-us/?**amount=1500**")
