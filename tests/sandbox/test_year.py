"""
What happens to gifts over a year besides being renewed: disputes that go their ways, refunds that come back, pauses,
ends on a day of choice, and the sums of it all.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from sandbox.errors import StripeError
from tests.sandbox.conftest import Checked
from tests.sandbox.gifts import GRACE, once, regularly

START_OF_STORY = datetime(2027, 3, 10, 12, tzinfo=UTC)


def renewed(client: stripe.StripeClient, sandbox: Checked) -> tuple[str, stripe.Charge]:
    """Grace gives monthly, and once more in April: her subscription's id and the renewal's charge."""
    sandbox.set_clock(START_OF_STORY)
    id = sandbox.pay(regularly(client).id, email=GRACE)["subscription"]
    sandbox.set_clock(datetime(2027, 4, 11, tzinfo=UTC))
    sandbox.take_webhooks()
    return id, client.v1.charges.list().data[0]


def told(sandbox: Checked) -> list[tuple[str, str]]:
    """Type and the object's status of the events since the last look."""
    return [
        (letter.type, json.loads(letter.body)["data"]["object"].get("status"))
        for letter in sandbox.take_webhooks()
    ]


# Disputes


def test_a_renewal_can_be_disputed_like_a_first_gift(client: stripe.StripeClient, sandbox: Checked) -> None:
    id, charge = renewed(client, sandbox)
    dispute = sandbox.dispute(charge.id, "subscription_canceled")
    assert (dispute["charge"], dispute["payment_intent"]) == (charge.id, charge.payment_intent)
    paid = client.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": dispute["payment_intent"]}}
    )
    assert paid.data[0].invoice == client.v1.subscriptions.retrieve(id).latest_invoice
    assert client.v1.subscriptions.retrieve(id).status == "active", "Stripe leaves that to the newsroom"


def test_a_dispute_that_nobody_answers_is_lost_when_time_is_up(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    _, charge = renewed(client, sandbox)
    dispute = sandbox.dispute(charge.id)
    sandbox.take_webhooks()

    sandbox.advance(timedelta(days=7))

    assert told(sandbox) == [
        ("charge.dispute.updated", "needs_response"),
        ("charge.dispute.closed", "lost"),
    ]
    lost = client.v1.disputes.retrieve(dispute["id"])
    assert lost.evidence_details.past_due is True
    assert sandbox.statement()["EUR"]["disputes"] == {"count": 1, "amount": 1000}


def test_evidence_that_was_only_saved_is_sent_when_time_is_up(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    _, charge = renewed(client, sandbox)
    id = sandbox.dispute(charge.id)["id"]
    client.v1.disputes.update(id, {"evidence": {"customer_name": "Grace"}, "submit": False})
    sandbox.advance(timedelta(days=8))
    sent = client.v1.disputes.retrieve(id)
    assert (sent.status, sent.evidence_details.submission_count) == ("under_review", 1)
    assert sent.evidence_details.submission_method == "manual"


def test_a_dispute_under_review_waits_for_the_bank(client: stripe.StripeClient, sandbox: Checked) -> None:
    _, charge = renewed(client, sandbox)
    id = sandbox.dispute(charge.id)["id"]
    sandbox.take_webhooks()
    sandbox.answer_dispute(id)
    assert told(sandbox) == [("charge.dispute.updated", "under_review")]
    sandbox.advance(timedelta(days=60))
    assert client.v1.disputes.retrieve(id).status == "under_review"

    assert sandbox.close_dispute(id, "won")["status"] == "won"


@pytest.mark.parametrize("returned", [False, True])
def test_the_fee_of_a_dispute_that_is_won_comes_back_where_it_does(
    client: stripe.StripeClient, sandbox: Checked, returned: bool
) -> None:
    sandbox.change_settings(disputes={"fee_returned": returned})
    _, charge = renewed(client, sandbox)
    id = sandbox.dispute(charge.id)["id"]
    assert sandbox.statement()["EUR"]["settled"]["disputes"] == -1000

    sandbox.withdraw_dispute(id)

    won = client.v1.disputes.retrieve(id)
    rows = [(row.amount, row.fee, row.net) for row in won.balance_transactions]
    assert rows == [(-1000, 1500, -2500), (1000, -1500, 2500) if returned else (1000, 0, 1000)]
    statement = sandbox.statement()["EUR"]
    assert statement["fees"] == 2 * 59 + (0 if returned else 1500)
    assert (statement["disputes"]["count"], statement["settled"]["disputes"]) == (0, 0)
    assert statement["net"] == 2000 - statement["fees"]


def test_an_inquiry_closes_by_itself_unless_it_becomes_a_dispute(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    _, charge = renewed(client, sandbox)
    first = sandbox.dispute(charge.id, "general", inquiry=True)["id"]
    second = sandbox.dispute(client.v1.charges.list().data[1].id, "general", inquiry=True)["id"]
    assert sandbox.statement()["EUR"]["disputes"]["count"] == 0
    sandbox.advance(timedelta(days=6))
    sandbox.take_webhooks()

    escalated = sandbox.escalate_dispute(second)

    assert told(sandbox) == [
        ("charge.dispute.updated", "needs_response"),
        ("charge.dispute.funds_withdrawn", "needs_response"),
    ]
    assert escalated["evidence_details"]["due_by"] == sandbox.account.now() + 7 * 86400
    sandbox.advance(timedelta(days=2))
    assert client.v1.disputes.retrieve(second).status == "needs_response", "the new date counts"
    sandbox.advance(timedelta(days=113))
    assert client.v1.disputes.retrieve(second).status == "lost"
    assert client.v1.disputes.retrieve(first).status == "warning_closed"
    for over in (first, second):
        with pytest.raises(StripeError):
            sandbox.escalate_dispute(over)


# Refunds


def test_a_refund_may_fail_long_after_it_succeeded(client: stripe.StripeClient, sandbox: Checked) -> None:
    _, charge = renewed(client, sandbox)
    first, second = (sandbox.refund(charge.id, amount)["id"] for amount in (300, 200))
    sandbox.advance(timedelta(days=20))
    sandbox.take_webhooks()

    sandbox.fail_refund(first, "lost_or_stolen_card")

    assert told(sandbox) == [
        ("refund.updated", "failed"),
        ("charge.refund.updated", "failed"),
        ("refund.failed", "failed"),
    ]
    failed = client.v1.refunds.retrieve(first, {"expand": ["failure_balance_transaction"]})
    assert failed.failure_reason == "lost_or_stolen_card"
    assert (failed.failure_balance_transaction.type, failed.failure_balance_transaction.net) == (
        "refund_failure",
        300,
    )
    assert client.v1.charges.retrieve(charge.id).amount_refunded == 200
    statement = sandbox.statement()["EUR"]
    assert (statement["refunds"], statement["failed_refunds"]) == (
        {"count": 1, "amount": 200},
        {"count": 1, "amount": 300},
    )
    assert statement["settled"]["refunds"] == -200
    with pytest.raises(StripeError):
        sandbox.fail_refund(first)
    with pytest.raises(StripeError):
        sandbox.fail_refund(second, "bad_mood")
    with pytest.raises(StripeError):
        sandbox.settle_refund(second)


@pytest.mark.parametrize("fate", ["settle", "fail"])
def test_a_script_decides_a_pending_refund_before_the_bank_does(
    client: stripe.StripeClient, sandbox: Checked, fate: str
) -> None:
    sandbox.pay(once(client).id, card="4000000000007726")
    id = client.v1.refunds.create({"charge": client.v1.charges.list().data[0].id}).id
    if fate == "settle":
        sandbox.settle_refund(id)
    else:
        sandbox.fail_refund(id)
    sandbox.take_webhooks()
    sandbox.advance(timedelta(days=1))
    assert told(sandbox) == [], "and the bank has nothing left to decide"
    decided = client.v1.refunds.retrieve(id)
    assert decided.status == ("succeeded" if fate == "settle" else "failed")
    assert "pending_reason" not in decided


# Subscriptions


def test_an_end_beyond_the_next_renewal_lets_that_one_happen_and_be_announced(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    id, _ = renewed(client, sandbox)
    until = int(datetime(2027, 5, 25, tzinfo=UTC).timestamp())
    asked = client.v1.subscriptions.update(id, {"cancel_at": until})
    assert (asked.cancel_at, asked.cancel_at_period_end) == (until, False)
    assert client.v1.invoices.create_preview({"subscription": id}).amount_due == 1000
    sandbox.take_webhooks()

    sandbox.set_clock(datetime(2027, 6, 20, tzinfo=UTC))

    types = [type for type, _ in told(sandbox)]
    assert types.count("invoice.upcoming") == types.count("invoice.paid") == 1
    assert types[-1] == "customer.subscription.deleted"
    ended = client.v1.subscriptions.retrieve(id)
    assert (ended.status, ended.ended_at) == ("canceled", until)
    assert ended.cancellation_details.reason == "cancellation_requested"


def test_a_pause_that_writes_off_says_why(client: stripe.StripeClient, sandbox: Checked) -> None:
    id, _ = renewed(client, sandbox)
    until = int(datetime(2027, 6, 1, tzinfo=UTC).timestamp())
    client.v1.subscriptions.update(
        id, {"pause_collection": {"behavior": "mark_uncollectible", "resumes_at": until}}
    )
    assert sandbox.statement()["EUR"]["subscriptions"]["paused"] == 1
    sandbox.set_clock(datetime(2027, 5, 11, tzinfo=UTC))
    skipped = client.v1.invoices.list().data[0]
    assert skipped.status == "uncollectible"
    assert skipped.status_details.uncollectible.reason == "subscription_paused"
    sandbox.take_webhooks()

    sandbox.set_clock(datetime(2027, 6, 1, 1, tzinfo=UTC))

    [letter] = sandbox.take_webhooks()
    event = json.loads(letter.body)
    assert letter.type == "customer.subscription.updated"
    assert event["created"] == until
    assert event["data"]["object"]["pause_collection"] is None
    assert event["data"]["previous_attributes"]["pause_collection"]["resumes_at"] == until
    paid = client.v1.invoices.pay(skipped.id)
    assert (paid.status, paid.status_details) == ("paid", None), "what was written off may still be paid"


def test_sessions_expire_after_a_day_or_when_they_were_told_to(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    usual = once(client)
    sooner = once(client, expires_at=int(sandbox.account.now()) + 3600)
    sandbox.advance(timedelta(hours=2))
    assert client.v1.checkout.sessions.retrieve(sooner.id).status == "expired"
    sandbox.advance(timedelta(hours=21, minutes=59))
    assert client.v1.checkout.sessions.retrieve(usual.id).status == "open"
    sandbox.advance(timedelta(minutes=1))
    assert client.v1.checkout.sessions.retrieve(usual.id).status == "expired"
    news = [json.loads(letter.body) for letter in sandbox.take_webhooks()]
    assert [(event["type"], event["created"]) for event in news] == [
        ("checkout.session.expired", sooner.expires_at),
        ("checkout.session.expired", usual.expires_at),
    ]


# The sums


def test_the_statement_counts_subscriptions_by_what_became_of_them(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.set_clock(START_OF_STORY)
    ids = [sandbox.pay(regularly(client, currency="jpy").id)["subscription"] for _ in range(5)]
    methods = [str(client.v1.subscriptions.retrieve(id).default_payment_method) for id in ids]
    client.v1.subscriptions.cancel(ids[0])
    client.v1.subscriptions.update(ids[1], {"pause_collection": {"behavior": "void"}})
    client.v1.subscriptions.pause(ids[2], {"bill_for": {"unused_time_from": {"type": "none"}}})
    sandbox.decline(methods[3])
    sandbox.set_clock(datetime(2027, 4, 11, tzinfo=UTC))

    statement = sandbox.statement()["JPY"]

    assert statement["subscriptions"] == {
        "active": 1,
        "past_due": 1,
        "unpaid": 0,
        "paused": 2,
        "canceled": 1,
        "incomplete": 0,
        "incomplete_expired": 0,
        "trialing": 0,
    }
    assert statement["gross"] == {"count": 6, "amount": 6000}
    assert statement["fees"] == 6 * 29
    assert sandbox.books()["JPY"]["active_subscriptions"] == 1


def test_the_statement_keeps_what_readers_pay_and_what_the_bank_settles_apart(
    client: stripe.StripeClient, running: Any
) -> None:
    sandbox = running.use(Checked(settle_in=["usd"], set_to={"payouts": {"interval": "daily"}}))
    sandbox.pay(once(client, amount=10000, currency="jpy").id)
    sandbox.refund(client.v1.charges.list().data[0].id, 4000)
    sandbox.advance(timedelta(days=3))
    yen, dollars = sandbox.statement()["JPY"], sandbox.statement()["USD"]
    assert (yen["gross"]["amount"], yen["refunds"]["amount"], yen["net"], yen["payouts"]["count"]) == (
        10000,
        4000,
        0,
        0,
    )
    assert dollars["gross"]["count"] == 0
    assert dollars["settled"] == {"gross": 6700, "refunds": -2680, "disputes": 0}
    assert dollars["net"] == dollars["payouts"]["amount"] == 6700 - 2680 - dollars["fees"]
    assert not sandbox.problems
