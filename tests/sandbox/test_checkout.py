"""
What a reader can do on Stripe's page, and what the newsroom hears of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import stripe

from sandbox.errors import StripeError
from tests.sandbox.conftest import Checked
from tests.sandbox.gifts import ADA, GRACE, line, once, regularly


def test_a_gift_is_paid_once_and_told_in_stripes_order(client: stripe.StripeClient, sandbox: Checked) -> None:
    session = once(client)
    assert session.status == "open"
    assert session.payment_intent is None
    assert session.url.endswith(session.id)

    sandbox.pay(session.id, email=ADA, name="Ada")

    assert sandbox.take_types() == [
        "customer.created",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
        "checkout.session.completed",
    ]
    paid = client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["payment_intent.latest_charge.balance_transaction", "line_items", "customer"]}
    )
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert paid.customer_details.email == ADA
    assert paid.customer.name == "Ada"
    assert paid.payment_intent.metadata["contribution"] == "gift-1"
    charge = paid.payment_intent.latest_charge
    assert charge.metadata["contribution"] == "gift-1"
    assert charge.receipt_email == ADA
    fee = charge.balance_transaction
    assert (fee.amount, fee.fee, fee.net) == (1500, 74, 1426)  # 43.5 rounds to 44, and 30


def test_the_fee_is_not_known_yet_when_the_charge_succeeds(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.pay(once(client).id)

    told = {letter.type: json.loads(letter.body)["data"] for letter in sandbox.take_webhooks()}

    assert told["charge.succeeded"]["object"]["balance_transaction"] is None
    assert told["charge.updated"]["object"]["balance_transaction"].startswith("txn_")
    assert told["charge.updated"]["previous_attributes"]["balance_transaction"] is None


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("4000000000000002", "card_declined", "generic_decline"),
        ("4000000000009995", "card_declined", "insufficient_funds"),
        ("4000000000009987", "card_declined", "lost_card"),
        ("4000000000009979", "card_declined", "stolen_card"),
        ("4000000000000069", "expired_card", "expired_card"),
        ("4000000000000127", "incorrect_cvc", "incorrect_cvc"),
        ("4000000000000119", "processing_error", "processing_error"),
        ("4000000000006975", "card_declined", "card_velocity_exceeded"),
        ("4242424242424241", "incorrect_number", "incorrect_number"),
    ],
)
def test_a_declined_card_leaves_the_session_open_for_another(
    client: stripe.StripeClient, sandbox: Checked, card: str, code: str, decline_code: str
) -> None:
    session = once(client)

    with pytest.raises(StripeError) as refused:
        sandbox.pay(session.id, card=card)

    assert refused.value.status == 402
    assert (refused.value.code, refused.value.more["decline_code"]) == (code, decline_code)
    assert sandbox.take_types()[-2:] == ["charge.failed", "payment_intent.payment_failed"]
    intent_id = client.v1.checkout.sessions.retrieve(session.id).payment_intent
    intent = client.v1.payment_intents.retrieve(intent_id)
    assert intent.last_payment_error.decline_code == decline_code

    assert sandbox.pay(session.id)["payment_intent"] == intent_id
    assert sandbox.books()["EUR"]["charges"] == {"count": 1, "amount": 1500}


def test_a_challenge_waits_for_the_readers_answer(client: stripe.StripeClient, sandbox: Checked) -> None:
    session = once(client)

    with pytest.raises(StripeError) as asked:
        sandbox.pay(session.id, card="4000002760003184")
    assert asked.value.code == "authentication_required"
    assert sandbox.take_types()[-1] == "payment_intent.requires_action"

    with pytest.raises(StripeError) as failed:
        sandbox.pay(session.id, card="4000002760003184", three_d_secure="fail")
    assert failed.value.code == "payment_intent_authentication_failure"
    assert sandbox.take_types() == ["payment_intent.payment_failed"]

    assert sandbox.pay(session.id, card="4000002760003184", three_d_secure="pass")["payment_status"] == "paid"
    charge = client.v1.charges.list().data[0]
    assert charge.payment_method_details.card.three_d_secure.result == "authenticated"


def test_a_challenge_may_be_passed_and_the_card_still_declined(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    with pytest.raises(StripeError) as refused:
        sandbox.pay(once(client).id, card="4000008400001629", three_d_secure="pass")
    assert refused.value.code == "card_declined"


def test_a_monthly_gift_makes_its_subscription_only_when_it_is_paid(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    session = regularly(client)
    with pytest.raises(StripeError):
        sandbox.pay(session.id, card="4000000000000002", email="typo@example.org")
    assert client.v1.subscriptions.list({"status": "all"}).data == []
    assert client.v1.checkout.sessions.retrieve(session.id).payment_intent is None
    sandbox.take_webhooks()

    sandbox.pay(session.id, email=GRACE)

    assert sandbox.take_types() == [
        "customer.updated",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
        "payment_method.attached",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
        "customer.subscription.created",
        "checkout.session.completed",
    ]
    paid = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription", "invoice.payments"]})
    assert paid.subscription.status == "active"
    assert paid.subscription.metadata["contribution"] == "gift-2"
    assert paid.invoice.billing_reason == "subscription_create"
    assert paid.invoice.customer_email == GRACE
    assert paid.invoice.parent.subscription_details.metadata.to_dict() == {"contribution": "gift-2"}
    assert paid.invoice.payments.data[0].amount_paid == 1000


def test_a_cover_for_the_fee_is_asked_for_only_in_the_first_month(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    session = regularly(client, line_items=[line(1000, "eur", "month"), line(60, "eur")])
    sandbox.pay(session.id)

    sandbox.advance(timedelta(days=32))

    totals = [invoice.total for invoice in client.v1.invoices.list().data]
    assert totals == [1000, 1060]


@pytest.mark.parametrize(
    ("currency", "type"), [("eur", "sepa_debit"), ("usd", "us_bank_account"), ("gbp", "bacs_debit")]
)
def test_a_bank_debit_is_paid_days_later(
    client: stripe.StripeClient, sandbox: Checked, currency: str, type: str
) -> None:
    session = once(client, currency=currency)

    assert sandbox.pay(session.id, method="bank_debit")["payment_status"] == "unpaid"
    assert sandbox.take_types()[-3:] == [
        "charge.pending",
        "payment_intent.processing",
        "checkout.session.completed",
    ]
    assert sandbox.books() == {}

    sandbox.advance(timedelta(days=5, minutes=1))

    assert sandbox.take_types() == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
        "checkout.session.async_payment_succeeded",
    ]
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"
    method = client.v1.payment_methods.list().data[0]
    assert method.type == type


def test_a_bank_debit_may_come_back_unpaid(client: stripe.StripeClient, sandbox: Checked) -> None:
    session = once(client)
    sandbox.pay(session.id, method="bank_debit", card="DE62370400440532013001")
    sandbox.take_webhooks()

    sandbox.advance(timedelta(days=6))

    assert sandbox.take_types() == [
        "charge.failed",
        "payment_intent.payment_failed",
        "checkout.session.async_payment_failed",
    ]
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "unpaid"
    assert sandbox.books() == {}


def test_a_monthly_bank_debit_is_active_while_the_money_is_on_its_way(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    session = sandbox.pay(regularly(client).id, method="bank_debit")
    assert session["payment_status"] == "unpaid"
    assert client.v1.subscriptions.retrieve(session["subscription"]).status == "active"
    assert client.v1.invoices.retrieve(session["invoice"]).status == "open"
    sandbox.take_webhooks()

    sandbox.settle(client.v1.payment_intents.list().data[0].id)

    assert "invoice.paid" in sandbox.take_types()
    assert client.v1.invoices.retrieve(session["invoice"]).status == "paid"


def test_a_session_expires_and_can_be_recovered(client: stripe.StripeClient, sandbox: Checked) -> None:
    now = sandbox.account.now()
    session = once(client, expires_at=now + 3600, after_expiration={"recovery": {"enabled": True}})

    sandbox.advance(timedelta(hours=2))

    expired = client.v1.checkout.sessions.retrieve(session.id)
    assert expired.status == "expired"
    assert sandbox.take_types() == ["checkout.session.expired"]
    with pytest.raises(StripeError) as closed:
        sandbox.pay(session.id)
    assert closed.value.status == 400

    again = sandbox.recover(session.id)
    assert again["recovered_from"] == session.id
    assert sandbox.pay(again["id"])["payment_status"] == "paid"


RECOVERABLE = {"recovery": {"enabled": True}}


def test_the_link_to_a_copy_comes_with_the_expiry_and_lives_thirty_days(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    session = once(client, after_expiration=RECOVERABLE)
    assert session.after_expiration.recovery.to_dict() == {
        "allow_promotion_codes": False, "enabled": True, "expires_at": None, "url": None,
    }  # fmt: skip
    sandbox.take_webhooks()
    sandbox.expire(session.id)
    [told] = [json.loads(webhook.body) for webhook in sandbox.take_webhooks()]
    recovery = told["data"]["object"]["after_expiration"]["recovery"]
    assert recovery["url"]
    assert recovery["expires_at"] == told["created"] + 30 * 86_400
    assert client.v1.checkout.sessions.retrieve(session.id).after_expiration.recovery.url == recovery["url"]

    sandbox.advance(timedelta(days=30, seconds=-1))
    sandbox.recover(session.id)
    sandbox.advance(timedelta(seconds=1))
    with pytest.raises(StripeError) as too_late:
        sandbox.recover(session.id)
    assert too_late.value.status == 400


@pytest.mark.parametrize("asked", [{}, {"after_expiration": {"recovery": {"enabled": False}}}])
def test_who_asks_for_no_link_gets_none(
    client: stripe.StripeClient, sandbox: Checked, asked: dict[str, Any]
) -> None:
    session = once(client, **asked)
    sandbox.expire(session.id)
    expired = client.v1.checkout.sessions.retrieve(session.id)
    assert expired.after_expiration is None or expired.after_expiration.recovery.url is None
    with pytest.raises(StripeError):
        sandbox.recover(session.id)


def test_a_page_that_is_open_or_was_paid_has_no_copy(client: stripe.StripeClient, sandbox: Checked) -> None:
    session = once(client, after_expiration=RECOVERABLE)
    for _ in range(2):
        with pytest.raises(StripeError):
            sandbox.recover(session.id)
        if client.v1.checkout.sessions.retrieve(session.id).status == "open":
            sandbox.pay(session.id)


@pytest.mark.parametrize("wish", [once, regularly])
def test_each_opening_of_the_link_is_another_copy_with_all_that_the_program_wrote(
    client: stripe.StripeClient, sandbox: Checked, wish: Callable[..., Any]
) -> None:
    ours = {"client_reference_id": "gift-9", "metadata": {"contribution": "gift-9"}}
    session = wish(client, after_expiration=RECOVERABLE, customer_email=ADA, **ours)
    sandbox.expire(session.id)
    copies = [sandbox.recover(session.id)["id"] for _ in range(2)]
    assert len({session.id, *copies}) == 3

    for id in copies:
        copy = client.v1.checkout.sessions.retrieve(id, {"expand": ["line_items"]})
        assert (copy.status, copy.recovered_from, copy.client_reference_id) == ("open", session.id, "gift-9")
        assert copy.metadata.to_dict() == {"contribution": "gift-9"}
        assert (copy.amount_total, copy.currency) == (session.amount_total, session.currency)
        assert (copy.customer_email, copy.success_url) == (ADA, session.success_url)
        assert copy.line_items.data[0].amount_total == session.amount_total
        assert copy.url.endswith(id)
        paid = sandbox.pay(id)
        made = client.v1.payment_intents.retrieve(paid["payment_intent"]) if paid["payment_intent"] else (
            client.v1.subscriptions.retrieve(paid["subscription"])
        )  # fmt: skip
        original = {once: "gift-1", regularly: "gift-2"}[wish]
        assert made.metadata["contribution"] == original
    assert len(client.v1.charges.list().data) == 2


def test_a_copy_that_is_left_has_a_link_of_its_own(client: stripe.StripeClient, sandbox: Checked) -> None:
    session = once(client, after_expiration=RECOVERABLE)
    with pytest.raises(StripeError):
        sandbox.pay(session.id, card="4000000000000002")
    sandbox.expire(session.id)
    copy = sandbox.recover(session.id)
    assert (copy["customer"], copy["after_expiration"]["recovery"]["url"]) == (None, None)
    sandbox.advance(timedelta(days=2))
    again = sandbox.recover(copy["id"])
    assert again["recovered_from"] == copy["id"]
    assert sandbox.pay(again["id"])["payment_status"] == "paid"


def test_an_open_session_can_be_expired_once(client: stripe.StripeClient, sandbox: Checked) -> None:
    session = once(client)
    assert client.v1.checkout.sessions.expire(session.id).status == "expired"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.expire(session.id)


def test_a_card_is_saved_in_setup_mode(client: stripe.StripeClient, sandbox: Checked) -> None:
    customer = client.v1.customers.create({"email": GRACE})
    session = client.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "customer": customer.id,
            "currency": "eur",
            "success_url": "https://news.example.org/thanks",
            "setup_intent_data": {"metadata": {"subscription_id": "sub_1"}},
        }
    )
    with pytest.raises(StripeError):
        sandbox.pay(session.id, card="4000000000000002")

    done = sandbox.pay(session.id, card="4000000000000341")

    assert done["payment_status"] == "no_payment_required"
    intent = client.v1.setup_intents.retrieve(done["setup_intent"], {"expand": ["payment_method"]})
    assert intent.status == "succeeded"
    assert intent.metadata.to_dict() == {"subscription_id": "sub_1"}
    assert intent.payment_method.customer == customer.id
    assert sandbox.take_types()[-4:] == [
        "setup_intent.setup_failed",
        "payment_method.attached",
        "setup_intent.succeeded",
        "checkout.session.completed",
    ]
