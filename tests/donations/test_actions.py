"""Links in mails that do one thing: leave out a payment, give less, meant once; and undo."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core import signing
from django.test import Client

from donations import links
from donations.models import ContributionChange, Subscription
from members.models import Message
from tests.house import House
from tests.paper import Page


@pytest.fixture
def monthly(house: House) -> House:
    house.give_and_pay(interval="month", amount=1500, email="grace@example.org")
    return house


@pytest.fixture
def reader() -> Client:
    return Client(enforce_csrf_checks=True)


def link(action: str, occasion: str = "payment:1") -> str:
    page = links.action_page(Subscription.objects.get(), action, occasion=occasion)
    return page.removeprefix(settings.PUBLIC_BASE_URL)


def undo_link() -> str:
    mail = Message.objects.filter(kind="contribution_changed").order_by("-pk")[0]
    return str(mail.context["undo_url"]).removeprefix(settings.PUBLIC_BASE_URL)


def press(reader: Client, address: str, act: str = "do", **fields: str) -> Page:
    answer = reader.post(address, {"act": act, **fields})
    assert answer.status_code == 200, answer.content
    return Page(answer.content.decode())


def test_a_payment_is_left_out_and_that_is_undone(monthly: House, reader: Client) -> None:
    address = link(links.SKIP)
    assert "Left out" in Page(reader.get(address).content.decode()).text
    assert not ContributionChange.objects.exists(), "looking changes nothing"

    assert "Your contribution is paused." in press(reader, address).text
    monthly.catch_up()
    assert Subscription.objects.get().state == "PAUSED"
    row = ContributionChange.objects.get()
    assert (row.actor, row.kind) == ("link", "PAUSE")

    press(reader, address, "undo")
    monthly.catch_up()
    assert Subscription.objects.get().state == "ACTIVE"
    assert "as it was before" in Page(reader.get(address).content.decode()).text
    assert "as it was before" in press(reader, address).text, "and the link is used up"
    assert ContributionChange.objects.count() == 2


def test_pressing_twice_leaves_out_one(monthly: House, reader: Client) -> None:
    address = link(links.SKIP)
    press(reader, address)
    monthly.catch_up()
    until = Subscription.objects.get().pause_resumes_at
    press(reader, address)
    monthly.catch_up()
    assert Subscription.objects.get().pause_resumes_at == until


def test_less_is_given_and_never_more(monthly: House, reader: Client) -> None:
    address = link(links.LOWER)
    page = Page(reader.get(address).content.decode())
    assert "$10.00" in page.text
    assert reader.post(address, {"act": "do", "amount": "2500"}).status_code == 400
    assert "you give $10.00 each month" in press(reader, address, amount="1000").text
    monthly.catch_up()
    assert Subscription.objects.get().amount_minor == 1000


def test_whoever_meant_to_give_once_has_two_days(
    monthly: House, reader: Client, mailoutbox: list[Any]
) -> None:
    [address] = re.findall(r"/support/do/\S+", mailoutbox[0].body)
    assert "one-time gift now" in press(reader, address).text
    monthly.catch_up()
    assert Subscription.objects.get().was_made_one_time
    assert ContributionChange.objects.get().kind == "ONE_TIME"
    assert reader.get(address).status_code == 409


def test_the_thank_you_page_offers_it_as_long_as_it_can_be(monthly: House, reader: Client) -> None:
    plan = Subscription.objects.get()
    address = f"/support/support-us/thanks/{plan.contribution.public_id}/"
    assert "Make it a one-time gift" in reader.get(address).content.decode()
    monthly.advance(days=2, minutes=1)
    assert "Make it a one-time gift" not in reader.get(address).content.decode()


def test_the_mail_about_a_change_undoes_it(monthly: House, reader: Client) -> None:
    reader.post(
        links.stop_page(Subscription.objects.get()).removeprefix(settings.PUBLIC_BASE_URL), {"act": "stop"}
    )
    monthly.catch_up()
    assert Subscription.objects.get().cancel_at is not None
    assert "24 hours" in Page(reader.get(undo_link()).content.decode()).text
    press(reader, undo_link(), "undo")
    monthly.catch_up()
    assert Subscription.objects.get().cancel_at is None


def test_after_a_day_the_link_says_that_it_can_do_no_more(monthly: House, reader: Client) -> None:
    press(reader, link(links.SKIP))
    monthly.catch_up()
    address = undo_link()
    monthly.advance(hours=24)
    assert "can do no more" in Page(reader.get(address).content.decode()).text
    assert reader.post(address, {"act": "undo"}).status_code == 409
    assert Subscription.objects.get().state == "PAUSED"


@pytest.mark.parametrize("page", ["do", "undo"])
@pytest.mark.parametrize("token", ["x", "MTI:1xVj2V:aaaaaaaaaaaaaaaaaaaaaaaaaaa"])
def test_forged_links_help_on(db: None, reader: Client, page: str, token: str) -> None:
    answer = reader.get(f"/support/{page}/{token}/")
    assert answer.status_code == 400
    assert settings.NEWSROOM_SUPPORT_EMAIL in answer.content.decode()


@pytest.mark.parametrize("value", [1, [1, "stop", "x"], [987654, "skip", "x"], ["1"], {"a": 1}])
def test_a_token_that_says_something_else_opens_nothing(db: None, reader: Client, value: object) -> None:
    token = signing.dumps(value, salt=links.ACTION.salt)
    assert reader.get(f"/support/do/{token}/").status_code == 400


def test_a_link_for_one_thing_does_no_other(monthly: House, reader: Client) -> None:
    stop = links.stop_page(Subscription.objects.get()).rstrip("/").rsplit("/", 1)[1]
    assert reader.post(f"/support/do/{stop}/", {"act": "do"}).status_code == 400
    assert reader.post(f"/support/undo/{stop}/", {"act": "undo"}).status_code == 400
    assert not ContributionChange.objects.exists()


def test_an_old_link_says_so(monthly: House, reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    address = link(links.SKIP)
    monkeypatch.setattr(links, "ACTION", replace(links.ACTION, life=timedelta(seconds=-1)))
    answer = reader.post(address, {"act": "do"})
    assert answer.status_code == 410
    assert "hold for 40 days" in answer.content.decode()


def test_of_one_that_has_ended_the_links_lead_back(monthly: House, reader: Client) -> None:
    addresses = [link(links.SKIP), link(links.LOWER), link(links.ONCE)]

    from donations import gateway

    gateway.end_now(Subscription.objects.get().stripe_id)
    monthly.catch_up()
    for address in addresses:
        answer = reader.get(address)
        assert answer.status_code == 410
        assert "/support/again/" in answer.content.decode()


def test_while_stripe_is_away_the_page_says_so(monthly: House, reader: Client) -> None:
    monthly.stripe.fault("POST /v1/subscriptions/*", "unavailable", times=9)
    answer = reader.post(link(links.SKIP), {"act": "do"})
    assert answer.status_code == 503
    assert "Nothing was changed" in answer.content.decode()
    monthly.catch_up()
    assert Subscription.objects.get().state == "ACTIVE"
