"""What a reader sees after Stripe's page, behind a mail's link, and when something is wrong."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.core import signing
from django.test import Client
from django.utils import timezone

from donations import links
from donations.models import Contribution, Payment, Subscription
from members import clock
from tests import factories
from tests.paper import PAGE, Page, open_page

# --- How it went ----------------------------------------------------------------------------------


def thanks(reader, answer, query=""):
    return reader.get(f"{PAGE}thanks/{answer['id']}/{query}")


def test_a_paid_gift_is_thanked_for(reader, house):
    answer = house.give_and_pay(interval="once", amount=2500, cover_fees=True)

    page = Page(thanks(reader, answer).content.decode())

    assert "Thank you!" in page.text
    assert "$26.06" in page.text
    assert "$1.06 of it for the payment fee" in page.text
    assert "receipt is on its way" in page.text
    assert "refresh" not in page.metas


def test_a_monthly_gift_names_the_day_of_the_next_payment(reader, house):
    answer = house.give_and_pay(interval="month", amount=500)

    page = Page(thanks(reader, answer).content.decode())

    due = Subscription.objects.get().upcoming_payment_at
    assert "$5.00 each month" in page.text
    assert f"{due:%B} {due.day}, {due:%Y}" in page.text


def test_while_there_is_no_word_the_page_looks_again_but_not_for_ever(reader, house):
    answer = house.begin()

    first = Page(thanks(reader, answer).content.decode())
    last = Page(thanks(reader, answer, f"?look={20}").content.decode())
    beyond = Page(thanks(reader, answer, "?look=999").content.decode())
    odd = Page(thanks(reader, answer, "?look=-1").content.decode())

    assert "waiting for your bank's word" in first.text
    assert first.metas["refresh"] == "2;url=?look=1&lang=en"
    assert odd.metas["refresh"] == first.metas["refresh"]
    assert "refresh" not in last.metas
    assert "refresh" not in beyond.metas
    assert "no word of a payment so far" in last.text


def test_a_bank_debit_under_way_is_explained(reader, house):
    answer = house.give_and_pay(method="bank_debit", interval="once", currency="EUR", amount=1000)

    assert house.status(answer)["status"] == "processing"
    page = Page(thanks(reader, answer, "?look=20").content.decode())
    assert "Some banks take a few days" in page.text


def test_a_page_left_unpaid_leads_back_with_the_amount_filled_in(reader, house):
    answer = house.begin(interval="once", amount=1234)
    house.advance(hours=2)

    page = Page(thanks(reader, answer).content.decode())
    again = next(link for link in page.links if "amount=" in link)

    assert "Nothing was charged" in page.text
    assert open_page(reader, again).fields["other_USD_once"] == "12.34"


def test_a_bank_debit_that_failed_tells_what_to_do(reader, house):
    answer = house.give_and_pay(method="bank_debit", interval="once", currency="EUR", amount=1000)
    house.stripe.settle(Payment.objects.get().stripe_payment_intent_id, paid=False)
    house.catch_up()

    page = Page(thanks(reader, answer).content.decode())

    assert house.status(answer)["status"] == "failed"
    assert "The payment did not go through" in page.text
    assert any("amount=1000" in link for link in page.links)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("PAST_DUE", "The last payment did not go through"),
        ("PAUSED", "Your contribution is paused"),
        ("CANCELLED", "Your contribution has ended"),
    ],
)
def test_a_recurring_gift_says_how_it_stands(reader, house, state, words):
    answer = house.give_and_pay(interval="month", amount=500)
    Subscription.objects.update(state=state, ended_at=timezone.now() if state == "CANCELLED" else None)

    assert words in Page(thanks(reader, answer).content.decode()).text


def test_looking_changes_nothing(reader, house):
    answer = house.begin()
    before = Contribution.objects.values().get()

    for _ in range(3):
        thanks(reader, answer)

    assert Contribution.objects.values().get() == before


def test_nobody_elses_id_shows_anything(reader, house):
    factories.a_campaign("other")
    answer = house.begin()

    assert thanks(reader, {"id": uuid.uuid4()}).status_code == 404
    assert reader.get(f"/support/other/thanks/{answer['id']}/").status_code == 404
    assert reader.get(f"{PAGE}thanks/1/").status_code == 404


def test_the_thank_you_page_speaks_the_readers_language_and_names_nobody(reader, house):
    answer = house.begin(locale="ru", email="ada@example.org", name="Ada")

    response = thanks(reader, answer)

    assert Page(response.content.decode()).language == "ru"
    assert b"ada@" not in response.content
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Cache-Control"] == "no-store"


# --- Another card -----------------------------------------------------------------------------------


@pytest.fixture
def card_link(house) -> str:
    """The link in Grace's mail."""
    house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    return links.card_page(Subscription.objects.get()).removeprefix(settings.PUBLIC_BASE_URL)


def test_a_link_from_a_mail_only_shows_a_button(reader, house, card_link):
    house.stripe.fault("*", "server_error", times=1)

    page = open_page(reader, card_link)

    assert "You give $5.00 each month" in page.text
    assert house.stripe.faults.next("anything") == "server_error", "Stripe was not asked"


def test_the_button_leads_to_stripe(reader, card_link):
    page = open_page(reader, card_link)

    response = reader.post(card_link, page.fields)

    assert response.status_code == 303
    assert response.headers["Location"].startswith(settings.STRIPE_API_BASE)


def test_a_button_pressed_elsewhere_does_nothing(reader, card_link):
    assert reader.post(card_link).status_code == 403


@pytest.mark.parametrize("token", ["x", "MTI:1xVj2V:aaaaaaaaaaaaaaaaaaaaaaaaaaa", "%D0%AF"])
def test_a_cut_or_forged_link_helps_on(reader, db, token):
    response = reader.get(f"/support/card/{token}/")

    assert response.status_code == 400
    assert "This link is not complete" in response.content.decode()
    assert settings.NEWSROOM_SUPPORT_EMAIL in response.content.decode()


def test_a_link_for_another_purpose_opens_nothing(reader, db):
    token = signing.dumps(1, salt="donations.links.other")

    assert reader.get(f"/support/card/{token}/").status_code == 400


def test_a_link_whose_subscription_is_not_known_opens_nothing(reader, db):
    token = signing.dumps(987654, salt="donations.links.card")

    assert reader.get(f"/support/card/{token}/").status_code == 400


def test_an_old_link_says_that_it_is_old(reader, card_link, monkeypatch):
    monkeypatch.setattr(links, "CARD", replace(links.CARD, life=timedelta(seconds=-1)))

    response = reader.get(card_link)

    assert response.status_code == 410
    assert "hold for 30 days" in response.content.decode()


def test_a_gift_that_has_ended_has_no_card_to_change(reader, card_link):
    page = open_page(reader, card_link)
    Subscription.objects.update(state="CANCELLED", ended_at=clock.now())

    assert reader.get(card_link).status_code == 410
    response = reader.post(card_link, page.fields)
    assert response.status_code == 410
    assert "there is none to change" in response.content.decode()


def test_while_stripe_is_away_the_button_says_so(reader, house, card_link):
    page = open_page(reader, card_link)
    house.stripe.fault("POST /v1/billing_portal/sessions", "unavailable", times=20)

    response = reader.post(card_link, page.fields)

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "30"
    assert "Nothing was changed" in response.content.decode()


# --- Errors -----------------------------------------------------------------------------------------


def test_unknown_addresses_get_a_page_of_ours(reader, db):
    for address in ("/support/nothing/", "/nothing/", "/support/nothing/quote/"):
        response = reader.get(address)
        assert response.status_code == 404
        assert "There is nothing here" in response.content.decode()


def test_what_breaks_gets_a_page_without_a_database(reader, db, monkeypatch):
    def broken(*_args, **_named):
        raise RuntimeError("broken")

    monkeypatch.setattr("donations.queries.get_campaign", broken)

    response = reader.get(PAGE)

    assert response.status_code == 500
    assert "Something broke on our side" in response.content.decode()
    assert "RuntimeError" not in response.content.decode()


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_pages_are_only_looked_at_and_sent(reader, appeal, method):
    assert getattr(reader, method)(PAGE).status_code in (403, 405)
    assert Client().put(PAGE).status_code == 405
