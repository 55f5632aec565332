"""Whom the widget asks, and in which words: what the server decides is what a reader sees."""

from __future__ import annotations

from datetime import timedelta

import jwt
import pytest
from django.core.cache import cache
from playwright.sync_api import expect

from donations.models import AskSwitch, AskTest, AskVariant, Campaign, Contribution, Subscription, VariantAsk
from members import clock
from tests import factories
from tests.widget.marks import IN_A_BROWSER

pytestmark = IN_A_BROWSER

SECRET = "a secret that the newspaper and we know"
APPEAL = '<sustainer-appeal campaign="support-us"{}></sustainer-appeal>'


@pytest.fixture
def warm(paper) -> AskVariant:
    """One way to ask, which every reader gets."""
    campaign = Campaign.objects.get(slug="support-us")
    test = AskTest.objects.create(campaign=campaign, slug="words", starts_at=factories.LONG_AGO)
    variant = AskVariant.objects.create(test=test, slug="warm", title="Dear reader", button="Give now")
    VariantAsk.objects.create(
        variant=variant, currency="USD", interval="month", suggested=[700, 900], default_minor=900
    )
    return variant


def test_a_variants_words_and_amounts_are_drawn_and_go_along_with_the_gift(paper, warm):
    box = paper.open()
    expect(box.get_by_role("heading", name="Dear reader")).to_be_visible()
    expect(box.get_by_text("You give $9 today")).to_be_visible()
    box.get_by_role("button", name="Give now").click()
    paper.page.wait_for_url("**/c/pay/**")

    contribution = Contribution.objects.get()
    assert contribution.variant == warm
    assert contribution.amount_minor == 900


def test_on_a_sensitive_page_only_words_that_are_marked_as_safe(paper, warm):
    page = paper.show(APPEAL.format(" sensitive"))
    page.locator("sustainer-appeal .away").wait_for(state="attached")
    AskVariant.objects.update(is_safe=True)
    cache.clear()
    page.goto(page.url + "?again")

    expect(page.get_by_role("heading", name="Dear reader")).to_be_visible()


def test_a_member_who_is_logged_in_at_the_paper_is_not_asked(paper, house, settings):
    settings.READER_TOKEN_SECRETS = [SECRET]
    house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    until = (clock.now() + timedelta(minutes=10)).timestamp()
    token = jwt.encode({"aud": "sustainer", "exp": until, "email": "grace@example.org"}, SECRET, "HS256")
    page = paper.show(APPEAL.format(f' reader-token="{token}"') + APPEAL.format(""))
    page.locator("sustainer-appeal .away").wait_for(state="attached")

    expect(page.get_by_role("button", name="Continue")).to_have_count(1), "the one without a token"


def test_one_switch_stops_all_asking(paper):
    AskSwitch.objects.update_or_create(pk=1, defaults={"is_off": True})
    box = paper.open(wait=False)
    box.locator(".away").wait_for(state="attached")

    assert paper.events() == []


def test_readers_who_are_left_out_see_nothing(paper):
    Campaign.objects.update(hold_out_percent=100)
    box = paper.open("bar", wait=False)
    box.locator(".away").wait_for(state="attached")

    assert box.get_by_role("button").count() == 0


def test_whoever_meant_to_give_once_makes_it_so_at_stripe(paper, house):
    box = paper.open()
    box.get_by_role("button", name="Continue").click()
    paper.pay()
    paper.page.wait_for_url(f"{paper.origin}/dev/article/*")
    house.catch_up()
    expect(box.get_by_text("You are a member")).to_be_visible()
    box.get_by_role("button", name="Make it one-time").click()
    expect(box.get_by_text("This gift stays, and nothing more will be charged.")).to_be_visible()
    house.catch_up()

    assert Subscription.objects.get().cancel_at is not None
    paper.page.reload()
    expect(box.get_by_role("heading", name="Thank you!")).to_be_visible()
    expect(box.get_by_text("Nothing more will be charged.")).to_be_visible()
    expect(box.get_by_role("button", name="Make it one-time")).to_have_count(0)


def test_the_newsletter_is_offered_in_the_newsrooms_own_words_or_not_at_all(paper, open_paper):
    box = paper.open()
    expect(box.get_by_role("button", name="Continue")).to_be_visible()
    expect(box.get_by_role("checkbox", name="letter")).to_have_count(0)
    Campaign.objects.update(newsletter_text="Write to me each Friday: our letter.")
    cache.clear()

    tick = open_paper().open().get_by_role("checkbox", name="Write to me each Friday: our letter.")
    expect(tick).to_be_visible()
    expect(tick).not_to_be_checked()
