"""The foot of the support page with its script, in a real browser under the real security policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from donations.models import Contribution
from reminders.models import Reminder
from tests import factories
from tests.browser import CHROMIUM, Browser

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture
def page(live_server: Any, stripe_sandbox: Any, settings: Any, tmp_path: Any) -> Iterator[Browser]:
    """Chromium at the appeal, in a zone that is not the newsroom's."""
    settings.PUBLIC_BASE_URL = live_server.url
    factories.a_campaign()
    with Browser(tmp_path / "profile") as browser:
        browser.ask("Emulation.setTimezoneOverride", timezoneId="Asia/Tokyo")
        browser.open(f"{live_server.url}/support/support-us/")
        yield browser


def is_promised(page: Browser) -> None:
    page.wait_for("location.pathname === '/reminders/asked/' && document.readyState === 'complete'")


def press_enter(page: Browser) -> None:
    for kind in ("keyDown", "keyUp"):
        page.ask(
            "Input.dispatchKeyEvent",
            type=kind,
            key="Enter",
            code="Enter",
            windowsVirtualKeyCode=13,
            text="\r",
        )


def test_the_button_asks_for_what_is_chosen_now_in_the_readers_own_morning(page: Browser) -> None:
    page.click("label[for=interval-year]")
    page.click("label[for=amount-USD-year-2500]")
    page.click("#remind-me summary")
    page.click("label[for=remind-in_3_months]")
    page.click("#remind_email")
    page.type("charlie@example.org")
    page.click("#remind-me [value=email]")

    is_promised(page)
    reminder = Reminder.objects.get()
    assert (reminder.interval, reminder.amount_minor, reminder.currency) == ("year", 2500, "USD")
    assert reminder.time_zone == "Asia/Tokyo"
    assert reminder.sends.get().due_at.hour == 1, "ten in the morning in Tokyo"
    assert not Contribution.objects.exists()
    assert page.complaints == []


@pytest.mark.parametrize("has_script", [True, False])
def test_enter_in_the_address_field_is_never_a_payment(page: Browser, has_script: bool) -> None:
    if not has_script:
        page.ask("Emulation.setScriptExecutionDisabled", value=True)
        page.ask("Page.reload")
        page.wait_for("document.readyState === 'complete' && document.querySelector('#remind-me') !== null")
    page.click("#remind-me summary")
    page.click("#remind_email")
    page.type("charlie@example.org")
    press_enter(page)

    if not has_script:
        page.wait_for(
            "document.querySelector('[name=gift_meant]') !== null && document.readyState === 'complete'"
        )
        page.click("#remind-me [value=email]")
    is_promised(page)
    assert Reminder.objects.get().email == "charlie@example.org"
    assert not Contribution.objects.exists()


def test_a_fault_comes_back_where_the_reader_looks(page: Browser) -> None:
    page.click("#remind-me summary")
    page.click("#remind_email")
    page.type("charlie@")
    page.click("#remind-me [value=email]")

    page.wait_for(
        "document.querySelector('#fault-remind_email') !== null && document.readyState === 'complete'"
    )
    seen = "(() => { const r = document.querySelector('#remind-me [role=alert]').getBoundingClientRect();"
    assert page.run(f"{seen} return r.top >= 0 && r.bottom <= innerHeight; }})()")
    assert page.run("document.querySelector('#remind_email').value") == "charlie@"


@pytest.mark.parametrize("language", ["en", "ru"])
def test_it_fits_a_small_phone(page: Browser, live_server: Any, language: str) -> None:
    page.ask("Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=1, mobile=True)
    page.open(f"{live_server.url}/support/support-us/?lang={language}")
    page.click("#remind-me summary")
    for choice in ("next_month", "every_3_months", "on_day"):
        page.click(f"label[for=remind-{choice}]")
        assert page.run("document.documentElement.scrollWidth") <= 320
