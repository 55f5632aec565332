"""
Rules that stand alone: the wire format, amounts, cards, and small refusals that no larger story tells.
"""

from __future__ import annotations

from typing import Any

import pytest
import requests
import stripe

from sandbox import billing, cards, money, params
from sandbox.errors import StripeError
from sandbox.server import Running
from tests.sandbox.conftest import KEY, Checked
from tests.sandbox.gifts import once, regularly


def test_a_form_is_decoded_into_objects_and_lists() -> None:
    assert params.decode("a=1&b[c]=2&d[0][e]=3&d[1][e]=4&f[]=5&f[]=6&g=&h[0]=x") == {
        "a": "1",
        "b": {"c": "2"},
        "d": [{"e": "3"}, {"e": "4"}],
        "f": ["5", "6"],
        "g": "",
        "h": ["x"],
    }
    with pytest.raises(StripeError):
        params.decode("a=1&a[b]=2")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (params.Text(), ["x"]),
        (params.Text(2), "xyz"),
        (params.Whole(), "1.0"),
        (params.Whole(), "\u0661"),
        (params.Whole(5), "4"),
        (params.Exact(), "twelve"),
        (params.Exact(), "NaN"),
        (params.Exact(), ["1"]),
        (params.Flag(), "1"),
        (params.OneOf("a", "b"), "c"),
        (params.Url(), "news.example.org"),
        (params.Email(), "ada@localhost"),
        (params.Metadata(), "x"),
        (params.Metadata(), {"a": ["1"]}),
        (params.Metadata(), {"": "1"}),
        (params.Group({}), "x"),
        (params.Group({"a": params.Text()}, needed=("a",)), {}),
        (params.Many(), "x"),
        (params.Many(most=1), ["a", "b"]),
        (params.CREATED, {"after": "1"}),
    ],
)
def test_what_does_not_fit_is_refused_by_name(kind: params.Kind, value: Any) -> None:
    with pytest.raises(StripeError) as refused:
        params.read({"thing": value}, {"thing": kind})
    assert refused.value.status == 400
    assert str(refused.value.more["param"]).startswith("thing")


def test_metadata_with_numbers_for_names_is_no_list() -> None:
    assert params.read(params.decode("m[0]=a&m[1]=b"), {"m": params.Metadata()}) == {
        "m": {"0": "a", "1": "b"}
    }


def test_stripes_exponents_are_not_isos() -> None:
    assert [money.exponent(code) for code in ("usd", "jpy", "kwd", "isk", "ugx", "huf", "mga")] == [
        2, 0, 3, 2, 2, 2, 0,
    ]  # fmt: skip
    assert money.shown(5120, "kwd") == "5.120 kwd"
    assert [money.dispute_fee(code) for code in ("usd", "jpy", "kwd")] == [1500, 15, 15000]


def test_conversion_mirrors_and_says_when_it_knows_no_rate() -> None:
    assert money.converted(1000, "jpy", "usd") == 670
    assert money.converted(-1000, "jpy", "usd") == -670
    assert money.converted(1000, "usd", "usd") == 1000
    with pytest.raises(StripeError, match="exchange rate"):
        money.converted(1000, "zmw", "usd")


def test_any_number_that_could_be_a_card_is_one() -> None:
    assert cards.behaviour("6011111111111117") == cards.PLAIN
    for wrong in ("6011111111111118", "42", "4242-4242", ""):
        decline = cards.behaviour(wrong).decline
        assert decline is not None
        assert decline.code == "incorrect_number"
    assert cards.number("4242 4242-4242 4242") == "4242424242424242"
    assert [cards.brand(n) for n in ("4242", "5555", "2223", "378282", "6011")] == [
        "visa", "mastercard", "mastercard", "amex", "unknown",
    ]  # fmt: skip


def test_the_plain_cards_pay(client: stripe.StripeClient, sandbox: Checked) -> None:
    plain = (
        "4242424242424242", "5555555555554444", "378282246310005", "4000000000003055", "4000003800000446",
    )  # fmt: skip
    for card in plain:
        assert sandbox.pay(once(client).id, card=card)["payment_status"] == "paid"


@pytest.mark.parametrize(
    ("price", "param"),
    [
        ({"product": "prod_unknown", "unit_amount": "5"}, "line_items[0][price_data][product]"),
        ({"unit_amount": "5"}, "line_items[0][price_data]"),
        ({"product_data": {"name": "x"}}, "line_items[0][price_data]"),
        (
            {"product_data": {"name": "x"}, "unit_amount_decimal": "10.5"},
            "line_items[0][price_data][unit_amount_decimal]",
        ),
    ],
)
def test_an_inline_price_must_make_sense(
    running: Running, sandbox: Checked, price: dict[str, Any], param: str
) -> None:
    client = stripe.StripeClient(KEY, base_addresses={"api": running.url})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        once(client, line_items=[{"price_data": {"currency": "eur", **price}}])
    assert refused.value.param == param


def test_an_amount_may_come_as_decimal_text(client: stripe.StripeClient, sandbox: Checked) -> None:
    price = {"currency": "eur", "product_data": {"name": "Tea"}, "unit_amount_decimal": "1500"}
    assert once(client, line_items=[{"price_data": price}]).amount_total == 1500


def test_embedded_pages_have_a_secret_and_no_address(client: stripe.StripeClient, sandbox: Checked) -> None:
    session = once(
        client,
        ui_mode="embedded_page",
        success_url="",
        return_url="https://news.example.org/back",
    )
    assert session.url is None
    assert session.client_secret.startswith(session.id)
    with pytest.raises(stripe.InvalidRequestError):
        once(
            client,
            ui_mode="elements",
            success_url="",
            return_url="https://news.example.org/back",
            after_expiration={"recovery": {"enabled": True}},
        )


def test_a_session_can_be_labelled_later_and_found(client: stripe.StripeClient, sandbox: Checked) -> None:
    session = once(client, customer_email="ada@example.org", adaptive_pricing={"enabled": False})
    assert session.customer_details.email == "ada@example.org"
    changed = client.v1.checkout.sessions.update(session.id, {"metadata": {"contribution": "", "note": "x"}})
    assert changed.metadata.to_dict() == {"note": "x"}
    assert [found.id for found in client.v1.checkout.sessions.list({"status": "open"}).data] == [session.id]
    assert client.v1.checkout.sessions.line_items.list(session.id).data[0].amount_total == 1500


def test_a_link_that_leads_nowhere_cannot_be_followed(client: stripe.StripeClient, sandbox: Checked) -> None:
    session = once(client)
    with pytest.raises(StripeError):
        sandbox.recover(session.id)


def test_a_guest_leaves_no_customer_behind(client: stripe.StripeClient, sandbox: Checked) -> None:
    paid = sandbox.pay(once(client, customer_creation="if_required").id)
    assert paid["customer"] is None
    assert client.v1.customers.list().data == []


def test_a_card_can_be_saved_with_a_single_gift(client: stripe.StripeClient, sandbox: Checked) -> None:
    session = once(client, payment_intent_data={"setup_future_usage": "off_session"})
    customer = sandbox.pay(session.id)["customer"]
    assert len(client.v1.customers.payment_methods.list(customer).data) == 1


def test_months_follow_the_anchors_day() -> None:
    monthly = {"interval": "month", "interval_count": 1}
    half = {"interval": "month", "interval_count": 6}
    new_year = 1798804800  # 2027-01-01T12:00:00Z
    assert billing.period_start(new_year, monthly, 12) == billing.period_start(new_year, half, 2)


def test_methods_other_than_stripes_are_unknown(running: Running, sandbox: Checked) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    for method in ("PUT", "PATCH", "OPTIONS"):
        answer = requests.request(method, f"{running.url}/v1/customers", headers=headers, timeout=5)
        assert answer.status_code == 404
    wrong = requests.get(f"{running.url}/v1/customers", headers={"Authorization": "Basic %%%"}, timeout=5)
    assert wrong.status_code == 401


def test_a_body_of_unknown_or_monstrous_length_is_not_read(running: Running, sandbox: Checked) -> None:
    chunked = requests.post(f"{running.url}/v1/customers", data=iter([b"a=1"]), timeout=5)
    assert chunked.status_code == 411
    monstrous = requests.post(
        f"{running.url}/v1/customers", headers={"Content-Length": "99999999"}, timeout=5
    )
    assert monstrous.status_code == 413


def test_a_failure_of_the_sandbox_itself_looks_like_one_of_stripes(
    client: stripe.StripeClient,
    running: Running,
    sandbox: Checked,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def burst(kind: str) -> list[Any]:
        raise RuntimeError("out of paper")

    monkeypatch.setattr(sandbox.account, "all", burst)
    with pytest.raises(stripe.APIError):
        client.v1.customers.list()
    assert "out of paper" in caplog.text
    caplog.clear()
    monkeypatch.setattr("sandbox.pages.handle", lambda *about: burst("page"))
    assert requests.get(f"{running.url}/", timeout=5).status_code == 500
    assert "out of paper" in caplog.text


def test_pages_of_other_sites_may_not_use_the_powers(running: Running, sandbox: Checked) -> None:
    for origin, status in (("https://evil.example", 403), (running.url, 200)):
        answer = requests.post(f"{running.url}/_sandbox/reset", headers={"Origin": origin}, timeout=5)
        assert answer.status_code == status


def test_a_key_that_is_too_long_is_refused(client: stripe.StripeClient, sandbox: Checked) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({}, {"idempotency_key": "x" * 256})


def test_what_can_be_changed_about_payments_is_only_words(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    paid = sandbox.pay(regularly(client).id)
    charge = client.v1.charges.list({"customer": paid["customer"]}).data[0]
    changed = client.v1.charges.update(charge.id, {"metadata": {"note": "x"}, "description": "First"})
    assert (changed.metadata.to_dict(), changed.description) == ({"note": "x"}, "First")
    price = client.v1.prices.list({"type": "recurring"}).data[0]
    assert client.v1.prices.update(price.id, {"nickname": "Ten", "metadata": {"a": "1"}}).nickname == "Ten"
    product = client.v1.products.update(price.product, {"metadata": {"a": "1"}, "name": "Support"})
    assert [found.id for found in client.v1.products.list({"ids": [product.id], "active": True}).data] == [
        product.id
    ]
    row = client.v1.balance_transactions.list({"type": "charge", "currency": "eur"}).data[0]
    assert client.v1.balance_transactions.retrieve(row.id).source == charge.id
    with pytest.raises(stripe.InvalidRequestError, match="No such payout"):
        client.v1.balance_transactions.list({"payout": "po_1"})


def test_a_dispute_can_be_answered_without_deciding_it(client: stripe.StripeClient, sandbox: Checked) -> None:
    sandbox.pay(once(client).id, card="4000000000000259")
    id = client.v1.disputes.list().data[0].id
    draft: Any = {"evidence": {"customer_name": "Ada"}, "submit": False, "metadata": {"a": "1"}}
    assert client.v1.disputes.update(id, draft).status == "needs_response"
    answered = client.v1.disputes.update(id, {"evidence": {"receipt": "file_1"}})
    assert (answered.status, answered.evidence.customer_name) == ("under_review", "Ada")
    client.v1.disputes.close(id)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.disputes.update(id, draft)
    with pytest.raises(StripeError):
        sandbox.close_dispute(id, "settled")


def test_bank_accounts_are_payment_methods_too(client: stripe.StripeClient, sandbox: Checked) -> None:
    made = client.v1.payment_methods.create(
        {
            "type": "sepa_debit",
            "sepa_debit": {"iban": "DE89370400440532013000"},
            "billing_details": {"email": "grace@example.org", "name": "Grace"},
        }
    )
    assert made.sepa_debit.last4 == "3000"
    for wish in ({"type": "card"}, {"type": "card", "card": {"token": "tok_visa"}}):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.payment_methods.create(wish)


def test_a_customer_has_an_address_if_the_program_says_so(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    made = client.v1.customers.create(
        {"email": "Grace@example.org", "address": {"country": "GB", "city": "London"}, "metadata": {"a": "1"}}
    )
    assert (made.address.city, made.address.line1) == ("London", None)
    changed = client.v1.customers.update(made.id, {"metadata": ""})
    assert changed.metadata.to_dict() == {}
    assert client.v1.customers.list({"email": "grace@example.org"}).data == []
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({"invoice_settings": {"default_payment_method": "pm_unknown"}})
