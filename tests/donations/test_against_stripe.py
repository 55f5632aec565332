"""
The same journeys against our sandbox and, with a test key, against the real Stripe.

    STRIPE_API_TEST_KEY=sk_test_… pytest -m stripe_api

Nobody can press a button on Stripe's page from here, so the gifts are paid through the API, with the metadata
that our checkout puts on them, and the events are fetched as reconciliation does. What is shown: Stripe takes what
we send, and our books understand what it says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta

import pytest
import stripe

from donations import facts, gateway, inbox, queries, reconciliation, recovery, services
from donations.models import Campaign, Contribution, Payment
from members import clock
from members.models import Member
from tests import factories, waiting
from tests.house import A_GIFT
from tests.stripe_contract import check_answer

TEST_KEY = os.environ.get("STRIPE_API_TEST_KEY", "")


@pytest.fixture(
    params=[
        "sandbox",
        pytest.param(
            "stripe",
            marks=[
                pytest.mark.stripe_api,
                pytest.mark.enable_socket,
                pytest.mark.skipif(
                    not TEST_KEY, reason="set STRIPE_API_TEST_KEY=sk_test_… to talk to the real Stripe"
                ),
            ],
        ),
    ]
)
def client(request, db, settings) -> Iterator[stripe.StripeClient]:
    """The SDK as a payer's hand: at the sandbox, or at Stripe itself."""
    factories.a_campaign()
    if request.param == "sandbox":
        sandbox = request.getfixturevalue("stripe_sandbox")
        assert sandbox is not None
        yield stripe.StripeClient("sk_test_sandbox", base_addresses={"api": settings.STRIPE_API_BASE})
    else:
        settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE = TEST_KEY, None
        yield stripe.StripeClient(TEST_KEY)


def begin(api, **changes) -> Contribution:
    response = api.post("/api/v1/contributions/", {**A_GIFT, **changes}, content_type="application/json")
    assert response.status_code == 201, response.content
    return Contribution.objects.get(public_id=response.json()["id"])


def catch_up() -> None:
    """What a sweep does when every webhook got lost."""
    now = clock.now()
    reconciliation.reconcile(since=now - timedelta(hours=1), now=now)
    inbox.process_waiting(now=now)
    services.settle(now=now)


@pytest.mark.parametrize(
    ("currency", "amount", "interval"),
    [("USD", 2500, "once"), ("EUR", 500, "month"), ("JPY", 3000, "year"), ("KWD", 5000, "once")],
)
def test_stripe_opens_the_page_that_we_ask_for(client, api, currency, amount, interval):
    contribution = begin(api, currency=currency, amount=amount, interval=interval)

    session = client.v1.checkout.sessions.retrieve(str(contribution.stripe_session_id))

    assert check_answer(session.to_dict(for_json=True)) == []
    assert (session.amount_total, session.currency) == (amount, currency.lower())
    assert session.client_reference_id == str(contribution.public_id)
    gateway.expire_checkout(session.id)
    assert gateway.get_session(session.id).status == "expired"


@pytest.mark.parametrize("interval", ["once", "month"])
def test_a_page_that_was_left_has_a_link_back_that_we_would_follow(client, api, interval):
    Campaign.objects.update(reminds_abandoned=True)
    contribution = begin(api, interval=interval, reminder_consent=True)
    gateway.expire_checkout(str(contribution.stripe_session_id))

    def link() -> str:
        catch_up()
        return recovery.get_way_back(contribution.public_id, now=clock.now())

    found = waiting.until(link, what="the link to a copy of the page")
    contribution.refresh_from_db()
    assert (contribution.checkout_state, contribution.recovery_url) == ("EXPIRED", found)
    assert timedelta(days=29) < contribution.recovery_expires_at - clock.now() <= timedelta(days=30)


def test_an_amount_below_stripes_minimum_is_refused_in_our_words(client):
    wish = gateway.CheckoutWish(
        reference=Contribution().public_id,
        attempt=1,
        expires_at=clock.now() + timedelta(hours=1),
        total=gateway.Money(1, "USD"),
        interval=gateway.Interval.ONCE,
        email="",
        locale="en",
        success_url="https://news.example/thanks",
        cancel_url="https://news.example/back",
    )
    with pytest.raises(gateway.InvalidWish) as refused:
        gateway.open_checkout(wish)
    assert refused.value.code == "amount_too_small"


def test_a_gift_that_was_paid_is_found_in_the_events(client, api):
    contribution = begin(api, interval="once", amount=2500)
    intent = client.v1.payment_intents.create(
        {
            "amount": 2500,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "metadata": {facts.METADATA_KEY: str(contribution.public_id)},
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )

    def is_booked() -> bool:
        catch_up()
        return Payment.objects.filter(stripe_payment_intent_id=intent.id, net_minor__isnull=False).exists()

    waiting.until(is_booked, what="the payment with its fee")
    assert queries.get_contribution(contribution.public_id).status == "paid"
    assert Member.objects.get().email == "ada@example.org"


def test_a_monthly_gift_that_was_paid_is_found_in_the_events(client, api):
    contribution = begin(api, interval="month", amount=500, currency="EUR", email="grace@example.org")
    customer = client.v1.customers.create({"email": "grace@example.org"})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    product = client.v1.products.create({"name": "Contribution"})
    client.v1.subscriptions.create(
        {
            "customer": customer.id,
            "default_payment_method": method.id,
            "metadata": {facts.METADATA_KEY: str(contribution.public_id)},
            "items": [
                {
                    "price_data": {
                        "currency": "eur",
                        "product": product.id,
                        "recurring": {"interval": "month"},
                        "unit_amount": 500,
                    }
                }
            ],
        }
    )

    def is_booked() -> bool:
        catch_up()
        return Payment.objects.filter(contribution=contribution, net_minor__isnull=False).exists()

    waiting.until(is_booked, what="the first payment with its fee")
    view = queries.get_contribution(contribution.public_id)
    assert view.status == "active"
    assert view.next_payment_at is not None
