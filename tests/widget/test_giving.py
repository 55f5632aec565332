"""A reader gives on the newspaper's page: from the article to Stripe's page and back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from donations.models import Contribution
from donations.money import Money

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("widget")]


def pay(page: Page, card: str = "4242424242424242") -> None:
    """On Stripe's page, as a reader does it."""
    page.wait_for_url("**/c/pay/**")
    page.get_by_label("E-mail").fill("ada@example.org")
    page.get_by_label("Card number").fill(card)
    page.locator("button[value=pay]").click()


def test_once_from_the_article_to_the_thank_you(paper, house):
    box = paper.open()
    box.get_by_text("Once", exact=True).click()
    box.get_by_text("$50", exact=True).click()
    expect(box.get_by_text("You give $50, once.")).to_be_visible()
    box.get_by_role("button", name="Continue").click()
    pay(paper.page)
    paper.page.wait_for_url(f"{paper.origin}/dev/article/*")
    house.catch_up()

    expect(box.get_by_role("heading", name="Thank you!")).to_be_visible()
    expect(box.get_by_text("Nothing more will be charged.")).to_be_visible()
    contribution = Contribution.objects.get()
    assert (contribution.interval, contribution.amount) == ("once", Money(5000, "USD"))
    assert contribution.source["component"] == "widget-inline"
    assert contribution.source["page_url"] == f"{paper.origin}/dev/article/"
    assert paper.page.url == f"{paper.origin}/dev/article/", "what is passed on names no gift"
    assert paper.complaints == []
    assert re.search(r"sustainer:continue", str(paper.events())) is None
