"""
Money that goes back: refunds, disputes, and what the books say then.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import stripe

from sandbox.errors import StripeError
from tests.sandbox.conftest import Checked
from tests.sandbox.gifts import once


def paid_charge(client: stripe.StripeClient, sandbox: Checked, **how: Any) -> str:
    """Ada gave 15.00; returns the charge's id."""
    sandbox.pay(once(client).id, **how)
    sandbox.take_webhooks()
    return client.v1.charges.list().data[0].id


def test_a_gift_is_refunded_in_parts(client: stripe.StripeClient, sandbox: Checked) -> None:
    charge = paid_charge(client, sandbox)

    first = client.v1.refunds.create({"charge": charge, "amount": 500, "reason": "requested_by_customer"})

    assert first.status == "succeeded"
    letters = sandbox.take_webhooks()
    assert [letter.type for letter in letters] == ["refund.created", "charge.refunded"]
    told = json.loads(letters[1].body)["data"]["object"]
    assert (told["amount_refunded"], told["refunded"], "refunds" in told) == (500, False, False)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        client.v1.refunds.create({"charge": charge, "amount": 1001})

    intent = client.v1.charges.retrieve(charge).payment_intent
    client.v1.refunds.create({"payment_intent": intent})

    whole = client.v1.charges.retrieve(charge, {"expand": ["refunds.data.balance_transaction"]})
    assert (whole.amount_refunded, whole.refunded) == (1500, True)
    rows = [refund.balance_transaction for refund in whole.refunds.data]
    assert [(row.type, row.amount, row.fee, row.net) for row in rows] == [
        ("refund", -1000, 0, -1000),
        ("refund", -500, 0, -500),
    ]
    assert sandbox.books()["EUR"] == {
        "charges": {"count": 1, "amount": 1500},
        "fees": 74,
        "refunds": {"count": 2, "amount": 1500},
        "disputes": {"count": 0, "amount": 0},
        "net": -74,
        "active_subscriptions": 0,
    }
    with pytest.raises(stripe.InvalidRequestError) as nothing_left:
        client.v1.refunds.create({"charge": charge})
    assert nothing_left.value.code == "charge_already_refunded"


def test_a_refund_may_be_pending_before_it_succeeds(client: stripe.StripeClient, sandbox: Checked) -> None:
    charge = paid_charge(client, sandbox, card="4000000000007726")
    refund = client.v1.refunds.create({"charge": charge})
    assert refund.status == "pending"
    sandbox.take_webhooks()

    sandbox.advance(timedelta(hours=2))

    assert sandbox.take_types() == ["refund.updated", "charge.refund.updated"]
    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"


def test_a_refund_may_fail_and_bring_the_money_back(client: stripe.StripeClient, sandbox: Checked) -> None:
    charge = paid_charge(client, sandbox, card="4000000000005126")
    refund = client.v1.refunds.create({"charge": charge})
    assert refund.status == "succeeded"
    sandbox.take_webhooks()

    sandbox.advance(timedelta(hours=2))

    assert sandbox.take_types() == ["refund.updated", "charge.refund.updated", "refund.failed"]
    failed = client.v1.refunds.retrieve(refund.id, {"expand": ["failure_balance_transaction"]})
    assert failed.status == "failed"
    assert failed.failure_balance_transaction.net == 1500
    assert client.v1.charges.retrieve(charge).refunded is False
    books = sandbox.books()["EUR"]
    assert (books["refunds"]["count"], books["net"]) == (0, 1426)


def test_a_refund_to_a_bank_account_takes_days(client: stripe.StripeClient, sandbox: Checked) -> None:
    sandbox.pay(once(client).id, method="bank_debit")
    intent = client.v1.payment_intents.list().data[0].id
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent})
    sandbox.advance(timedelta(days=6))

    refund = client.v1.refunds.create({"payment_intent": intent})

    assert refund.status == "pending"
    sandbox.advance(timedelta(days=6))
    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"


def test_only_what_was_paid_can_be_refunded(client: stripe.StripeClient, sandbox: Checked) -> None:
    with pytest.raises(StripeError):
        sandbox.pay(once(client).id, card="4000000000000002")
    failed = client.v1.charges.list().data[0].id
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"charge": failed})
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        client.v1.refunds.create({"charge": "ch_unknown"})
    assert (unknown.value.code, unknown.value.param, unknown.value.http_status) == (
        "resource_missing",
        "charge",
        400,
    )
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({})


def test_a_refund_that_is_under_way_cannot_be_cancelled(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    refund = client.v1.refunds.create({"charge": paid_charge(client, sandbox), "metadata": {"by": "editor"}})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.cancel(refund.id)
    changed = client.v1.refunds.update(refund.id, {"metadata": {"by": "", "ticket": "7"}})
    assert changed.metadata.to_dict() == {"ticket": "7"}
    assert [found.id for found in client.v1.refunds.list({"charge": refund.charge}).data] == [refund.id]


def test_a_disputed_gift_leaves_the_account_with_a_fee(client: stripe.StripeClient, sandbox: Checked) -> None:
    sandbox.pay(once(client).id, card="4000000000000259")

    types = sandbox.take_types()

    assert types[types.index("checkout.session.completed") + 1 :] == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.updated",
    ]
    dispute = client.v1.disputes.list().data[0]
    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 1500)
    assert [(row.amount, row.fee, row.net) for row in dispute.balance_transactions] == [(-1500, 1500, -3000)]
    books = sandbox.books()["EUR"]
    assert books["disputes"] == {"count": 1, "amount": 1500}
    assert (books["fees"], books["net"]) == (1574, 1500 - 74 - 3000)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"charge": dispute.charge})
    assert refused.value.code == "charge_disputed"


def test_a_dispute_that_is_won_brings_the_money_back_but_not_the_fee(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.pay(once(client).id, card="4000000000002685")
    dispute = client.v1.disputes.list().data[0]
    assert dispute.reason == "product_not_received"
    sandbox.take_webhooks()

    decided = client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})

    assert decided.status == "won"
    assert sandbox.take_types() == [
        "charge.dispute.updated",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    ]
    books = sandbox.books()["EUR"]
    assert (books["disputes"]["count"], books["net"]) == (0, 1500 - 74 - 1500)


@pytest.mark.parametrize("how", ["evidence", "close"])
def test_a_dispute_that_is_lost_stays_lost(client: stripe.StripeClient, sandbox: Checked, how: str) -> None:
    sandbox.pay(once(client).id, card="4000000000000259")
    dispute = client.v1.disputes.list().data[0].id

    if how == "close":
        lost = client.v1.disputes.close(dispute)
    else:
        lost = client.v1.disputes.update(dispute, {"evidence": {"uncategorized_text": "losing_evidence"}})

    assert lost.status == "lost"
    assert sandbox.books()["EUR"]["disputes"] == {"count": 1, "amount": 1500}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.disputes.close(dispute)


def test_an_inquiry_moves_no_money_until_it_becomes_a_dispute(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.pay(once(client).id, card="4000000000001976")
    inquiry = client.v1.disputes.list().data[0]
    assert (inquiry.status, inquiry.is_charge_refundable) == ("warning_needs_response", True)
    assert sandbox.books()["EUR"]["disputes"]["count"] == 0
    sandbox.take_webhooks()

    client.v1.disputes.update(inquiry.id, {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}})

    assert client.v1.disputes.retrieve(inquiry.id).status == "needs_response"
    assert sandbox.take_types()[-2:] == ["charge.dispute.updated", "charge.dispute.funds_withdrawn"]
    assert sandbox.books()["EUR"]["disputes"]["count"] == 1


def test_an_inquiry_can_be_closed_by_a_refund_or_by_itself(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.pay(once(client).id, card="4000000000001976")
    inquiry = client.v1.disputes.list().data[0]
    client.v1.refunds.create({"charge": inquiry.charge})
    assert sandbox.close_dispute(inquiry.id, "won")["status"] == "warning_closed"


def test_a_script_can_dispute_any_gift_and_decide_it(client: stripe.StripeClient, sandbox: Checked) -> None:
    charge = paid_charge(client, sandbox)
    dispute = sandbox.dispute(charge, "duplicate")
    assert dispute["status"] == "needs_response"
    with pytest.raises(StripeError):
        sandbox.dispute(charge)
    assert sandbox.close_dispute(dispute["id"], "won")["status"] == "won"


def test_a_bank_may_warn_of_fraud_before_anybody_disputes(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.pay(once(client).id, card="4000000000005423")
    assert sandbox.take_types()[-1] == "radar.early_fraud_warning.created"
    warning = client.v1.radar.early_fraud_warnings.list().data[0]
    assert warning.actionable is True
    assert client.v1.radar.early_fraud_warnings.retrieve(warning.id).charge == warning.charge


@pytest.mark.parametrize(
    ("currency", "amount", "fee"),
    [("usd", 1000, 59), ("jpy", 1000, 29), ("kwd", 5000, 175), ("isk", 50000, 1480), ("ugx", 500000, 14530)],
)
def test_fees_by_currency(
    client: stripe.StripeClient, sandbox: Checked, currency: str, amount: int, fee: int
) -> None:
    sandbox.pay(once(client, amount=amount, currency=currency).id)
    books = sandbox.books()[currency.upper()]
    assert (books["charges"]["amount"], books["fees"], books["net"]) == (amount, fee, amount - fee)


def test_foreign_money_is_converted_where_the_account_has_no_bank_for_it(
    client: stripe.StripeClient, running: Any
) -> None:
    converting = running.use(Checked(settle_in=["usd", "eur"]))
    converting.pay(once(client, amount=1000, currency="jpy").id)

    row = client.v1.balance_transactions.list().data[0]

    assert (row.currency, row.amount, row.fee, row.net) == ("usd", 670, 49, 621)
    assert row.exchange_rate == 0.0067
    assert converting.books() == {
        "JPY": {
            "charges": {"count": 1, "amount": 1000},
            "fees": 0,
            "refunds": {"count": 0, "amount": 0},
            "disputes": {"count": 0, "amount": 0},
            "net": 0,
            "active_subscriptions": 0,
        },
        "USD": {
            "charges": {"count": 0, "amount": 0},
            "fees": 49,
            "refunds": {"count": 0, "amount": 0},
            "disputes": {"count": 0, "amount": 0},
            "net": 621,
            "active_subscriptions": 0,
        },
    }
    assert not converting.problems


def test_money_is_available_after_two_days_or_at_once(client: stripe.StripeClient, sandbox: Checked) -> None:
    paid_charge(client, sandbox)
    paid_charge(client, sandbox, card="4000000000000077")
    assert [row.status for row in client.v1.balance_transactions.list().data] == ["available", "pending"]
    sandbox.advance(timedelta(days=2, minutes=1))
    assert [row.status for row in client.v1.balance_transactions.list().data] == ["available", "available"]
