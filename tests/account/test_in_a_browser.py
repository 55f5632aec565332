"""The member's own page in a real browser: in from the mail, around, and out; by keyboard, on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from members import clock, outbox
from tests.account.conftest import GRACE
from tests.house import House
from tests.widget.conftest import AXE, chromium  # noqa: F401  (a fixture)
from tests.widget.marks import IN_A_BROWSER

pytestmark = IN_A_BROWSER

PHONE = {"width": 320, "height": 640}
TITLE = "Support The Sample Gazette"
NAV = ("Overview", "Payments", "Contribution", "Personal data")


@pytest.fixture
def open_page(
    chromium: Browser,  # noqa: F811
    live_server: Any,
    house: House,
    settings: Any,
    tmp_path: Path,
) -> Iterator[Callable[..., Page]]:
    """Opens a browser at the sign-in page of a house in which Grace gives every month, with a mailbox next door."""
    settings.PUBLIC_BASE_URL = f"http://127.0.0.1:{live_server.thread.port}"
    settings.DATA_DIR = tmp_path
    settings.EMAIL_BACKEND = "members.mailbox.EmailBackend"
    contexts = []

    def make(*, locale: str = "en-US", **more: Any) -> Page:
        house.give_and_pay(interval="month", amount=500, email=GRACE, name="Grace Sample", locale=locale[:2])
        context = chromium.new_context(locale=locale, **more)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []  # type: ignore[attr-defined]
        page.on("console", lambda said: said.type == "error" and page.complaints.append(said.text))  # type: ignore[attr-defined]
        page.goto(f"{settings.PUBLIC_BASE_URL}/account/")
        return page

    yield make
    for context in contexts:
        context.close()


def link_in_mailbox(page: Page, path: str) -> str:
    """Look into the mailbox, in another tab, and take the link that the newest mail brings."""
    outbox.deliver_due(now=clock.now())
    base = page.url.split("/account/")[0]
    tab = page.context.new_page()
    tab.goto(f"{base}/dev/mailbox/")
    tab.get_by_role("link").filter(has_text=re.compile("link|ссылк|address|адрес", re.I)).first.click()
    found = re.search(rf"{base}{path}[^\s\"<]+", tab.content().replace("&amp;", "&"))
    assert found, tab.inner_text("body")
    tab.close()
    return found[0]


def barriers(page: Page) -> list[str]:
    """What axe finds that is serious or critical, and whether the page is wider than its window."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    faults = [
        f"{each['id']}: {node['html']} {node['failureSummary']}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        faults.append("one has to scroll sideways")
    return faults


def test_in_from_the_mail_all_around_and_out_again(open_page: Callable[..., Page]) -> None:
    page = open_page()
    seen: list[tuple[str, list[str]]] = []

    def look(name: str) -> None:
        seen.append((name, barriers(page)))

    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_label("The e-mail address with which you give").fill("grace")
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("alert")).to_contain_text("Please enter an e-mail address")
    look("sign-in")
    page.get_by_label("The e-mail address with which you give").fill(GRACE)
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mail")
    look("sent")
    page.goto(link_in_mailbox(page, "/account/sign-in/"))
    look("open")
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Hello, Grace Sample")
    look("overview")
    for name in NAV:
        page.get_by_role("navigation", name="Your account").get_by_role("link", name=name).click()
        expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute("aria-current", "page")
        look(name)
    page.get_by_label("How we address you").fill("Grace S.")
    page.get_by_role("button", name="Save the name").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    page.get_by_label("Send me the newsletter.").check()
    page.get_by_role("button", name="Save what we may send").click()
    expect(page.get_by_label("Send me the newsletter.")).to_be_checked()

    page.get_by_role("link", name="Change it").click()
    page.get_by_label("The new e-mail address").fill("grace.new@example.org")
    look("address")
    page.get_by_role("button", name="Send a link there").click()
    page.goto(link_in_mailbox(page, "/account/personal/address/"))
    look("confirm")
    page.get_by_role("button", name="Yes, write to me there").click()
    expect(page.get_by_text("grace.new@example.org")).to_be_visible()

    page.get_by_role("link", name="Contribution", exact=True).click()
    page.get_by_role("link", name="Look at it or change it").click()
    expect(page.get_by_text("Visa ending in 4242")).to_be_visible()
    look("contribution")
    page.get_by_role("link", name="Payments", exact=True).click()
    page.get_by_role("link", name=re.compile("^Receipt number")).click()
    look("receipt")
    page.get_by_role("link", name="Payments", exact=True).click()
    page.locator(".years a").first.click()
    look("statement")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")

    assert [fault for fault in seen if fault[1]] == []
    wrong_form = "the server responded with a status of 400"  # of the address without an @
    assert [each for each in page.complaints if wrong_form not in each] == []  # type: ignore[attr-defined]


def test_on_a_phone_in_russian_without_scripts_by_keyboard(open_page: Callable[..., Page]) -> None:
    page = open_page(locale="ru-RU", viewport=PHONE, java_script_enabled=False, color_scheme="dark")
    page.get_by_label("Адрес электронной почты").focus()
    page.keyboard.type(GRACE)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Проверьте почту")
    page.goto(link_in_mailbox(page, "/account/sign-in/"))
    page.get_by_role("button", name="Войти").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Здравствуйте, Grace Sample")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Перейти к содержанию")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Обзор")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Платежи")
    base = page.url.split("/account/")[0]
    for address in ("", "payments/", "contributions/", "personal/", "personal/address/"):
        page.goto(f"{base}/account/{address}")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], address
    page.goto(f"{base}/account/payments/")
    assert re.findall(r"[A-Za-z]{4,}", page.inner_text("main").replace(TITLE, "")) == []
