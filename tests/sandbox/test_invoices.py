"""
Invoices as a program handles them, and what pays them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import Checked
from tests.sandbox.gifts import GRACE, regularly

FAILS_LATER = "4000000000000341"


@pytest.fixture
def overdue(client: stripe.StripeClient, sandbox: Checked) -> str:
    """The id of Grace's second invoice, which her card does not pay."""
    subscription = sandbox.pay(regularly(client).id, email=GRACE)["subscription"]
    sandbox.change_card(subscription, FAILS_LATER)
    sandbox.advance(timedelta(days=32))
    sandbox.take_webhooks()
    return client.v1.invoices.list({"status": "open", "subscription": subscription}).data[0].id


def test_an_invoice_is_linked_to_its_payment_both_ways(client: stripe.StripeClient, sandbox: Checked) -> None:
    invoice = sandbox.pay(regularly(client).id)["invoice"]
    [payment] = client.v1.invoice_payments.list({"invoice": invoice}).data
    intent = payment.payment.payment_intent
    [same] = client.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent}}
    ).data
    assert same.id == payment.id
    assert client.v1.invoice_payments.retrieve(payment.id, {"expand": ["invoice"]}).invoice.id == invoice
    assert (payment.status, payment.amount_paid, payment.is_default) == ("paid", 1000, True)
    assert client.v1.invoice_payments.list({"status": "open"}).data == []
    assert len(client.v1.invoices.line_items.list(invoice).data) == 1


def test_a_void_invoice_is_not_tried_any_more(
    client: stripe.StripeClient, sandbox: Checked, overdue: str
) -> None:
    void = client.v1.invoices.void_invoice(overdue)

    assert (void.status, void.next_payment_attempt) == ("void", None)
    assert sandbox.take_types() == ["payment_intent.canceled", "invoice.voided"]
    assert client.v1.invoice_payments.list({"invoice": overdue}).data[0].status == "canceled"
    sandbox.advance(timedelta(days=20))
    assert "charge.failed" not in sandbox.take_types()
    for again in (client.v1.invoices.void_invoice, client.v1.invoices.pay):
        with pytest.raises(stripe.InvalidRequestError):
            again(overdue)


def test_an_invoice_that_was_written_off_can_still_be_paid(
    client: stripe.StripeClient, sandbox: Checked, overdue: str
) -> None:
    assert client.v1.invoices.mark_uncollectible(overdue).status == "uncollectible"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.mark_uncollectible(overdue)
    assert client.v1.invoices.pay(overdue, {"payment_method": "pm_card_visa"}).status == "paid"


def test_an_invoice_can_be_paid_some_other_way(
    client: stripe.StripeClient, sandbox: Checked, overdue: str
) -> None:
    paid = client.v1.invoices.pay(overdue, {"paid_out_of_band": True})

    assert (paid.status, paid.amount_paid, paid.amount_paid_off_stripe) == ("paid", 0, 1000)
    assert client.v1.subscriptions.list().data[0].status == "active"
    assert sandbox.books()["EUR"]["charges"]["count"] == 1
    assert "invoice_payment.paid" not in sandbox.take_types()


def test_the_card_of_somebody_else_does_not_pay(
    client: stripe.StripeClient, sandbox: Checked, overdue: str
) -> None:
    other = client.v1.customers.create({"email": "ada@example.org", "payment_method": "pm_card_visa"})
    method = client.v1.customers.payment_methods.list(other.id).data[0].id
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.pay(overdue, {"payment_method": method})


def test_a_reader_without_any_card_left_falls_behind(client: stripe.StripeClient, sandbox: Checked) -> None:
    session = sandbox.pay(regularly(client).id)
    method = client.v1.subscriptions.retrieve(session["subscription"]).default_payment_method
    client.v1.payment_methods.detach(method)

    sandbox.advance(timedelta(days=32))

    invoice = client.v1.invoices.list({"status": "open"}).data[0]
    assert invoice.attempt_count == 1
    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(invoice.id)
    assert client.v1.subscriptions.retrieve(session["subscription"]).status == "past_due"


def test_the_customers_card_pays_when_the_subscription_has_none(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    session = sandbox.pay(regularly(client).id)
    client.v1.subscriptions.update(session["subscription"], {"default_payment_method": ""})
    method = client.v1.payment_methods.attach("pm_card_mastercard", {"customer": session["customer"]})
    client.v1.customers.update(
        session["customer"], {"invoice_settings": {"default_payment_method": method.id}}
    )

    sandbox.advance(timedelta(days=32))

    assert client.v1.charges.list().data[0].payment_method_details.card.brand == "mastercard"


def test_a_kept_draft_can_be_sent_and_goes_on_by_itself(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    session = sandbox.pay(regularly(client).id)
    client.v1.subscriptions.update(
        session["subscription"], {"pause_collection": {"behavior": "keep_as_draft"}}
    )
    sandbox.advance(timedelta(days=65))
    later, sooner = client.v1.invoices.list({"status": "draft"}).data
    client.v1.invoices.update(
        later.id, {"metadata": {"note": "May"}, "description": "May", "auto_advance": True}
    )
    assert client.v1.invoices.finalize_invoice(sooner.id, {"auto_advance": True}).status == "open"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.finalize_invoice(sooner.id)

    sandbox.advance(timedelta(hours=2))

    assert [invoice.status for invoice in client.v1.invoices.list().data] == ["paid", "paid", "paid"]


def test_a_draft_is_sent_by_paying_it(client: stripe.StripeClient, sandbox: Checked) -> None:
    session = sandbox.pay(regularly(client).id)
    client.v1.subscriptions.update(
        session["subscription"], {"pause_collection": {"behavior": "keep_as_draft"}}
    )
    sandbox.advance(timedelta(days=32))
    [draft] = client.v1.invoices.list({"status": "draft"}).data
    assert draft.number is None
    assert client.v1.invoices.pay(draft.id).number is not None


def test_a_preview_shows_the_next_renewal_and_stores_nothing(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    id = sandbox.pay(regularly(client).id)["subscription"]
    item = client.v1.subscriptions.retrieve(id)["items"].data[0]

    preview = client.v1.invoices.create_preview({"subscription": id})

    assert preview.lines.data[0].period.start == item.current_period_end
    assert len(client.v1.invoices.list().data) == 1
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.create_preview({})
    client.v1.subscriptions.update(id, {"cancel_at_period_end": True})
    with pytest.raises(stripe.InvalidRequestError) as none:
        client.v1.invoices.create_preview({"subscription": id})
    assert none.value.code == "invoice_upcoming_none"


def test_a_second_monthly_bank_debit_is_on_its_way_for_days(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.pay(regularly(client).id, method="bank_debit")
    sandbox.advance(timedelta(days=32))
    waiting = client.v1.invoices.list({"status": "open"}).data[0]
    assert waiting.next_payment_attempt is None
    with pytest.raises(stripe.InvalidRequestError, match="on its way"):
        client.v1.invoices.pay(waiting.id)
    sandbox.advance(timedelta(days=6))
    assert client.v1.invoices.retrieve(waiting.id).status == "paid"


def test_a_debit_for_an_invoice_that_was_voided_meanwhile_changes_nothing(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    invoice = sandbox.pay(regularly(client).id, method="bank_debit")["invoice"]
    client.v1.invoices.void_invoice(invoice)
    sandbox.advance(timedelta(days=6))
    assert client.v1.invoices.retrieve(invoice).status == "void"


def test_a_gift_of_nothing_is_a_subscription_without_a_payment(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    session = sandbox.pay(regularly(client, amount=0).id)
    assert session["payment_status"] == "no_payment_required"
    sandbox.advance(timedelta(days=32))
    assert [invoice.status for invoice in client.v1.invoices.list().data] == ["paid", "paid"]
    assert sandbox.books()["EUR"]["active_subscriptions"] == 1


@pytest.mark.parametrize(
    ("interval", "count", "days"), [("day", 1, 1), ("day", 10, 10), ("week", 1, 7), ("week", 2, 14)]
)
def test_days_and_weeks_are_renewed_too(
    client: stripe.StripeClient, sandbox: Checked, interval: str, count: int, days: int
) -> None:
    price: dict[str, Any] = {
        "currency": "eur",
        "unit_amount": 500,
        "product_data": {"name": "Contribution"},
        "recurring": {"interval": interval, "interval_count": count},
    }
    sandbox.pay(regularly(client, line_items=[{"quantity": 2, "price_data": price}]).id)
    sandbox.advance(timedelta(days=days, hours=2))
    assert [invoice.total for invoice in client.v1.invoices.list().data] == [1000, 1000]
