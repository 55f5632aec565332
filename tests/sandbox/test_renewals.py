"""
What happens to a monthly or annual gift as the sandbox's time passes.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from sandbox.errors import StripeError
from tests.sandbox.conftest import Checked
from tests.sandbox.gifts import GRACE, regularly

FAILS_LATER = "4000000000000341"
WITHIN_THE_HOUR = timedelta(minutes=61)


def subscribe(client: stripe.StripeClient, sandbox: Checked, **wish: Any) -> str:
    """Grace gives regularly; returns the subscription's id."""
    subscription: str = sandbox.pay(regularly(client, **wish).id, email=GRACE)["subscription"]
    sandbox.take_webhooks()
    return subscription


def start_on(sandbox: Checked, year: int, month: int, day: int) -> None:
    sandbox.set_clock(datetime(year, month, day, 12, tzinfo=UTC))


def told(sandbox: Checked) -> list[tuple[str, Any]]:
    """Type and object of the events since the last look."""
    return [(letter.type, json.loads(letter.body)["data"]["object"]) for letter in sandbox.take_webhooks()]


def test_a_month_is_renewed_within_the_hour_and_told_in_order(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    start_on(sandbox, 2027, 3, 10)
    id = subscribe(client, sandbox)

    sandbox.advance(timedelta(days=31))
    assert sandbox.take_types() == [
        "invoice.upcoming",
        "customer.subscription.updated",
        "invoice.created",
    ]
    sandbox.advance(WITHIN_THE_HOUR)
    assert sandbox.take_types() == [
        "payment_intent.created",
        "invoice.finalized",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
    ]
    invoice = client.v1.invoices.list({"subscription": id, "limit": 1}).data[0]
    assert (invoice.billing_reason, invoice.status, invoice.attempt_count) == (
        "subscription_cycle",
        "paid",
        1,
    )
    period = invoice.lines.data[0].period
    item = client.v1.subscriptions.retrieve(id)["items"].data[0]
    assert (period.start, period.end) == (item.current_period_start, item.current_period_end)
    assert invoice.period_end == period.start, "an invoice's own period looks back"


def test_renewals_keep_to_the_last_day_of_short_months(client: stripe.StripeClient, sandbox: Checked) -> None:
    start_on(sandbox, 2027, 1, 31)
    id = subscribe(client, sandbox)

    sandbox.set_clock(datetime(2027, 6, 15, tzinfo=UTC))

    starts = [
        datetime.fromtimestamp(invoice.lines.data[0].period.start, UTC).date().isoformat()
        for invoice in client.v1.invoices.list({"subscription": id}).data
    ]
    assert starts == ["2027-05-31", "2027-04-30", "2027-03-31", "2027-02-28", "2027-01-31"]


def test_a_year_begun_on_a_leap_day_is_renewed_on_the_last_of_february(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    start_on(sandbox, 2028, 2, 29)
    id = subscribe(client, sandbox, interval="year", amount=12000)

    sandbox.set_clock(datetime(2029, 2, 28, 14, tzinfo=UTC))

    paid = client.v1.invoices.list({"subscription": id, "status": "paid"}).data
    assert [invoice.amount_paid for invoice in paid] == [12000, 12000]


def test_events_of_a_long_jump_carry_their_own_moments(client: stripe.StripeClient, sandbox: Checked) -> None:
    start_on(sandbox, 2027, 3, 10)
    subscribe(client, sandbox)

    sandbox.advance(timedelta(days=100))

    moments = [json.loads(letter.body)["created"] for letter in sandbox.take_webhooks()]
    assert moments == sorted(moments)
    charges = [datetime.fromtimestamp(charge.created, UTC) for charge in client.v1.charges.list().data]
    assert [(moment.month, moment.day, moment.hour) for moment in charges] == [
        (6, 10, 13), (5, 10, 13), (4, 10, 13), (3, 10, 12),
    ]  # fmt: skip


def test_a_renewal_that_fails_is_tried_again_and_then_ends_the_subscription(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    start_on(sandbox, 2027, 3, 10)
    id = subscribe(client, sandbox)
    sandbox.change_card(id, FAILS_LATER)
    sandbox.take_webhooks()

    sandbox.advance(timedelta(days=31) + WITHIN_THE_HOUR)

    news = told(sandbox)
    assert [type for type, _ in news][-4:] == [
        "charge.failed",
        "payment_intent.payment_failed",
        "invoice.payment_failed",
        "customer.subscription.updated",
    ]
    invoice = dict(news)["invoice.payment_failed"]
    assert invoice["attempt_count"] == 1
    assert invoice["next_payment_attempt"] == invoice["status_transitions"]["finalized_at"] + 3 * 86400
    assert client.v1.subscriptions.retrieve(id).status == "past_due"

    sandbox.advance(timedelta(days=3 + 5 + 7))

    news = told(sandbox)
    attempts = [
        (invoice["attempt_count"], invoice["next_payment_attempt"] is None)
        for type, invoice in news
        if type == "invoice.payment_failed"
    ]
    assert attempts == [(2, False), (3, False), (4, True)]
    ended = client.v1.subscriptions.retrieve(id)
    assert (ended.status, ended.cancellation_details.reason) == ("canceled", "payment_failed")
    assert news[-1][0] == "customer.subscription.deleted"
    assert sandbox.books()["EUR"]["charges"]["count"] == 1
    assert sandbox.books()["EUR"]["active_subscriptions"] == 0


def test_a_new_card_lets_the_next_retry_succeed(client: stripe.StripeClient, sandbox: Checked) -> None:
    id = subscribe(client, sandbox)
    sandbox.change_card(id, FAILS_LATER)
    sandbox.advance(timedelta(days=32))
    assert client.v1.subscriptions.retrieve(id).status == "past_due"

    sandbox.change_card(id, "5555555555554444")
    sandbox.advance(timedelta(days=3))

    assert client.v1.subscriptions.retrieve(id).status == "active"
    assert sandbox.books()["EUR"]["charges"] == {"count": 2, "amount": 2000}


def test_an_overdue_invoice_can_be_paid_by_the_program(client: stripe.StripeClient, sandbox: Checked) -> None:
    id = subscribe(client, sandbox)
    sandbox.change_card(id, FAILS_LATER)
    sandbox.advance(timedelta(days=32))
    overdue = client.v1.subscriptions.retrieve(id).latest_invoice
    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(overdue)
    assert client.v1.invoices.retrieve(overdue).attempt_count == 1, "only automatic attempts count"
    sandbox.take_webhooks()

    client.v1.invoices.pay(overdue, {"payment_method": "pm_card_visa"})

    assert client.v1.subscriptions.retrieve(id).status == "active"
    assert sandbox.take_types()[-1] == "customer.subscription.updated"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.pay(overdue)


def test_a_renewal_that_needs_a_challenge_waits_for_the_reader(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    id = subscribe(client, sandbox)
    sandbox.change_card(id, "4000002760003184")

    sandbox.advance(timedelta(days=32))

    waiting = dict(told(sandbox))["invoice.payment_action_required"]
    assert (waiting["attempted"], waiting["attempt_count"], waiting["next_payment_attempt"]) == (
        True,
        0,
        None,
    )
    assert client.v1.subscriptions.retrieve(id).status == "past_due"
    with pytest.raises(StripeError):
        sandbox.pay_invoice(waiting["id"], "4000002760003184")
    sandbox.pay_invoice(waiting["id"], "4000002760003184", three_d_secure="pass")
    assert client.v1.subscriptions.retrieve(id).status == "active"


def test_a_card_that_was_set_up_at_the_first_payment_is_not_challenged_again(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    session = regularly(client)
    sandbox.pay(session.id, card="4000002500003155", three_d_secure="pass")

    sandbox.advance(timedelta(days=32))

    assert sandbox.books()["EUR"]["charges"]["count"] == 2


def test_a_bank_debit_that_comes_back_makes_the_gift_overdue(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    session = sandbox.pay(regularly(client).id, method="bank_debit", card="DE62370400440532013001")

    sandbox.advance(timedelta(days=5, minutes=1))

    invoice = client.v1.invoices.retrieve(session["invoice"])
    assert (invoice.status, invoice.attempt_count) == ("open", 1)
    assert client.v1.subscriptions.retrieve(session["subscription"]).status == "past_due"


def test_a_new_amount_counts_from_the_next_renewal(client: stripe.StripeClient, sandbox: Checked) -> None:
    id = subscribe(client, sandbox)
    item = client.v1.subscription_items.list({"subscription": id}).data[0]
    wish = {
        "id": item.id,
        "price_data": {
            "currency": "eur",
            "product": item.price.product,
            "recurring": {"interval": "month"},
            "unit_amount": 2500,
        },
        "quantity": 1,
    }
    with pytest.raises(stripe.InvalidRequestError, match="proration"):
        client.v1.subscriptions.update(id, {"items": [wish]})

    client.v1.subscriptions.update(id, {"items": [wish], "proration_behavior": "none"})

    [(type, changed)] = told(sandbox)
    assert type == "customer.subscription.updated"
    assert [item["price"]["unit_amount"] for item in changed["items"]["data"]] == [2500]
    assert changed["items"]["data"][0]["id"] == item.id
    assert sandbox.books()["EUR"]["charges"]["amount"] == 1000
    preview = client.v1.invoices.create_preview({"subscription": id})
    assert preview.amount_due == 2500
    sandbox.advance(timedelta(days=32))
    assert sandbox.books()["EUR"]["charges"]["amount"] == 3500


def test_another_interval_starts_a_new_period_and_is_billed_now(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    id = subscribe(client, sandbox)
    item = client.v1.subscription_items.list({"subscription": id}).data[0]
    sandbox.advance(timedelta(days=10))

    changed = client.v1.subscriptions.update(
        id,
        {
            "items": [
                {
                    "id": item.id,
                    "price_data": {
                        "currency": "eur",
                        "product": item.price.product,
                        "recurring": {"interval": "year"},
                        "unit_amount": 9000,
                    },
                }
            ],
            "proration_behavior": "none",
        },
    )

    assert changed.billing_cycle_anchor == sandbox.account.now()
    assert sandbox.books()["EUR"]["charges"] == {"count": 2, "amount": 10000}
    sandbox.advance(timedelta(days=60))
    assert sandbox.books()["EUR"]["charges"]["count"] == 2, "the old month is not renewed any more"


def test_the_currency_of_a_subscription_cannot_change(client: stripe.StripeClient, sandbox: Checked) -> None:
    id = subscribe(client, sandbox)
    item = client.v1.subscription_items.list({"subscription": id}).data[0]
    price = {
        "currency": "usd",
        "product": item.price.product,
        "recurring": {"interval": "month"},
        "unit_amount": 900,
    }
    with pytest.raises(stripe.InvalidRequestError, match="usd"):
        client.v1.subscriptions.update(
            id, {"items": [{"id": item.id, "price_data": price}], "proration_behavior": "none"}
        )


def test_skipped_months_are_invoiced_but_void_and_then_it_goes_on(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    start_on(sandbox, 2027, 3, 10)
    id = subscribe(client, sandbox)
    until = int(datetime(2027, 5, 1, tzinfo=UTC).timestamp())
    client.v1.subscriptions.update(id, {"pause_collection": {"behavior": "void", "resumes_at": until}})

    sandbox.set_clock(datetime(2027, 4, 20, tzinfo=UTC))
    assert client.v1.subscriptions.retrieve(id).status == "active"
    assert [invoice.status for invoice in client.v1.invoices.list().data] == ["void", "paid"]
    assert "customer.subscription.paused" not in sandbox.take_types()

    sandbox.set_clock(datetime(2027, 5, 20, tzinfo=UTC))
    assert client.v1.subscriptions.retrieve(id).pause_collection is None
    assert [invoice.status for invoice in client.v1.invoices.list().data] == ["paid", "void", "paid"]


@pytest.mark.parametrize(
    ("behavior", "status"), [("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible")]
)
def test_other_ways_to_pause_collection(
    client: stripe.StripeClient, sandbox: Checked, behavior: str, status: str
) -> None:
    id = subscribe(client, sandbox)
    client.v1.subscriptions.update(id, {"pause_collection": {"behavior": behavior}})
    sandbox.advance(timedelta(days=32))
    assert client.v1.invoices.list().data[0].status == status
    lifted = client.v1.subscriptions.update(id, {"pause_collection": ""})
    assert lifted.pause_collection is None


def test_a_real_pause_makes_no_invoices_until_it_is_resumed(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    id = subscribe(client, sandbox)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.pause(id)

    paused = client.v1.subscriptions.pause(id, {"bill_for": {"unused_time_from": {"type": "none"}}})

    assert paused.status == "paused"
    assert paused.status_details.paused.subscription.type == "pause_requested"
    assert sandbox.take_types() == ["customer.subscription.updated", "customer.subscription.paused"]
    sandbox.advance(timedelta(days=90))
    assert len(client.v1.invoices.list().data) == 1

    resumed = client.v1.subscriptions.resume(id, {"payment_behavior": "resume_on_payment_success"})

    assert resumed.status == "active"
    assert resumed.status_details is None
    assert resumed.billing_cycle_anchor == sandbox.account.now()
    assert sandbox.take_types()[-1] == "customer.subscription.resumed"
    assert sandbox.books()["EUR"]["charges"]["count"] == 2
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.resume(id)


def test_a_pause_can_end_without_moving_the_dates(client: stripe.StripeClient, sandbox: Checked) -> None:
    start_on(sandbox, 2027, 3, 10)
    id = subscribe(client, sandbox)
    client.v1.subscriptions.pause(id, {"bill_for": {"unused_time_from": {"type": "none"}}})
    sandbox.set_clock(datetime(2027, 5, 20, tzinfo=UTC))

    client.v1.subscriptions.resume(
        id, {"billing_cycle_anchor": {"type": "unchanged"}, "proration_behavior": "none"}
    )

    assert sandbox.books()["EUR"]["charges"]["count"] == 1
    sandbox.set_clock(datetime(2027, 6, 10, 14, tzinfo=UTC))
    assert sandbox.books()["EUR"]["charges"]["count"] == 2


def test_a_pause_that_ends_only_with_a_payment_waits_for_one(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    id = subscribe(client, sandbox)
    client.v1.subscriptions.pause(id, {"bill_for": {"unused_time_from": {"type": "none"}}})
    sandbox.change_card(id, FAILS_LATER)

    waiting = client.v1.subscriptions.resume(id, {"payment_behavior": "resume_on_payment_success"})

    assert waiting.status == "paused"
    client.v1.invoices.pay(waiting.latest_invoice, {"payment_method": "pm_card_visa"})
    assert client.v1.subscriptions.retrieve(id).status == "active"


def test_a_gift_that_is_to_end_runs_to_the_end_of_its_period(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    id = subscribe(client, sandbox)

    asked = client.v1.subscriptions.update(
        id,
        {
            "cancel_at_period_end": True,
            "cancellation_details": {"feedback": "too_expensive", "comment": "Later, perhaps"},
        },
    )

    assert (asked.status, asked.cancel_at_period_end) == ("active", True)
    assert asked.cancel_at == asked["items"].data[0].current_period_end
    assert asked.cancellation_details.reason == "cancellation_requested"
    assert sandbox.take_types() == ["customer.subscription.updated"]
    sandbox.advance(timedelta(days=32))
    assert sandbox.take_types() == ["customer.subscription.deleted"], "and nothing is upcoming"
    ended = client.v1.subscriptions.retrieve(id)
    assert (ended.status, ended.ended_at) == ("canceled", asked.cancel_at)
    assert ended.cancellation_details.feedback == "too_expensive"


def test_a_wish_to_end_can_be_taken_back(client: stripe.StripeClient, sandbox: Checked) -> None:
    id = subscribe(client, sandbox)
    client.v1.subscriptions.update(id, {"cancel_at_period_end": True})

    kept = client.v1.subscriptions.update(id, {"cancel_at_period_end": False})

    assert (kept.cancel_at, kept.canceled_at, kept.cancellation_details.reason) == (None, None, None)
    sandbox.advance(timedelta(days=32))
    assert client.v1.subscriptions.retrieve(id).status == "active"


def test_a_gift_can_end_on_a_day_of_choice(client: stripe.StripeClient, sandbox: Checked) -> None:
    id = subscribe(client, sandbox)
    client.v1.subscriptions.update(id, {"cancel_at": sandbox.account.now() + 10 * 86400})
    sandbox.advance(timedelta(days=11))
    assert client.v1.subscriptions.retrieve(id).status == "canceled"


def test_an_ended_subscription_stays_ended(client: stripe.StripeClient, sandbox: Checked) -> None:
    id = subscribe(client, sandbox)
    assert client.v1.subscriptions.cancel(id).status == "canceled"
    assert sandbox.take_types() == ["customer.subscription.deleted"]

    with pytest.raises(stripe.InvalidRequestError) as gone:
        client.v1.subscriptions.cancel(id)
    assert gone.value.http_status == 404
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.update(id, {"cancel_at_period_end": False})
    kept = client.v1.subscriptions.update(
        id, {"metadata": {"note": "moved"}, "cancellation_details": {"comment": "thanks"}}
    )
    assert kept.metadata.to_dict() == {"contribution": "gift-2", "note": "moved"}
    assert client.v1.subscriptions.list().data == []
    assert [found.id for found in client.v1.subscriptions.list({"status": "canceled"}).data] == [id]
    sandbox.advance(timedelta(days=40))
    assert sandbox.books()["EUR"]["charges"]["count"] == 1


def test_a_subscription_made_by_the_program_is_paid_by_the_saved_card(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    customer = client.v1.customers.create({"email": GRACE, "payment_method": "pm_card_visa"})
    method = client.v1.customers.payment_methods.list(customer.id).data[0]
    client.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})
    product = client.v1.products.create({"name": "Membership"})
    price = client.v1.prices.create(
        {"currency": "eur", "product": product.id, "unit_amount": 500, "recurring": {"interval": "month"}}
    )
    sandbox.take_webhooks()

    made = client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": price.id}]})

    assert made.status == "active"
    types = sandbox.take_types()
    assert types[0] == "invoice.created"
    assert types[-1] == "customer.subscription.created"


def test_a_first_payment_that_never_comes_expires_the_subscription(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    customer = client.v1.customers.create({"email": GRACE})
    client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer.id})
    method = client.v1.payment_methods.list({"customer": customer.id}).data[0]
    product = client.v1.products.create({"name": "Membership"})
    wish: Any = {
        "customer": customer.id,
        "default_payment_method": method.id,
        "items": [
            {
                "price_data": {
                    "currency": "eur",
                    "product": product.id,
                    "unit_amount": 500,
                    "recurring": {"interval": "month"},
                }
            }
        ],
    }
    with pytest.raises(stripe.CardError):
        client.v1.subscriptions.create({**wish, "payment_behavior": "error_if_incomplete"})
    assert client.v1.subscriptions.list({"status": "all"}).data == []

    made = client.v1.subscriptions.create(wish)

    assert made.status == "incomplete"
    sandbox.advance(timedelta(hours=24))
    assert client.v1.subscriptions.retrieve(made.id).status == "incomplete_expired"
    assert client.v1.invoices.list().data[0].status == "void"
