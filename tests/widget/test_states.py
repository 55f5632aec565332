"""
Each way in which the widget can be seen: no barrier for readers with disabilities in any of them.

With WIDGET_PICTURES=docs/pictures the same states are photographed for people to look at.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.widget import contract
from tests.widget.marks import IN_A_BROWSER

pytestmark = IN_A_BROWSER

PERSIAN = {
    "often": "چند وقت یک‌بار کمک می‌کنید؟",
    "once": "یک‌بار",
    "month": "ماهانه",
    "year": "سالانه",
    "much_month": "هر ماه چقدر؟",
    "from": "هر ماه از ما حمایت کنید، تنها از {amount}.",
    "other": "مبلغ دیگر",
    "currency": "ارز",
    "cover": "{fee} برای کارمزد می‌افزایم تا همهٔ {amount} برسد.",
    "newsletter": "خبرنامه را هم برایم بفرستید.",
    "privacy": "با داده‌های شما چه می‌شود",
    "continue": "ادامه",
    "sum_month": "امروز {amount} و سپس هر ماه، تا وقتی که متوقفش کنید.",
    "safe": "در صفحهٔ امن Stripe پرداخت می‌کنید. ما کارت شما را نمی‌بینیم.",
    "raised": "{raised} از {goal} گرد آمده است",
    "later": "امروز آماده نیستید؟",
    "remind": "بعداً یادآوری کنید",
    "methods": "راه‌های پرداخت",
}


def photograph(what: Any, name: str) -> None:
    """Kept in docs/ when asked for."""
    if folder := os.environ.get("WIDGET_PICTURES"):
        what.screenshot(path=str(Path(folder) / f"widget-{name}.png"), animations="disabled")


def is_open_to_all(paper: Any) -> None:
    assert paper.look_for_barriers() == []
    assert paper.complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_in_the_article(open_paper, theme):
    paper = open_paper(color_scheme=theme)
    paper.answers(**contract.FULL)
    box = paper.open("dark" if theme == "dark" else "")

    is_open_to_all(paper)
    photograph(box, theme)


def test_in_russian(open_paper):
    paper = open_paper(locale="ru-RU")
    message = [
        "Мы пишем о том, о чём другие молчат.",
        "Небольшая сумма каждый месяц позволяет редакции думать наперёд.",
    ]
    newsletter = {"text": "Присылайте мне и рассылку.", "version": "newsletter-1"}
    paper.answers(
        **{**contract.FULL, "message": message, "newsletter": newsletter, "reminder": {"calendar": True}}
    )
    box = paper.open("russian")

    expect(box.get_by_role("button", name="Продолжить")).to_be_visible()
    is_open_to_all(paper)
    photograph(box, "russian")


def test_on_a_small_phone(open_paper):
    paper = open_paper(width=320, height=640)
    paper.answers(**contract.FULL)
    box = paper.open()

    for interval in ("Once", "Monthly"):
        box.get_by_text(interval, exact=True).click()
        for currency in ("KWD", "JPY", "USD"):
            box.get_by_label("Currency").select_option(currency)
            assert paper.page.evaluate("document.documentElement.scrollWidth") <= 320
    box.get_by_text("Remind me later").click()
    assert paper.page.evaluate("document.documentElement.scrollWidth") <= 320
    is_open_to_all(paper)
    box.get_by_text("Remind me later").click()
    photograph(box, "narrow")


def test_from_right_to_left(open_paper):
    paper = open_paper(locale="fa-IR")
    message = ["این روزنامه ساختگی است و این درخواست تنها یک نمونه است."]
    newsletter = {"text": PERSIAN["newsletter"], "version": "1"}
    title = "از روزنامهٔ نمونه حمایت کنید"
    paper.answers(
        **{**contract.FULL, "title": title, "message": message, "newsletter": newsletter, "locale": "fa"}
    )
    paper.show(
        '<main><h1>خبر</h1><sustainer-appeal campaign="support-us"></sustainer-appeal></main>',
        head="<script>document.documentElement.lang = 'fa'; document.documentElement.dir = 'rtl'</script>",
    )
    box = paper.page.locator("sustainer-appeal")
    box.locator("form").first.wait_for()
    paper.page.evaluate("(words) => customElements.get('sustainer-appeal').texts('fa', words)", PERSIAN)

    expect(box.get_by_role("button", name="ادامه")).to_be_visible()
    once, annual = (box.get_by_text(PERSIAN[name], exact=True).bounding_box() for name in ("once", "year"))
    assert once["x"] > annual["x"], "the first tab is on the right"
    is_open_to_all(paper)
    photograph(box, "rtl")


def test_a_window_on_top(open_paper):
    paper = open_paper(height=1100)
    paper.answers(**contract.FULL)
    box = paper.open("modal")

    expect(box.get_by_role("dialog")).to_be_visible()
    is_open_to_all(paper)
    photograph(paper.page, "modal")


def test_a_bar_at_the_foot(open_paper):
    paper = open_paper(height=700)
    paper.answers(**contract.FULL)
    box = paper.open("bar")

    expect(box.get_by_role("button", name="Support us")).to_be_visible()
    is_open_to_all(paper)
    photograph(paper.page, "bar")


def test_a_bar_on_a_small_phone(open_paper):
    paper = open_paper(width=320, height=640)
    box = paper.open("bar")

    expect(box.get_by_role("button", name="Support us")).to_be_visible()
    assert paper.page.evaluate("document.documentElement.scrollWidth") <= 320
    photograph(paper.page, "bar-narrow")
    box.get_by_role("button", name="Support us").click()
    expect(box.get_by_role("dialog")).to_be_visible()
    is_open_to_all(paper)


def test_one_button(open_paper):
    paper = open_paper(height=700)
    box = paper.open("button")

    expect(box.get_by_role("button", name="Support us")).to_be_visible()
    is_open_to_all(paper)
    photograph(paper.page, "button")


def test_with_the_reminder_open_and_a_fault(open_paper):
    paper = open_paper()
    paper.answers(**contract.FULL)
    box = paper.open()
    box.get_by_text("Other", exact=True).click()
    box.get_by_label("Your amount in USD").fill("1")
    box.get_by_text("Remind me later").click()

    expect(box.get_by_text("The least amount is $2.")).to_be_visible()
    is_open_to_all(paper)
    photograph(box, "reminder")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_thank_you(open_paper, theme):
    paper = open_paper(color_scheme=theme)
    paper.answers(
        **contract.FULL, thank_you=["Your gift has arrived.", "This is a sample: no real paper got money."]
    )
    standing = {
        "status": "active",
        "interval": "month",
        "amount": 500,
        "fee_cover": 46,
        "currency": "USD",
        "next_payment_at": "2026-12-24T10:00:00Z",
        "membership": {"tier": "Friend", "until": "2027-01-07"},
        "can_be_made_one_time": True,
    }
    paper.page.route(
        "**/api/v1/contributions/*/",
        lambda route: route.fulfill(json=standing, headers={"Access-Control-Allow-Origin": "*"}),
    )
    query = "?sustainer=thanks&contribution=da5d44e1-35f2-45e5-84f5-695944d58e02"
    box = paper.open("dark" if theme == "dark" else "", query, wait=False)

    expect(box.get_by_role("heading", name="Thank you!")).to_be_visible()
    is_open_to_all(paper)
    photograph(box, "thanks-dark" if theme == "dark" else "thanks")


def test_when_the_server_is_away(open_paper):
    paper = open_paper()
    paper.page.route("**/api/v1/campaigns/**", lambda route: route.abort())
    box = paper.open(wait=False)

    expect(box.get_by_role("link", name="Open the support page")).to_be_visible()
    assert paper.look_for_barriers() == []
    photograph(box, "error")
