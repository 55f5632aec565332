"""
The books do not depend on the order in which Stripe's events arrive, or on how often.

Each journey is played once over HTTP, signatures and all; its events are then told to a fresh house in random
orders, with duplicates, each acted on as soon as it comes.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from donations import gateway
from sandbox.errors import StripeError
from tests.donations import retelling
from tests.house import House, session_of

ORDERS, FEWER = 200, 25
# Events told in all about one journey; EVENTS=5000 for a long run. test_histories makes up longer stories.
MOST = int(os.environ.get("EVENTS", "400"))


def start(house: House, **wish: Any) -> str:
    """Begin a gift; the session on which it is paid."""
    return session_of(house.begin(**wish))


def decline(house: House, session: str) -> None:
    with pytest.raises(StripeError):
        house.stripe.pay(session, card="4000000000000002")


def only(house: House, kind: str) -> dict[str, Any]:
    """The one object of a kind that Stripe holds."""
    [found] = [item for item in house.stripe.account.all(kind) if item.get("status") != "failed"]
    return dict(found)


MONTHLY: dict[str, Any] = {"interval": "month", "amount": 500, "email": "grace@example.org"}
DEBIT: dict[str, Any] = {"currency": "EUR", "amount": 1000}


def once(house: House) -> None:
    house.stripe.pay(start(house))


def once_after_a_decline(house: House) -> None:
    session = start(house)
    decline(house, session)
    house.stripe.pay(session)


def monthly_with_a_renewal(house: House) -> None:
    house.stripe.pay(start(house, **MONTHLY, cover_fees=True))
    house.stripe.advance(timedelta(days=32))


def annual_after_a_decline(house: House) -> None:
    session = start(house, interval="year", amount=5000, email="grace@example.org")
    decline(house, session)
    house.stripe.pay(session)


def debit_that_settles(house: House) -> None:
    house.stripe.pay(start(house, **DEBIT), method="bank_debit")
    house.stripe.advance(timedelta(days=8))


def debit_after_a_decline(house: House) -> None:
    session = start(house, **DEBIT)
    decline(house, session)
    house.stripe.pay(session, method="bank_debit")
    house.stripe.advance(timedelta(days=8))


def debit_that_bounces(house: House) -> None:
    house.stripe.pay(start(house, **DEBIT), method="bank_debit")
    house.stripe.controls.settle(only(house, "payment_intent")["id"], paid=False)


def monthly_debit_that_settles(house: House) -> None:
    house.stripe.pay(start(house, **MONTHLY), method="bank_debit")
    house.stripe.advance(timedelta(days=8))


def refunded_in_two_parts(house: House) -> None:
    house.stripe.pay(start(house))
    charge = only(house, "charge")["id"]
    house.stripe.controls.refund(charge, amount=1000)
    house.stripe.controls.refund(charge, amount=1500)


def left_unpaid(house: House) -> None:
    start(house, **MONTHLY)
    house.stripe.advance(timedelta(days=2))


def monthly_until_the_card_fails(house: House) -> None:
    house.stripe.pay(start(house, **MONTHLY))
    house.stripe.controls.change_card(only(house, "subscription")["id"], "4000000000000341")
    house.stripe.advance(timedelta(days=80))


def the_subscription(house: House) -> dict[str, Any]:
    """The one subscription that Stripe holds, after a first payment."""
    house.stripe.pay(start(house, **MONTHLY))
    return only(house, "subscription")


def change(subscription: dict[str, Any], **wish: Any) -> None:
    """What a member of staff does in Stripe's dashboard."""
    gateway._client().v1.subscriptions.update(subscription["id"], wish)  # type: ignore[arg-type]


def monthly_with_a_pause(house: House) -> None:
    subscription = the_subscription(house)
    change(subscription, pause_collection={"behavior": "void"})
    house.stripe.advance(timedelta(days=40))
    change(subscription, pause_collection="")
    house.stripe.advance(timedelta(days=40))


def monthly_that_changes_its_mind_within_a_second(house: House) -> None:
    """Paused, resumed and paused again; asked to end, and not, and to end: all at one moment of Stripe's clock."""
    subscription = the_subscription(house)
    for pause in ({"behavior": "void"}, "", {"behavior": "void"}):
        change(subscription, pause_collection=pause)
    for leaving in (True, False, True):
        change(subscription, cancel_at_period_end=leaving)
    house.stripe.advance(timedelta(days=40))


def monthly_refunded_after_a_renewal(house: House) -> None:
    the_subscription(house)
    house.stripe.advance(timedelta(days=32))
    latest = max(house.stripe.account.all("charge"), key=lambda charge: charge["created"])
    house.stripe.controls.refund(latest["id"])


def monthly_disputed_and_lost(house: House) -> None:
    the_subscription(house)
    dispute = house.stripe.controls.dispute(only(house, "charge")["id"])
    house.stripe.advance(timedelta(days=5))
    house.stripe.controls.close_dispute(dispute["id"], "lost")


def disputed_and_lost(house: House) -> None:
    house.stripe.pay(start(house))
    dispute = house.stripe.controls.dispute(only(house, "charge")["id"])
    house.stripe.controls.close_dispute(dispute["id"], "lost")


JOURNEYS: list[Callable[[House], None]] = [
    once,
    once_after_a_decline,
    monthly_with_a_renewal,
    annual_after_a_decline,
    debit_that_settles,
    debit_that_bounces,
]
# Variations on them, and what can happen later.
VARIATIONS: list[Callable[[House], None]] = [
    debit_after_a_decline,
    monthly_debit_that_settles,
    refunded_in_two_parts,
    left_unpaid,
    monthly_until_the_card_fails,
    monthly_with_a_pause,
    monthly_that_changes_its_mind_within_a_second,
    monthly_refunded_after_a_renewal,
    monthly_disputed_and_lost,
    disputed_and_lost,
]


@pytest.mark.parametrize(
    ("journey", "orders"),
    [(journey, ORDERS) for journey in JOURNEYS] + [(journey, FEWER) for journey in VARIATIONS],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_any_order_of_events_gives_the_same_books(house_out_of_time, journey, orders):
    house = house_out_of_time
    journey(house)
    webhooks = house.stripe.take_webhooks()
    with retelling.a_house_that_is_forgotten(), retelling.a_stripe_that_is_put_back(house.stripe.account):
        house.deliver(webhooks)
        house.catch_up()
        house.assert_books_agree()
    bodies = [webhook.body for webhook in webhooks]
    expected = retelling.what_comes_of(house, bodies)
    receipts = [mail for mail in expected["mails"] if mail[0] == "receipt"]
    assert len(receipts) == sum(payment["state"] == "SUCCEEDED" for payment in expected["payments"])

    orders = min(orders, MOST // len(bodies))
    if connection.vendor == "postgresql":
        orders //= 8  # what is shown is our logic; a look on the other database is enough
    for seed in range(orders):
        chance = random.Random(seed)
        shuffled = bodies + chance.sample(bodies, k=len(bodies) // 3)
        chance.shuffle(shuffled)
        found = retelling.what_comes_of(house, shuffled)
        difference = retelling.differences(expected, found)
        assert not difference, f"seed {seed}:\n{difference}"
