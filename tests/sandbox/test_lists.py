"""
What a reconciliation asks for: every list that Stripe keeps, whole, newest first, page by page and since a moment.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import Checked
from tests.sandbox.gifts import once, regularly

LISTS: dict[str, Callable[[stripe.StripeClient], Any]] = {
    "subscription": lambda client: client.v1.subscriptions,
    "invoice": lambda client: client.v1.invoices,
    "charge": lambda client: client.v1.charges,
    "refund": lambda client: client.v1.refunds,
    "dispute": lambda client: client.v1.disputes,
    "checkout.session": lambda client: client.v1.checkout.sessions,
    "payment_intent": lambda client: client.v1.payment_intents,
    "customer": lambda client: client.v1.customers,
    "balance_transaction": lambda client: client.v1.balance_transactions,
    "payout": lambda client: client.v1.payouts,
    "invoice_payment": lambda client: client.v1.invoice_payments,
    "event": lambda client: client.v1.events,
}
EVERY_STATUS = {"subscription": {"status": "all"}}


@pytest.fixture
def busy(client: stripe.StripeClient, sandbox: Checked) -> Checked:
    """Some days of a newsroom: each day two readers begin to give, one stops, one is refunded, one disputes."""
    sandbox.change_settings(payouts={"interval": "daily", "delay_days": 0})
    for number in range(4):
        stays, leaves = (
            sandbox.pay(regularly(client, amount=9000).id, email=f"r{number}@example.org") for _ in range(2)
        )
        client.v1.subscriptions.cancel(leaves["subscription"])
        for gift in (stays, leaves):
            intent = client.v1.invoice_payments.list({"invoice": gift["invoice"]}).data[0].payment
            charge = client.v1.charges.list({"payment_intent": intent.payment_intent}).data[0].id
            if gift is leaves:
                sandbox.refund(charge, 400)
            else:
                sandbox.dispute(charge)
        once(client)
        sandbox.advance(timedelta(days=1))
    return sandbox


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_is_whole_newest_first_and_in_pages(
    client: stripe.StripeClient, busy: Checked, kind: str
) -> None:
    wish = EVERY_STATUS.get(kind, {})
    there = [obj["id"] for obj in busy.account.all(kind)]
    assert len(there) >= 4

    found = list(LISTS[kind](client).list({**wish, "limit": 3}).auto_paging_iter())

    assert [obj.id for obj in found] == there
    moments = [obj.created for obj in found]
    assert moments == sorted(moments, reverse=True)
    middle = there[len(there) // 2]
    back = list(LISTS[kind](client).list({**wish, "limit": 3, "ending_before": middle}).auto_paging_iter())
    assert [obj.id for obj in back] == there[: len(there) // 2][::-1], "backwards from the middle"


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_can_begin_and_end_at_a_moment(client: stripe.StripeClient, busy: Checked, kind: str) -> None:
    made = [(obj["id"], obj["created"]) for obj in busy.account.all(kind)]
    since, until = made[-3][1], made[2][1]
    list_ = LISTS[kind](client).list

    def between(**range: int) -> list[str]:
        found = list_({**EVERY_STATUS.get(kind, {}), "created": range, "limit": 100})
        return [obj.id for obj in found.auto_paging_iter()]

    assert between(gte=since, lt=until) == [id for id, at in made if since <= at < until]
    assert between(gt=since, lte=until) == [id for id, at in made if since < at <= until]


def test_what_is_made_between_two_pages_neither_doubles_nor_hides_anything(
    client: stripe.StripeClient, busy: Checked
) -> None:
    there = [obj["id"] for obj in busy.account.all("checkout.session")]
    first = client.v1.checkout.sessions.list({"limit": 3})

    once(client)

    rest = client.v1.checkout.sessions.list({"limit": 100, "starting_after": first.data[-1].id})
    assert [session.id for session in [*first.data, *rest.data]] == there


def test_lists_know_whose_and_in_what_state(client: stripe.StripeClient, busy: Checked) -> None:
    running = client.v1.subscriptions.list({"limit": 100}).data
    assert {subscription.status for subscription in running} == {"active"}
    ended = client.v1.subscriptions.list({"status": "canceled", "limit": 100}).data
    assert len(running) == len(ended) == 4
    grace = running[0]
    assert [
        found.id for found in client.v1.subscriptions.list({"customer": grace.customer, "status": "all"}).data
    ] == [grace.id]
    end = grace["items"].data[0].current_period_end
    renewing = client.v1.subscriptions.list({"current_period_end": {"gte": end}}).data
    assert [found.id for found in renewing] == [grace.id]
    for lists in (client.v1.invoices, client.v1.charges, client.v1.payment_intents):
        assert {found.customer for found in lists.list({"customer": grace.customer}).data} == {grace.customer}
    sessions = client.v1.checkout.sessions.list({"customer_details": {"email": "r3@example.org"}}).data
    assert [session.customer_details.email for session in sessions] == ["r3@example.org"] * 2
    assert client.v1.invoices.list({"collection_method": "send_invoice"}).data == []
    charge = client.v1.disputes.list({"limit": 1}).data[0].charge
    assert [found.charge for found in client.v1.disputes.list({"charge": charge}).data] == [charge]
