"""
How the money gets to the bank: by itself or when asked for, what each payout is made of, and when it comes back.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.errors import StripeError
from sandbox.server import Running, Sandbox
from tests.sandbox.conftest import Checked
from tests.sandbox.gifts import once
from tests.sandbox.test_books import DEEDS, do

MONDAY = datetime(2027, 3, 1, 12, tzinfo=UTC)


def day(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()[:10]


def paid_out(client: stripe.StripeClient, payout: str) -> list[tuple[str, int]]:
    """Type and net of what a payout is made of, newest first."""
    rows = client.v1.balance_transactions.list({"payout": payout, "limit": 100}).data
    return [(row.type, row.net) for row in rows]


def test_a_daily_payout_takes_along_what_is_available_and_adds_up(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.set_clock(MONDAY)
    sandbox.change_settings(payouts={"interval": "daily"})
    sandbox.pay(once(client).id)
    sandbox.refund(client.v1.charges.list().data[0].id, 500)
    assert client.v1.payouts.list().data == []

    sandbox.set_clock(datetime(2027, 3, 3, 0, 1, tzinfo=UTC))

    payout = client.v1.payouts.list().data[0]
    assert (payout.amount, payout.currency, payout.automatic) == (1500 - 74 - 500, "eur", True)
    assert (payout.status, payout.reconciliation_status) == ("pending", "in_progress")
    assert (day(payout.created), day(payout.arrival_date)) == ("2027-03-03", "2027-03-04")
    assert paid_out(client, payout.id) == [("payout", -926), ("refund", -500), ("charge", 1426)]
    row = client.v1.balance_transactions.retrieve(payout.balance_transaction)
    assert (row.type, row.source, row.reporting_category) == ("payout", payout.id, "payout")
    with_it = client.v1.payouts.retrieve(payout.id, {"expand": ["balance_transaction"]})
    assert with_it.balance_transaction.net == -926


def test_a_payout_tells_of_its_way_to_the_bank(client: stripe.StripeClient, sandbox: Checked) -> None:
    sandbox.set_clock(MONDAY)
    sandbox.pay(once(client).id)
    sandbox.change_settings(payouts={"interval": "daily"})
    sandbox.take_webhooks()

    sandbox.advance(timedelta(days=3))

    news = [(letter.type, json.loads(letter.body)) for letter in sandbox.take_webhooks()]
    assert [(type, day(event["created"]), event["data"]["object"]["status"]) for type, event in news] == [
        ("payout.created", "2027-03-03", "pending"),
        ("payout.reconciliation_completed", "2027-03-03", "pending"),
        ("payout.updated", "2027-03-03", "in_transit"),
        ("payout.paid", "2027-03-04", "paid"),
    ]
    assert news[1][1]["data"]["object"]["reconciliation_status"] == "completed"


def test_nobody_banks_at_the_weekend(client: stripe.StripeClient, sandbox: Checked) -> None:
    sandbox.set_clock(MONDAY + timedelta(days=2))
    sandbox.pay(once(client).id)
    sandbox.change_settings(payouts={"interval": "daily"})

    sandbox.advance(timedelta(days=7))

    payout = client.v1.payouts.list().data[0]
    assert (day(payout.created), day(payout.arrival_date), payout.status) == (
        "2027-03-05",
        "2027-03-08",
        "paid",
    )


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        ({"interval": "manual"}, []),
        ({"interval": "weekly"}, ["2027-03-08", "2027-03-15", "2027-03-22", "2027-03-29"]),
        ({"interval": "weekly", "weekly_anchor": "thursday"}, ["2027-03-04", "2027-03-11", "2027-03-18", "2027-03-25"]),
        ({"interval": "monthly", "monthly_anchor": 31}, ["2027-03-31"]),
        ({"interval": "monthly", "monthly_anchor": 10, "delay_days": 7}, ["2027-03-10"]),
    ],
)  # fmt: skip
def test_payouts_follow_their_schedule(
    client: stripe.StripeClient, sandbox: Checked, schedule: dict[str, Any], days: list[str]
) -> None:
    sandbox.set_clock(MONDAY)
    sandbox.change_settings(payouts=schedule)
    for _ in range(30):
        sandbox.pay(once(client).id)
        sandbox.advance(timedelta(days=1))

    found = [day(payout.created) for payout in client.v1.payouts.list().data][::-1]

    assert found == days


def test_a_month_without_a_31st_pays_out_on_its_last_day(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.set_clock(datetime(2028, 2, 1, tzinfo=UTC))
    sandbox.pay(once(client).id)
    sandbox.change_settings(payouts={"interval": "monthly", "monthly_anchor": 31})
    sandbox.advance(timedelta(days=60))
    assert [day(payout.created) for payout in client.v1.payouts.list().data] == ["2028-02-29"]


def test_a_changed_schedule_takes_the_place_of_the_old_one(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.set_clock(MONDAY)
    sandbox.pay(once(client).id)
    sandbox.change_settings(payouts={"interval": "daily"})
    sandbox.change_settings(payouts={"interval": "weekly"})
    sandbox.advance(timedelta(days=6, hours=11))
    assert client.v1.payouts.list().data == []
    sandbox.change_settings(payouts={"interval": "manual"})
    sandbox.advance(timedelta(days=30))
    assert client.v1.payouts.list().data == []


def test_each_currency_of_a_bank_has_payouts_of_its_own(
    running: Running, client: stripe.StripeClient
) -> None:
    sandbox = running.use(Checked(settle_in=["usd", "eur"], set_to={"payouts": {"interval": "daily"}}))
    for currency in ("eur", "usd", "gbp"):
        sandbox.pay(once(client, currency=currency).id)

    sandbox.advance(timedelta(days=4))

    payouts = client.v1.payouts.list().data
    assert sorted((payout.currency, payout.amount) for payout in payouts) == [
        ("eur", 1500 - 74),
        ("usd", 1500 - 74 + 1920 - 86),
    ]
    assert len({payout.destination for payout in payouts}) == 2
    assert not sandbox.problems


def test_a_negative_balance_is_made_up_for_before_anything_is_paid_out(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.set_clock(MONDAY)
    sandbox.change_settings(payouts={"interval": "daily"})
    sandbox.pay(once(client, amount=1000).id)
    charge = client.v1.charges.list().data[0].id
    sandbox.advance(timedelta(days=3))
    sandbox.dispute(charge)
    sandbox.advance(timedelta(days=3))
    owed = client.v1.balance.retrieve().available[0]
    assert (owed.amount, owed.currency) == (-1000 - 1500, "eur")
    assert len(client.v1.payouts.list().data) == 1

    sandbox.pay(once(client, amount=2000).id)
    sandbox.advance(timedelta(days=3))
    assert len(client.v1.payouts.list().data) == 1, "it still comes to less than nothing"
    sandbox.pay(once(client, amount=2000).id)
    sandbox.advance(timedelta(days=3))

    payout = client.v1.payouts.list().data[0]
    assert payout.amount == 2 * (2000 - 88) - 2500
    assert [type for type, _ in paid_out(client, payout.id)] == ["payout", "charge", "charge", "adjustment"]


def test_a_payout_that_the_bank_sends_back_is_paid_out_again(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.set_clock(MONDAY)
    sandbox.change_settings(payouts={"interval": "daily"})
    sandbox.pay(once(client).id)
    sandbox.advance(timedelta(days=2))
    first = client.v1.payouts.list().data[0]
    sandbox.take_webhooks()

    sandbox.fail_payout(first.id, "account_closed")

    assert sandbox.take_types() == ["payout.failed"]
    failed = client.v1.payouts.retrieve(first.id, {"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_code) == ("failed", "account_closed")
    assert (failed.failure_balance_transaction.type, failed.failure_balance_transaction.net) == (
        "payout_failure",
        1426,
    )
    sandbox.advance(timedelta(days=1))
    second = client.v1.payouts.list().data[0]
    assert (second.id != first.id, second.amount) == (True, 1426)
    assert paid_out(client, second.id) == [("payout", -1426), ("payout_failure", 1426)]
    assert paid_out(client, first.id) == [("payout", -1426), ("charge", 1426)], "as it was"
    with pytest.raises(StripeError):
        sandbox.fail_payout(first.id)
    with pytest.raises(StripeError):
        sandbox.fail_payout(second.id, "bad_weather")
    sandbox.advance(timedelta(days=3))
    assert [found.id for found in client.v1.payouts.list({"status": "paid"}).data] == [second.id]
    statement = sandbox.statement()["EUR"]
    assert (statement["payouts"], statement["failed_payouts"]) == (
        {"count": 1, "amount": 1426},
        {"count": 1, "amount": 1426},
    )


def test_a_program_can_ask_for_a_payout_and_call_it_back(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.pay(once(client, currency="usd").id, card="4000000000000077")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payouts.create({"amount": 1427, "currency": "usd"})
    assert refused.value.code == "balance_insufficient"

    payout = client.v1.payouts.create({"amount": 1000, "currency": "usd", "metadata": {"by": "editor"}})

    assert (payout.automatic, payout.reconciliation_status) == (False, "not_applicable")
    assert client.v1.balance.retrieve().available[0].amount == 426
    with pytest.raises(stripe.InvalidRequestError, match="automatic"):
        client.v1.balance_transactions.list({"payout": payout.id})
    changed = client.v1.payouts.update(payout.id, {"metadata": {"by": "", "ticket": "7"}})
    assert changed.metadata.to_dict() == {"ticket": "7"}
    assert client.v1.payouts.cancel(payout.id).status == "canceled"
    assert client.v1.balance.retrieve().available[0].amount == 1426
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payouts.cancel(payout.id)
    assert sandbox.take_types()[-3:] == ["payout.created", "payout.updated", "payout.canceled"]


def test_an_automatic_payout_cannot_be_called_back(client: stripe.StripeClient, sandbox: Checked) -> None:
    sandbox.change_settings(payouts={"interval": "daily", "delay_days": 0})
    sandbox.pay(once(client).id)
    sandbox.advance(timedelta(days=1))
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payouts.cancel(client.v1.payouts.list().data[0].id)


def test_money_that_is_pending_and_money_that_is_not_are_told_apart(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.pay(once(client).id)
    sandbox.pay(once(client).id, card="4000000000000077")
    balance = client.v1.balance.retrieve()
    assert [(sum.amount, sum.currency) for sum in balance.pending] == [(1426, "eur")]
    assert [(sum.amount, sum.source_types.card) for sum in balance.available] == [(1426, 1426)]


def test_settings_that_cannot_be_are_refused_by_name(sandbox: Checked) -> None:
    before = sandbox.settings()
    for group, name, value in (
        ("payouts", "interval", "hourly"),
        ("payouts", "monthly_anchor", 32),
        ("payouts", "delay_days", True),
        ("collection", "retries", [3, "soon"]),
        ("collection", "retries", [1] * 9),
        ("collection", "then", "forget"),
        ("cards", "updated", 2),
        ("disputes", "fee_returned", 1),
        ("payouts", "colour", "red"),
        ("weather", "sun", True),
    ):
        with pytest.raises(StripeError) as refused:
            sandbox.change_settings(**{group: {name: value}})
        assert group in str(refused.value.more["param"])
    assert sandbox.settings() == before


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(deeds=DEEDS, interval=st.sampled_from(["daily", "weekly", "monthly"]))
def test_every_payout_adds_up_and_nothing_is_paid_out_twice_or_never(
    deeds: list[tuple[Any, ...]], interval: str
) -> None:
    sandbox = Sandbox(
        system_time=lambda: 1_798_804_800.0,
        settle_in=["usd", "eur"],
        set_to={"payouts": {"interval": interval}},
    )
    for number, deed in enumerate(deeds):
        try:
            do(sandbox, deed)
            payouts = sandbox.account.all("payout")
            if payouts and number % 7 == 6:
                sandbox.fail_payout(payouts[0]["id"])
        except StripeError as refused:
            if refused.status not in (400, 402, 404):
                raise
    sandbox.change_settings(payouts={"interval": "daily"})
    sandbox.advance(timedelta(days=10))

    rows = sandbox.account.all("balance_transaction")
    for payout in sandbox.account.all("payout"):
        mine = [row for row in rows if sandbox.account.secret(row["id"]).get("payout") == payout["id"]]
        assert sum(row["net"] for row in mine) == 0
        assert all(row["currency"] == payout["currency"] for row in mine)
        assert all(row["available_on"] <= payout["created"] for row in mine)
    for statement in sandbox.statement().values():
        settled = statement["settled"]
        assert statement["net"] == sum(settled.values()) - statement["fees"]
        in_hand = statement["available"] + statement["pending"]
        assert statement["net"] == statement["payouts"]["amount"] + in_hand
    midnight = sandbox.account.now() // 86400 * 86400
    left: dict[str, int] = {}
    for row in rows:
        if row["available_on"] <= midnight and not sandbox.account.secret(row["id"]).get("payout"):
            left[row["currency"]] = left.get(row["currency"], 0) + row["net"]
    assert all(total <= 0 for total in left.values()), "only debts are left behind"
