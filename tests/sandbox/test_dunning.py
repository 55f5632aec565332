"""
Renewals that fail: when Stripe tries again, when it gives up and what then, and which cards it asks no more.
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

DUE = datetime(2027, 4, 10, 14, tzinfo=UTC)
"""The first renewal of a gift that began on 10 March was tried an hour before."""


def monthly(client: stripe.StripeClient, sandbox: Checked, **how: Any) -> tuple[str, str]:
    """Grace gives monthly since 10 March 2027; returns the ids of her subscription and of her card."""
    sandbox.set_clock(datetime(2027, 3, 10, 12, tzinfo=UTC))
    id = sandbox.pay(regularly(client).id, email=GRACE, **how)["subscription"]
    sandbox.take_webhooks()
    method = client.v1.subscriptions.retrieve(id).default_payment_method
    return id, str(method)


def failures(sandbox: Checked) -> list[tuple[int, str | None, int]]:
    """Of each ``invoice.payment_failed``: the count, the day of the next try, and how many charges failed before."""
    found: list[tuple[int, str | None, int]] = []
    charges = 0
    for letter in sandbox.take_webhooks():
        told = json.loads(letter.body)["data"]["object"]
        charges += letter.type == "charge.failed"
        if letter.type == "invoice.payment_failed":
            next_try = told["next_payment_attempt"]
            day = datetime.fromtimestamp(next_try, UTC).date().isoformat() if next_try else None
            found.append((told["attempt_count"], day, charges))
    return found


@pytest.mark.parametrize(
    ("then", "status", "last_event"),
    [
        ("cancel", "canceled", "customer.subscription.deleted"),
        ("unpaid", "unpaid", "customer.subscription.updated"),
        ("past_due", "past_due", "invoice.payment_failed"),
    ],
)
def test_retries_come_as_the_account_is_set_and_then_it_ends_as_it_is_set(
    client: stripe.StripeClient, sandbox: Checked, then: str, status: str, last_event: str
) -> None:
    sandbox.change_settings(collection={"retries": [1, 2, 4, 7], "then": then})
    id, card = monthly(client, sandbox)
    sandbox.decline(card, "insufficient_funds")

    sandbox.set_clock(datetime(2027, 4, 30, tzinfo=UTC))

    letters = sandbox.take_webhooks()
    assert letters[-1].type == last_event
    counts = [
        (told["attempt_count"], told["next_payment_attempt"] and told["next_payment_attempt"] - letter_at)
        for letter in letters
        if letter.type == "invoice.payment_failed"
        for event in [json.loads(letter.body)]
        for told, letter_at in [(event["data"]["object"], event["created"])]
    ]
    day = 86400
    assert counts == [(1, day), (2, 2 * day), (3, 4 * day), (4, 7 * day), (5, None)]
    assert client.v1.subscriptions.retrieve(id).status == status
    assert client.v1.invoices.list().data[0].auto_advance is False


def test_an_unpaid_gift_goes_on_in_drafts_until_the_latest_is_paid(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.change_settings(collection={"retries": [], "then": "unpaid"})
    id, card = monthly(client, sandbox)
    sandbox.decline(card)
    sandbox.set_clock(DUE + timedelta(days=61))
    assert [invoice.status for invoice in client.v1.invoices.list().data] == [
        "draft",
        "draft",
        "open",
        "paid",
    ]
    assert sandbox.statement()["EUR"]["subscriptions"]["unpaid"] == 1
    sandbox.take_webhooks()
    sandbox.decline(card, None)

    client.v1.invoices.pay(client.v1.subscriptions.retrieve(id).latest_invoice)

    assert client.v1.subscriptions.retrieve(id).status == "active"
    assert sandbox.take_types()[-1] == "customer.subscription.updated"
    sandbox.set_clock(DUE + timedelta(days=92))
    assert client.v1.invoices.list().data[0].status == "paid", "and renewals are collected again"


def test_a_gift_that_stays_overdue_is_asked_for_again_with_each_period(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.change_settings(collection={"retries": [2], "then": "past_due"})
    id, card = monthly(client, sandbox)
    sandbox.decline(card)
    sandbox.set_clock(DUE + timedelta(days=20))
    sandbox.decline(card, None)
    sandbox.set_clock(DUE + timedelta(days=31))
    assert [invoice.status for invoice in client.v1.invoices.list().data] == ["paid", "open", "paid"]
    assert client.v1.subscriptions.retrieve(id).status == "active"


@pytest.mark.parametrize("code", ["lost_card", "stolen_card", "revocation_of_authorization"])
def test_a_bank_that_said_never_is_not_asked_again_though_the_count_climbs(
    client: stripe.StripeClient, sandbox: Checked, code: str
) -> None:
    id, card = monthly(client, sandbox)
    sandbox.decline(card, code)

    sandbox.set_clock(DUE + timedelta(days=20))

    assert failures(sandbox) == [
        (1, "2027-04-13", 1),
        (2, "2027-04-18", 1),
        (3, "2027-04-25", 1),
        (4, None, 1),
    ]
    assert client.v1.subscriptions.retrieve(id).status == "canceled"
    assert [charge.failure_code for charge in client.v1.charges.list().data] == ["card_declined", None]


def test_a_bank_that_said_not_now_is_asked_each_time(client: stripe.StripeClient, sandbox: Checked) -> None:
    _, card = monthly(client, sandbox)
    sandbox.decline(card, "insufficient_funds")
    sandbox.set_clock(DUE + timedelta(days=20))
    assert [charges for _, _, charges in failures(sandbox)] == [1, 2, 3, 4]


@pytest.mark.parametrize("how", ["another card", "replaced by the network"])
def test_after_a_hard_decline_a_new_card_is_tried_at_the_next_retry(
    client: stripe.StripeClient, sandbox: Checked, how: str
) -> None:
    id, card = monthly(client, sandbox)
    sandbox.decline(card, "lost_card")
    sandbox.set_clock(DUE + timedelta(days=4))
    assert len(failures(sandbox)) == 2
    if how == "another card":
        sandbox.change_card(id, "5555555555554444")
    else:
        sandbox.replace_card(card)

    sandbox.set_clock(datetime(2027, 4, 18, 14, tzinfo=UTC))

    assert client.v1.subscriptions.retrieve(id).status == "active"
    assert client.v1.invoices.list().data[0].attempt_count == 3


def test_a_card_declines_from_the_day_after_its_last_month(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    id, card = monthly(client, sandbox, exp_month=5, exp_year=2027)
    method = client.v1.payment_methods.retrieve(card)
    assert (method.card.exp_month, method.card.exp_year) == (5, 2027)

    sandbox.set_clock(datetime(2027, 6, 10, 14, tzinfo=UTC))

    assert [charge.status for charge in client.v1.charges.list().data] == [
        "failed",
        "succeeded",
        "succeeded",
        "succeeded",
    ]
    failed = client.v1.charges.list().data[0]
    assert (failed.failure_code, failed.outcome.reason) == ("expired_card", "expired_card")
    assert client.v1.subscriptions.retrieve(id).status == "past_due"
    renewed = client.v1.payment_methods.update(card, {"card": {"exp_month": 5, "exp_year": 2031}})
    assert renewed.card.exp_year == 2031
    sandbox.set_clock(datetime(2027, 6, 14, 14, tzinfo=UTC))
    assert client.v1.subscriptions.retrieve(id).status == "active"


def test_a_network_that_replaces_a_card_tells_what_changed(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    _, card = monthly(client, sandbox, exp_month=5, exp_year=2027)

    sandbox.replace_card(card, "5555555555554444", exp_month=8, exp_year=2030)

    [letter] = sandbox.take_webhooks()
    event = json.loads(letter.body)
    assert letter.type == "payment_method.automatically_updated"
    assert event["request"]["id"] is None
    told = event["data"]["object"]["card"]
    assert (told["last4"], told["brand"], told["exp_month"], told["exp_year"]) == (
        "4444",
        "mastercard",
        8,
        2030,
    )
    previous = event["data"]["previous_attributes"]["card"]
    assert (previous["last4"], previous["exp_month"], previous["exp_year"]) == ("4242", 5, 2027)
    sandbox.set_clock(datetime(2027, 7, 1, tzinfo=UTC))
    assert len(client.v1.invoices.list({"status": "paid"}).data) == 4


def test_a_share_of_expiring_cards_is_replaced_by_itself_the_same_for_the_same_seed(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.change_settings(cards={"updated": 0.5, "seed": 11})

    def play() -> list[tuple[int, str]]:
        sandbox.set_clock(datetime(2027, 3, 10, 12, tzinfo=UTC))
        for _ in range(12):
            sandbox.pay(regularly(client).id, exp_month=5, exp_year=2027)
        sandbox.take_webhooks()
        sandbox.set_clock(datetime(2027, 6, 1, tzinfo=UTC))
        assert all(letter.type != "customer.source.expiring" for letter in sandbox.take_webhooks())
        cards = [method["card"] for method in sandbox.account.all("payment_method")]
        return [(card["exp_year"], card["last4"]) for card in cards]

    first = play()
    sandbox.reset()
    sandbox.change_settings(cards={"updated": 0.5, "seed": 11})
    assert play() == first
    replaced = [card for card in first if card[0] == 2031]
    assert 0 < len(replaced) < 12
    assert {card for card in first if card[0] != 2031} == {(2027, "4242")}
    assert len({last4 for _, last4 in replaced}) > 1, "some cards come with a new number"


def test_a_card_that_is_taken_away_is_not_replaced(client: stripe.StripeClient, sandbox: Checked) -> None:
    sandbox.change_settings(cards={"updated": 1})
    id, card = monthly(client, sandbox, exp_month=5, exp_year=2027)
    sandbox.change_card(id, "4242424242424242", exp_month=4, exp_year=2027)
    client.v1.payment_methods.detach(card)
    sandbox.set_clock(datetime(2027, 7, 1, tzinfo=UTC))
    years = [method["card"]["exp_year"] for method in sandbox.account.all("payment_method")]
    assert years == [2031, 2027]


@pytest.mark.parametrize(
    ("month", "year", "code"),
    [(13, 2030, "invalid_expiry_month"), (2, 2027, "invalid_expiry_year"), (1, 2999, "invalid_expiry_year")],
)
def test_a_form_takes_no_date_that_cannot_be(
    client: stripe.StripeClient, sandbox: Checked, month: int, year: int, code: str
) -> None:
    sandbox.set_clock(datetime(2027, 3, 10, 12, tzinfo=UTC))
    session = regularly(client)
    with pytest.raises(StripeError) as refused:
        sandbox.pay(session.id, exp_month=month, exp_year=year)
    assert (refused.value.status, refused.value.code) == (402, code)
    assert sandbox.pay(session.id)["payment_status"] == "paid"
    with pytest.raises(stripe.CardError) as also:
        client.v1.payment_methods.create(
            {"type": "card", "card": {"number": "4242424242424242", "exp_month": month, "exp_year": year}}
        )
    assert also.value.code == code


def test_banks_decline_in_words_that_stripe_knows(client: stripe.StripeClient, sandbox: Checked) -> None:
    _, card = monthly(client, sandbox)
    with pytest.raises(StripeError):
        sandbox.decline(card, "bad_hair_day")
    debit = sandbox.pay(regularly(client).id, method="bank_debit")
    method = client.v1.subscriptions.retrieve(debit["subscription"]).default_payment_method
    with pytest.raises(StripeError):
        sandbox.replace_card(str(method))
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_methods.update(str(method), {"card": {"exp_year": 2040}})
