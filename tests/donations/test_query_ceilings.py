"""
What each step may cost, in statements to the database and calls to Stripe.

Counts do not depend on the machine, so they can be held where seconds cannot (PERFORMANCE.md, lesson 8).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse

from donations import inbox
from donations.models import StripeEvent
from members import clock
from tests import factories
from tests.house import WEBHOOK, House, session_of

CREATE, RECEIVE, RENEW = 8, 3, 14
FEW, MANY = 2, 7


class Cost(list[str]):
    """The statements that were sent while it was counting."""

    def __repr__(self) -> str:
        return "\n".join(statement[:160] for statement in self)


@contextmanager
def counting() -> Iterator[Cost]:
    """Count statements. Savepoints are left out: outside of a test they are the BEGIN and COMMIT of the database."""
    cost = Cost()

    def note(execute, sql, params, many, context):
        if not re.match(r"(RELEASE )?SAVEPOINT", sql):
            cost.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield cost


def calls(house: House) -> list[str]:
    """What was asked of Stripe so far."""
    return list(house.stripe.calls)


@pytest.mark.parametrize("interval", ["once", "month", "year"])
@pytest.mark.parametrize("key", ["", "a-key-of-the-widget"])
def test_beginning_to_give_costs_eight_statements_and_one_call_to_stripe(house, interval, key):
    with counting() as cost:
        house.begin(interval=interval, amount=5000, cover_fees=True, key=key)

    assert len(cost) <= CREATE, cost
    assert calls(house) == ["POST /v1/checkout/sessions"]


def test_asking_again_with_the_same_key_costs_no_call(house):
    first = house.begin(key="once")
    before = calls(house)
    with counting() as cost:
        assert house.begin(key="once") == first

    assert len(cost) <= CREATE, cost
    assert calls(house) == before


def test_a_wish_that_is_refused_asks_nothing_of_stripe(house):
    with counting() as cost:
        assert house.give(amount=1).status_code == 400

    assert len(cost) <= 2, cost
    assert calls(house) == []


def test_receiving_an_event_costs_one_statement_and_no_call(house):
    house.stripe.pay(session_of(house.begin(interval="month", amount=500)))
    webhooks = house.stripe.take_webhooks()
    before = calls(house)
    for webhook in [*webhooks, *webhooks]:  # the second time, we have them
        with counting() as cost:
            house.deliver([webhook])
        assert len(cost) <= RECEIVE, cost

    assert StripeEvent.objects.count() == len(webhooks) > 3
    assert calls(house) == before


def test_events_that_nobody_reads_cost_one_statement_together(house):
    for number in range(MANY):
        body = json.dumps(
            {
                "id": f"evt_unread{number}",
                "object": "event",
                "type": "product.created",
                "created": int(clock.now().timestamp()),
                "livemode": False,
                "data": {"object": {"id": "prod_1", "object": "product"}},
            }
        ).encode()
        headers = {"Stripe-Signature": house.stripe.sign(body)}
        assert (
            house.api.post(WEBHOOK, body, content_type="application/json", headers=headers).status_code == 200
        )
    with counting() as cost:
        assert inbox.process_waiting(now=clock.now()) == MANY

    assert [state for (state,) in StripeEvent.objects.values_list("state")] == ["IGNORED"] * MANY
    assert len([statement for statement in cost if statement.startswith("UPDATE")]) <= 2, cost
    assert len(cost) <= 4, cost


def test_a_forged_event_costs_no_statement(house, api):
    with counting() as cost:
        answer = api.post(
            "/api/v1/webhooks/stripe/",
            b"{}",
            content_type="application/json",
            headers={"Stripe-Signature": f"t={int(clock.now().timestamp())},v1=00"},
        )

    assert answer.status_code == 400
    assert len(cost) == 0, cost


@pytest.fixture
def renewal(house) -> House:
    """Grace has given monthly for two months, and Stripe has just told us of the third."""
    house.give_and_pay(interval="month", amount=500, email="grace@example.org", newsletter_consent=True)
    house.advance(days=32)
    house.stripe.advance(timedelta(days=31))
    house.deliver(house.stripe.take_webhooks())
    return house


@pytest.mark.parametrize("first", ["invoice.paid", "anything"])
def test_booking_a_renewal_costs_fourteen_statements_and_no_call(renewal, first):
    """Whether the money's event is acted on before its companions or after them."""
    waiting = StripeEvent.objects.filter(state="RECEIVED")
    paid = waiting.get(type="invoice.paid")
    if first == "anything":
        for event in waiting.exclude(pk=paid.pk).order_by("occurred_at", "pk"):
            inbox.process(event_id=event.pk, now=clock.now())
    before = calls(renewal)
    with counting() as cost:
        inbox.process(event_id=paid.pk, now=clock.now())

    paid.refresh_from_db()
    assert paid.state == "PROCESSED"
    assert len(cost) <= RENEW, cost
    assert calls(renewal) == before


def test_no_event_of_a_renewal_costs_more_than_its_booking_or_asks_stripe(renewal):
    before = calls(renewal)
    for event in StripeEvent.objects.filter(state="RECEIVED").order_by("occurred_at", "pk"):
        with counting() as cost:
            inbox.process(event_id=event.pk, now=clock.now())
        assert len(cost) <= RENEW, f"{event.type}: {len(cost)}\n{cost!r}"

    assert calls(renewal) == before


# --- Nothing costs more because there is more of it ------------------------------------------------


def cost_of(client: Client, path: str) -> int:
    cache.clear()
    with counting() as cost:
        answer = client.get(path)
    assert answer.status_code == 200, path
    return len(cost)


def test_the_list_of_campaigns_costs_the_same_for_few_and_for_many(db, api):
    for number in range(FEW):
        factories.a_campaign(f"appeal-{number}")
    few = cost_of(api, "/api/v1/campaigns/")
    for number in range(FEW, MANY):
        factories.a_campaign(f"appeal-{number}")

    assert cost_of(api, "/api/v1/campaigns/") == few == 1


def test_a_campaign_costs_the_same_however_much_was_given_to_it(house, api):
    path = "/api/v1/campaigns/support-us/"
    few = cost_of(api, path)
    for number in range(FEW):
        house.give_and_pay(email=f"ada{number}@example.org")
        factories.a_campaign(f"appeal-{number}")

    assert cost_of(api, path) == few <= 3


def test_a_campaign_that_was_asked_for_lately_costs_nothing(house, api):
    path = "/api/v1/campaigns/support-us/"
    api.get(path)
    with counting() as cost:
        assert api.get(path).status_code == 200

    assert len(cost) == 0, cost


def test_the_state_of_a_contribution_costs_the_same_for_few_and_for_many_payments(house, api):
    answer = house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    path = f"/api/v1/contributions/{answer['id']}/"
    few = cost_of(api, path)
    for _ in range(3):
        house.advance(days=31)

    assert cost_of(api, path) == few <= 3


@pytest.fixture
def staff(db) -> Client:
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(User.objects.create_superuser("editor", "editor@gazette.example", "a long passphrase"))
    return client


OUR_LISTS = [
    model._meta for model in admin.site._registry if model._meta.app_label in ("donations", "members")
]


def test_each_list_of_the_admin_costs_the_same_for_few_and_for_many_rows(house, staff):
    """Rows of every kind: paid, given back, disputed, failed, recurring, with their mails and members."""

    def something_of_everything(numbers: range) -> None:
        for number in numbers:
            house.give_and_pay(interval="month", amount=500, email=f"grace{number}@example.org")
            house.give_and_pay(email=f"ada{number}@example.org")
            first, second = charges(house)[-2:]
            house.stripe.controls.refund(first, 100)
            house.stripe.controls.dispute(second)
            house.catch_up()
            factories.a_campaign(f"appeal-{number}")

    paths = {
        meta.label: reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist") for meta in OUR_LISTS
    }
    something_of_everything(range(FEW))
    few = {label: cost_of(staff, path) for label, path in paths.items()}
    something_of_everything(range(FEW, MANY))
    many = {label: cost_of(staff, path) for label, path in paths.items()}

    assert many == few
    assert len(paths) >= 10


def charges(house: House) -> list[str]:
    """The ids of all charges, the newest last."""
    return [key for key, thing in house.stripe.account.objects.items() if thing["object"] == "charge"]
