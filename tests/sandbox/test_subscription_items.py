"""
What a subscription consists of, and how a program may and may not change it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import Checked
from tests.sandbox.gifts import regularly


@pytest.fixture
def monthly(client: stripe.StripeClient, sandbox: Checked) -> stripe.Subscription:
    """Grace's subscription, 10.00 a month."""
    return client.v1.subscriptions.retrieve(sandbox.pay(regularly(client).id)["subscription"])


def price_of(subscription: stripe.Subscription, **change: Any) -> dict[str, Any]:
    item = subscription["items"].data[0]
    return {
        "currency": "eur",
        "product": item.price.product,
        "recurring": {"interval": "month"},
        "unit_amount": 300,
        **change,
    }


def test_an_item_without_an_id_is_added(
    client: stripe.StripeClient, sandbox: Checked, monthly: stripe.Subscription
) -> None:
    more = client.v1.subscriptions.update(
        monthly.id,
        {"items": [{"price_data": price_of(monthly), "quantity": 2}], "proration_behavior": "none"},
    )
    assert [(item.price.unit_amount, item.quantity) for item in more["items"].data] == [(1000, 1), (300, 2)]
    sandbox.advance(timedelta(days=32))
    assert client.v1.invoices.list().data[0].total == 1600

    added = more["items"].data[1].id
    less = client.v1.subscriptions.update(
        monthly.id, {"items": [{"id": added, "deleted": True}], "proration_behavior": "none"}
    )
    assert len(less["items"].data) == 1
    with pytest.raises(stripe.InvalidRequestError) as gone:
        client.v1.subscription_items.retrieve(added)
    assert gone.value.http_status == 404


def test_quantity_and_metadata_change_without_a_new_price(
    client: stripe.StripeClient, sandbox: Checked, monthly: stripe.Subscription
) -> None:
    id = monthly["items"].data[0].id
    changed = client.v1.subscriptions.update(
        monthly.id, {"items": [{"id": id, "quantity": 3, "metadata": {"a": "1"}}], "description": "Three"}
    )
    item = client.v1.subscription_items.retrieve(id)
    assert (item.quantity, item.metadata.to_dict(), item.price.unit_amount) == (3, {"a": "1"}, 1000)
    assert changed.description == "Three"


@pytest.mark.parametrize(
    "wish",
    [
        {"items": [{"id": "si_unknown", "quantity": 2}]},
        {"items": [{"quantity": 2}], "proration_behavior": "none"},
        {"cancel_at": "yesterday"},
        {"cancel_at": 1},
        {"cancel_at": "min_period_end", "cancel_at_period_end": True},
        {"pause_collection": {"behavior": "void", "resumes_at": 1}},
        {"pause_collection": {"resumes_at": 4_000_000_000}},
        {"billing_cycle_anchor": {"type": "now"}},
        {"default_payment_method": "pm_unknown"},
        {"default_payment_method": "pm_card_visa"},
        {"trial_end": "now"},
        {"metadata": {"x" * 41: "1"}},
    ],
)
def test_wishes_that_make_no_sense_change_nothing(
    client: stripe.StripeClient, sandbox: Checked, monthly: stripe.Subscription, wish: Any
) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.update(monthly.id, wish)
    assert client.v1.subscriptions.retrieve(monthly.id).to_dict() == monthly.to_dict()


def test_a_subscription_keeps_one_item_and_one_interval(
    client: stripe.StripeClient, sandbox: Checked, monthly: stripe.Subscription
) -> None:
    id = monthly["items"].data[0].id
    yearly = price_of(monthly, recurring={"interval": "year"})
    once = {key: value for key, value in price_of(monthly).items() if key != "recurring"}
    for items in ([{"id": id, "deleted": True}], [{"price_data": yearly}]):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.subscriptions.update(monthly.id, {"items": items, "proration_behavior": "none"})
    price = client.v1.prices.create(once)
    with pytest.raises(stripe.InvalidRequestError, match="recurring"):
        client.v1.subscriptions.update(
            monthly.id, {"items": [{"id": id, "price": price.id}], "proration_behavior": "none"}
        )
    assert client.v1.subscriptions.retrieve(monthly.id).to_dict() == monthly.to_dict()


def test_an_end_on_the_last_day_is_no_renewal(
    client: stripe.StripeClient, sandbox: Checked, monthly: stripe.Subscription
) -> None:
    planned = client.v1.subscriptions.update(monthly.id, {"cancel_at": "min_period_end"})
    assert planned.cancel_at == monthly["items"].data[0].current_period_end
    sandbox.advance(timedelta(days=32))
    assert client.v1.subscriptions.retrieve(monthly.id).status == "canceled"
    assert len(client.v1.invoices.list().data) == 1


def test_cancelling_says_why(
    client: stripe.StripeClient, sandbox: Checked, monthly: stripe.Subscription
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="proration"):
        client.v1.subscriptions.cancel(monthly.id, {"prorate": True})
    ended = client.v1.subscriptions.cancel(monthly.id, {"cancellation_details": {"feedback": "unused"}})
    assert (ended.cancellation_details.feedback, ended.cancellation_details.reason) == (
        "unused",
        "cancellation_requested",
    )
    assert [found.id for found in client.v1.subscriptions.list({"status": "ended"}).data] == [monthly.id]
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.pause(monthly.id, {"bill_for": {"unused_time_from": {"type": "none"}}})


def test_subscriptions_are_found_by_price_and_customer(
    client: stripe.StripeClient, sandbox: Checked, monthly: stripe.Subscription
) -> None:
    price = monthly["items"].data[0].price.id
    assert [found.id for found in client.v1.subscriptions.list({"price": price}).data] == [monthly.id]
    assert client.v1.subscriptions.list({"price": "price_unknown"}).data == []
    assert len(client.v1.subscriptions.list({"customer": monthly.customer, "status": "active"}).data) == 1


def test_a_program_cannot_subscribe_somebody_without_a_way_to_pay(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    customer = client.v1.customers.create({"email": "charlie@example.org"})
    other = client.v1.customers.create({"email": "grace@example.org", "payment_method": "pm_card_visa"})
    theirs = client.v1.customers.payment_methods.list(other.id).data[0].id
    product = client.v1.products.create({"name": "Membership"})
    price = client.v1.prices.create(
        {"currency": "eur", "product": product.id, "unit_amount": 500, "recurring": {"interval": "month"}}
    )
    wish: Any = {"customer": customer.id, "items": [{"price": price.id}]}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.create(wish)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.create({**wish, "default_payment_method": theirs})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.create({**wish, "items": [{"price": price.id}, {"price": "price_unknown"}]})

    waiting = client.v1.subscriptions.create({**wish, "payment_behavior": "default_incomplete"})
    assert waiting.status == "incomplete"
    client.v1.invoices.pay(waiting.latest_invoice, {"payment_method": "pm_card_visa"})
    assert client.v1.subscriptions.retrieve(waiting.id).status == "active"

    sure: Any = {
        **wish,
        "customer": other.id,
        "default_payment_method": theirs,
        "payment_behavior": "error_if_incomplete",
    }
    assert client.v1.subscriptions.create(sure).status == "active"


def test_another_interval_can_begin_when_the_paid_time_is_over(
    client: stripe.StripeClient, sandbox: Checked, monthly: stripe.Subscription
) -> None:
    paid_until = monthly["items"].data[0].current_period_end
    sandbox.take_types()

    changed = client.v1.subscriptions.update(
        monthly.id,
        {
            "items": [
                {
                    "id": monthly["items"].data[0].id,
                    "price_data": price_of(monthly, unit_amount=9000, recurring={"interval": "year"}),
                }
            ],
            "proration_behavior": "none",
            "trial_end": paid_until,
        },
    )

    assert (changed.status, changed.trial_end, changed.billing_cycle_anchor) == (
        "trialing",
        paid_until,
        paid_until,
    )
    assert changed["items"].data[0].current_period_end == paid_until
    assert sandbox.take_types() == [
        "customer.subscription.updated",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]
    nothing = client.v1.invoices.list().data[0]
    assert (nothing.total, nothing.billing_reason) == (0, "subscription_update")
    assert sandbox.books()["EUR"]["active_subscriptions"] == 1

    sandbox.advance(timedelta(days=32))
    year = client.v1.subscriptions.retrieve(monthly.id)
    assert year.status == "active"
    assert year["items"].data[0].current_period_start == paid_until
    assert client.v1.invoices.list().data[0].total == 9000
    sandbox.advance(timedelta(days=366))
    assert [invoice.total for invoice in client.v1.invoices.list().data] == [9000, 9000, 0, 1000]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"trial_end": 1, "proration_behavior": "none"}, "trial_end"),
        ({"trial_end": 4_000_000_000}, "proration_behavior"),
    ],
)
def test_a_free_period_lies_ahead_and_credits_nothing(
    client: stripe.StripeClient, monthly: stripe.Subscription, changes: Any, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.subscriptions.update(monthly.id, changes)
    assert refused.value.param == param


def test_one_that_is_not_paid_for_gets_no_free_period(
    client: stripe.StripeClient, sandbox: Checked, monthly: stripe.Subscription
) -> None:
    client.v1.subscriptions.pause(
        monthly.id, {"type": "subscription", "bill_for": {"unused_time_from": {"type": "none"}}}
    )
    with pytest.raises(stripe.InvalidRequestError, match="paused"):
        client.v1.subscriptions.update(monthly.id, {"trial_end": 4_000_000_000, "proration_behavior": "none"})
