"""
The books do not depend on the order in which Stripe's events arrive, or on how often.

Each journey is played once over HTTP, signatures and all; its events are then told to a fresh house in random
orders, with duplicates, each acted on as soon as it comes.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from donations import inbox, queries, services
from donations.models import Campaign, Contribution, Dispute, Payment, Refund, StripeEvent, Subscription
from members import clock
from members.models import Member, Membership, MembershipStep, Message
from sandbox.errors import StripeError
from tests.house import House, session_of

ORDERS, FEWER = 200, 25


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


def recovered(house: House, copies: int, *, is_marked: bool = True, **wish: Any) -> None:
    """
    Left until it expired, then paid on as many copies of the page as the reader opened; and one more was left.

    :param is_marked: whether Stripe copies our mark on the payment behind the page, which it does not promise.
    """
    Campaign.objects.update(reminds_abandoned=True)
    left = start(house, reminder_consent=True, **wish)
    with contextlib.suppress(StripeError):
        house.stripe.pay(left, card="4000000000000002")
    house.stripe.advance(timedelta(hours=3))
    opened = [house.stripe.recover(left)["id"] for _ in range(copies + 1)]
    for copy in opened[:copies]:
        if not is_marked:
            house.stripe.account.secret(copy).update(payment_intent_data={}, subscription_data={})
        house.stripe.pay(copy)
    house.stripe.advance(timedelta(days=2))


def recovered_once(house: House) -> None:
    recovered(house, 1)


def recovered_and_paid_twice(house: House) -> None:
    recovered(house, 2)


def monthly_recovered(house: House) -> None:
    recovered(house, 1, **MONTHLY)
    house.stripe.advance(timedelta(days=32))


def monthly_recovered_and_paid_twice(house: House) -> None:
    recovered(house, 2, **MONTHLY)
    house.stripe.advance(timedelta(days=32))


def recovered_without_our_mark(house: House) -> None:
    recovered(house, 2, is_marked=False)


def monthly_recovered_without_our_mark(house: House) -> None:
    recovered(house, 2, is_marked=False, **MONTHLY)
    house.stripe.advance(timedelta(days=32))


def debit_recovered_and_paid_twice(house: House) -> None:
    Campaign.objects.update(reminds_abandoned=True)
    left = start(house, reminder_consent=True, **DEBIT)
    house.stripe.advance(timedelta(hours=3))
    bounces, settles = (house.stripe.recover(left)["id"] for _ in range(2))
    house.stripe.pay(bounces, method="bank_debit")
    house.stripe.controls.settle(only(house, "payment_intent")["id"], paid=False)
    house.stripe.pay(settles, method="bank_debit")
    house.stripe.advance(timedelta(days=8))


def monthly_until_the_card_fails(house: House) -> None:
    house.stripe.pay(start(house, **MONTHLY))
    house.stripe.controls.change_card(only(house, "subscription")["id"], "4000000000000341")
    house.stripe.advance(timedelta(days=80))


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
    disputed_and_lost,
    recovered_once,
    recovered_and_paid_twice,
    monthly_recovered,
    monthly_recovered_and_paid_twice,
    recovered_without_our_mark,
    monthly_recovered_without_our_mark,
    debit_recovered_and_paid_twice,
]


def picture() -> dict[str, Any]:
    """
    All that a reader, a member of staff or an accountant could see afterwards, without our own ids and times.

    Where a page was paid on two copies, it does not matter which of the two equal contributions came first.
    """
    return {
        "books": queries.get_books(),
        "statuses": [
            (row.interval, queries.get_contribution(row.public_id).status, row.checkout_state, row.recovery_url)
            for row in Contribution.objects.order_by("pk")
        ],
        "payments": sorted(
            Payment.objects.values_list(
                "stripe_invoice_id", "state", "amount_minor", "currency", "refunded_minor", "paid_at", "is_renewal",
                "period_end", "failure_code", "fee_minor", "net_minor", "stripe_charge_id", "stripe_payment_intent_id",
            ),
            key=str,
        ),
        "subscriptions": sorted(
            Subscription.objects.values_list("stripe_id", "state", "amount_minor", "current_period_end", "ended_at")
        ),
        "refunds": sorted(Refund.objects.values_list("stripe_id", "state", "amount_minor")),
        "disputes": sorted(Dispute.objects.values_list("stripe_id", "state", "amount_minor")),
        "members": [(member.email, member.joined_at) for member in Member.objects.all()],
        "memberships": sorted(
            Membership.objects.values_list("tier__slug", "started_at", "paid_through", "ends_at", "ended_at"),
            key=str,
        ),
        "steps": sorted(MembershipStep.objects.values_list("kind", "reference", "at")),
        "receipts": Message.objects.filter(kind="receipt").count(),
        "waiting": StripeEvent.objects.exclude(state__in=["PROCESSED", "IGNORED"]).count(),
    }  # fmt: skip


@contextlib.contextmanager
def a_house_that_is_forgotten() -> Iterator[None]:
    """Whatever happens to the database inside did not happen afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def tell(bodies: list[bytes]) -> None:
    """Let each event arrive and be acted on, one after the other; then what a sweep would do."""
    now = clock.now()
    for body in bodies:
        envelope, event = inbox.read_envelope(body)
        inbox.keep(envelope, json.dumps(event), now=now)
        inbox.process(event_id=StripeEvent.objects.get(stripe_id=envelope.id).pk, now=now)
    inbox.process_waiting(now=now)
    services.settle(now=now)


@pytest.mark.parametrize(
    ("journey", "orders"),
    [(journey, ORDERS) for journey in JOURNEYS] + [(journey, FEWER) for journey in VARIATIONS],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_any_order_of_events_gives_the_same_books(house, journey, orders):
    journey(house)
    webhooks = house.stripe.take_webhooks()
    with a_house_that_is_forgotten():
        house.deliver(webhooks)
        house.work()
        house.assert_books_agree()
        expected = picture()
    assert expected["receipts"] == sum(1 for payment in expected["payments"] if payment[1] == "SUCCEEDED")

    if connection.vendor == "postgresql":
        orders //= 8  # what is shown is our logic; a look on the other database is enough
    bodies = [webhook.body for webhook in webhooks]
    for seed in range(orders):
        chance = random.Random(seed)
        shuffled = bodies + chance.sample(bodies, k=len(bodies) // 3)
        chance.shuffle(shuffled)
        with a_house_that_is_forgotten():
            tell(shuffled)
            found = picture()
        for name, wanted in expected.items():
            assert found[name] == wanted, f"{name}, seed {seed}"
