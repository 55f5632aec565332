"""
The books do not depend on the order in which Stripe tells of pages that were left, recovered and paid, once or twice.
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
from members.models import STANDING, Member, Membership, MembershipStep, Message
from sandbox.errors import StripeError
from tests.donations.test_any_order import MOST
from tests.house import House, session_of

ORDERS = 25


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


JOURNEYS: list[Callable[[House], None]] = [
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
            Membership.objects.values_list("started_at", "ended_at", "resumes_at", "next_try_at", *STANDING),
            key=str,
        ),
        "steps": sorted(
            MembershipStep.objects.effective().values_list("kind", "reference", "at", *STANDING), key=str
        ),
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
    "journey",
    JOURNEYS,
    ids=lambda journey: journey.__name__,
)
def test_any_order_of_events_about_recovered_pages_gives_the_same_books(house, journey):
    journey(house)
    webhooks = house.stripe.take_webhooks()
    with a_house_that_is_forgotten():
        house.deliver(webhooks)
        house.work()
        house.assert_books_agree()
        expected = picture()
    assert expected["receipts"] == sum(1 for payment in expected["payments"] if payment[1] == "SUCCEEDED")

    orders = min(ORDERS, MOST // len(webhooks))
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
