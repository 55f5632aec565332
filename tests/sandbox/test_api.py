"""
What holds for every call: keys, versions, idempotency, pages, expansion, and how Stripe says no.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import requests
import stripe

from sandbox.errors import StripeError
from sandbox.server import Running
from tests.sandbox.conftest import KEY, Checked
from tests.sandbox.gifts import line, once, regularly

A_GIFT = {
    "mode": "payment",
    "success_url": "https://news.example.org/thanks",
    "line_items": [line(1500, "eur")],
}


@pytest.mark.parametrize("key", ["sk_live_1", "pk_test_1", "nonsense"])
def test_only_test_keys_are_let_in(running: Running, sandbox: Checked, key: str) -> None:
    stranger = stripe.StripeClient(key, base_addresses={"api": running.url})
    with pytest.raises(stripe.AuthenticationError):
        stranger.v1.customers.list()


def test_restricted_test_keys_and_basic_authentication_are_let_in(running: Running, sandbox: Checked) -> None:
    restricted = stripe.StripeClient("rk_test_1", base_addresses={"api": running.url})
    assert restricted.v1.customers.list().data == []
    assert requests.get(f"{running.url}/v1/customers", auth=(KEY, ""), timeout=5).status_code == 200
    assert requests.get(f"{running.url}/v1/customers", timeout=5).status_code == 401


def test_another_version_of_the_api_is_refused(running: Running, sandbox: Checked) -> None:
    answer = requests.get(
        f"{running.url}/v1/customers",
        headers={"Authorization": f"Bearer {KEY}", "Stripe-Version": "2019-01-01"},
        timeout=5,
    )
    assert answer.status_code == 400
    assert "2026-10-28.endive" in answer.json()["error"]["message"]
    assert answer.headers["Request-Id"].startswith("req_")


def test_the_connection_is_kept_for_the_next_call(client: stripe.StripeClient, running: Running) -> None:
    with requests.Session() as browser:
        browser.headers["Authorization"] = f"Bearer {KEY}"
        for _ in range(3):
            answer = browser.get(f"{running.url}/v1/events", timeout=5)
            assert answer.raw.version == 11
            assert answer.headers.get("Connection") != "close"


def test_the_same_key_gives_the_same_answer(client: stripe.StripeClient, sandbox: Checked) -> None:
    first = once(client)
    calls = [client.v1.checkout.sessions.create(A_GIFT, {"idempotency_key": "gift-7"}) for _ in range(2)]

    assert calls[0].id == calls[1].id != first.id
    assert "Idempotent-Replayed" not in calls[0].last_response.headers
    assert calls[1].last_response.headers["Idempotent-Replayed"] == "true"
    assert len(client.v1.checkout.sessions.list().data) == 2


def test_the_same_key_with_another_wish_is_an_error(client: stripe.StripeClient, sandbox: Checked) -> None:
    client.v1.checkout.sessions.create(A_GIFT, {"idempotency_key": "gift-7"})
    with pytest.raises(stripe.IdempotencyError):
        client.v1.checkout.sessions.create({**A_GIFT, "locale": "ru"}, {"idempotency_key": "gift-7"})


def test_a_key_is_forgotten_after_a_day(client: stripe.StripeClient, sandbox: Checked) -> None:
    first = client.v1.checkout.sessions.create(A_GIFT, {"idempotency_key": "gift-7"})
    sandbox.advance(timedelta(hours=25))
    assert client.v1.checkout.sessions.create(A_GIFT, {"idempotency_key": "gift-7"}).id != first.id


def test_a_refused_call_leaves_its_key_free(client: stripe.StripeClient, sandbox: Checked) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.create({**A_GIFT, "mode": "setup"}, {"idempotency_key": "gift-7"})
    assert client.v1.checkout.sessions.create(A_GIFT, {"idempotency_key": "gift-7"}).status == "open"


def test_a_decline_is_replayed_too(client: stripe.StripeClient, sandbox: Checked) -> None:
    wish: Any = {
        "amount": 1500,
        "currency": "eur",
        "payment_method": "pm_card_chargeDeclined",
        "confirm": True,
    }
    for _ in range(2):
        with pytest.raises(stripe.CardError) as refused:
            client.v1.payment_intents.create(wish, {"idempotency_key": "pay-7"})
        assert refused.value.error.decline_code == "generic_decline"
    assert len(client.v1.charges.list().data) == 1


def test_fifty_calls_at_once_under_one_key_make_one_session(running: Running, sandbox: Checked) -> None:
    made: list[str] = []
    busy: list[int] = []

    def call() -> None:
        answer = requests.post(
            f"{running.url}/v1/checkout/sessions",
            data={
                "mode": "payment",
                "success_url": "https://news.example.org/thanks",
                "line_items[0][quantity]": "1",
                "line_items[0][price_data][currency]": "eur",
                "line_items[0][price_data][unit_amount]": "1500",
                "line_items[0][price_data][product_data][name]": "Contribution",
            },
            headers={"Authorization": f"Bearer {KEY}", "Idempotency-Key": "gift-7"},
            timeout=20,
        )
        if answer.status_code == 200:
            made.append(answer.json()["id"])
        else:
            busy.append(answer.status_code)

    threads = [threading.Thread(target=call) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(made)) == 1
    assert set(busy) <= {409}
    assert len(made) + len(busy) == 50


def test_a_key_whose_first_call_still_runs_is_busy(client: stripe.StripeClient, sandbox: Checked) -> None:
    sandbox.keeper.running.add("gift-7")
    with pytest.raises(stripe.APIError) as busy:
        client.v1.checkout.sessions.create(A_GIFT, {"idempotency_key": "gift-7"})
    assert (busy.value.http_status, busy.value.error.code) == (409, "idempotency_key_in_use")


def test_events_name_the_call_that_caused_them(client: stripe.StripeClient, sandbox: Checked) -> None:
    customer = client.v1.customers.create({"email": "ada@example.org"}, {"idempotency_key": "ada"})
    event = client.v1.events.list().data[0]
    assert event.request.idempotency_key == "ada"
    assert event.request.id == customer.last_response.request_id
    sandbox.pay(once(client).id)
    assert client.v1.events.list().data[0].request.id is None


def test_lists_come_in_pages_newest_first(client: stripe.StripeClient, sandbox: Checked) -> None:
    ids = [client.v1.customers.create({"name": f"Reader {number}"}).id for number in range(5)]

    first = client.v1.customers.list({"limit": 2})
    assert ([c.id for c in first.data], first.has_more) == ([ids[4], ids[3]], True)
    last = client.v1.customers.list({"limit": 3, "starting_after": ids[3]})
    assert ([c.id for c in last.data], last.has_more) == ([ids[2], ids[1], ids[0]], False)
    back = client.v1.customers.list({"limit": 1, "ending_before": ids[2]})
    assert ([c.id for c in back.data], back.has_more) == ([ids[3]], True)
    assert [c.id for c in client.v1.customers.list({"limit": 2}).auto_paging_iter()] == ids[::-1]
    for bad in ({"limit": 0}, {"limit": 101}, {"starting_after": "cus_unknown"}):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.customers.list(bad)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.list({"starting_after": ids[1], "ending_before": ids[1]})


def test_lists_can_be_narrowed_by_time(client: stripe.StripeClient, sandbox: Checked) -> None:
    early = once(client)
    sandbox.advance(timedelta(hours=1))
    late = once(client)
    assert [s.id for s in client.v1.checkout.sessions.list({"created": {"gt": early.created}}).data] == [
        late.id
    ]
    assert [s.id for s in client.v1.checkout.sessions.list({"created": early.created}).data] == [early.id]


def test_ids_expand_into_objects(client: stripe.StripeClient, sandbox: Checked) -> None:
    sandbox.pay(regularly(client).id)
    invoices = client.v1.invoices.list(
        {"expand": ["data.customer", "data.payments.data.payment.payment_intent"]}
    )
    invoice = invoices.data[0]
    assert invoice.customer.object == "customer"
    assert invoice.payments.data[0].payment.payment_intent.status == "succeeded"
    assert "payments" not in client.v1.invoices.retrieve(invoice.id)
    secret = client.v1.invoices.retrieve(invoice.id, {"expand": ["confirmation_secret"]}).confirmation_secret
    assert secret.type == "payment_intent"
    for path in ("nonsense", "customer.nonsense", "status", "customer.a.b.c.d"):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.invoices.retrieve(invoice.id, {"expand": [path]})


def test_what_does_not_exist_is_missing(client: stripe.StripeClient, sandbox: Checked) -> None:
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        client.v1.checkout.sessions.retrieve("cs_test_unknown")
    assert (unknown.value.http_status, unknown.value.code) == (404, "resource_missing")
    assert unknown.value.error.request_log_url
    with pytest.raises(stripe.InvalidRequestError) as nowhere:
        client.raw_request("get", "/v1/unheard_of")
    assert nowhere.value.http_status == 404


REFUSED: list[tuple[dict[str, Any], str | None, str | None]] = [
    # what is different from a good gift, the parameter that is named, the code
    ({"payment_method_types": ["card"]}, "payment_method_types", "payment_method_types_no_longer_supported"),
    ({"unheard_of": "1"}, "unheard_of", "parameter_unknown"),
    ({"line_items": [{**line(1500, "eur"), "colour": "red"}]}, "line_items[0][colour]", "parameter_unknown"),
    ({"mode": ""}, "mode", "parameter_missing"),
    ({"mode": "gift"}, "mode", None),
    ({"ui_mode": "hosted"}, "ui_mode", None),
    ({"line_items": ""}, "line_items", "parameter_missing"),
    ({"success_url": ""}, "success_url", "parameter_missing"),
    ({"success_url": "news.example.org"}, "success_url", "url_invalid"),
    ({"return_url": "https://news.example.org"}, "return_url", None),
    ({"ui_mode": "embedded_page"}, "success_url", None),
    ({"ui_mode": "embedded_page", "success_url": ""}, "return_url", "parameter_missing"),
    ({"customer": "cus_unknown"}, "customer", "resource_missing"),
    ({"customer_email": "ada"}, "customer_email", "email_invalid"),
    ({"customer_update": {"name": "auto"}}, "customer_update", None),
    ({"subscription_data": {"description": "x"}}, "subscription_data", None),
    ({"setup_intent_data": {"description": "x"}}, "setup_intent_data", None),
    ({"line_items": [line(49, "eur")]}, "line_items", "amount_too_small"),
    ({"line_items": [line(49, "jpy")]}, "line_items", "amount_too_small"),
    ({"line_items": [line(0, "eur")]}, "line_items", "amount_too_small"),
    ({"line_items": [line(-1, "eur")]}, "line_items[0][price_data][unit_amount]", "parameter_invalid_integer"),
    (
        {"line_items": [line(1_000_000_000_000, "eur")]},
        "line_items[0][price_data][unit_amount]",
        "amount_too_large",
    ),
    ({"line_items": [line(1001, "kwd")]}, "line_items[0][price_data][unit_amount]", "parameter_invalid_integer"),
    ({"line_items": [line(50050, "ugx")]}, "line_items[0][price_data][unit_amount]", "parameter_invalid_integer"),
    ({"line_items": [line(50050, "isk")]}, "line_items[0][price_data][unit_amount]", "parameter_invalid_integer"),
    ({"line_items": [line(1500, "xxx")]}, "line_items[0][price_data][currency]", None),
    ({"line_items": [line(1500, "eur"), line(1500, "usd")]}, "line_items", None),
    ({"line_items": [line(1500, "eur", "month")]}, "line_items[0]", None),
    ({"line_items": [{**line(1500, "eur"), "price": "price_1"}]}, "line_items[0]", "parameter_missing"),
    ({"line_items": [{"quantity": 1, "price": "price_1"}]}, "line_items[0][price]", "resource_missing"),
    ({"line_items": [{**line(1500, "eur"), "quantity": 0}]}, "line_items[0][quantity]", "parameter_invalid_integer"),
    ({"line_items": [line(1500, "eur")] * 101}, "line_items", None),
    ({"expires_at": 1}, "expires_at", None),
    ({"client_reference_id": "gift 7"}, "client_reference_id", None),
    ({"client_reference_id": "x" * 201}, "client_reference_id", "parameter_invalid_string_length"),
    ({"locale": "xx"}, "locale", None),
    ({"metadata": {"x" * 41: "1"}}, "metadata", None),
    ({"metadata": {"note": "x" * 501}}, "metadata[note]", None),
    ({"metadata": {f"key{number}": "1" for number in range(51)}}, "metadata", None),
    (
        {"payment_intent_data": {"statement_descriptor_suffix": "<NEWS>"}},
        "payment_intent_data[statement_descriptor_suffix]",
        None,
    ),
    ({"adaptive_pricing": {"enabled": "yes"}}, "adaptive_pricing[enabled]", None),
    ({"expand": "line_items"}, "expand", None),
]  # fmt: skip


@pytest.mark.parametrize(("change", "param", "code"), REFUSED)
def test_a_wish_that_stripe_refuses_is_refused_here(
    client: stripe.StripeClient, sandbox: Checked, change: dict[str, Any], param: str | None, code: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.checkout.sessions.create({**A_GIFT, **change})

    assert (refused.value.http_status, refused.value.param, refused.value.code) == (400, param, code)
    assert client.v1.checkout.sessions.list().data == []


MONTHLY = {**A_GIFT, "mode": "subscription", "line_items": [line(1500, "eur", "month")]}


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({**MONTHLY, "line_items": [line(1500, "eur")]}, "line_items"),
        ({**MONTHLY, "line_items": [line(9, "eur", "month"), line(9, "eur", "year")]}, "line_items"),
        ({**MONTHLY, "payment_intent_data": {"description": "x"}}, "payment_intent_data"),
        ({**MONTHLY, "submit_type": "donate", "subscription_data": {"description": "x"}}, "submit_type"),
        ({**MONTHLY, "customer_creation": "always"}, "customer_creation"),
        ({"mode": "setup", "success_url": "https://a.example"}, "currency"),
        (
            {
                "mode": "setup",
                "success_url": "https://a.example",
                "currency": "eur",
                "line_items": [line(1500, "eur")],
            },
            "line_items",
        ),
    ],
)
def test_modes_refuse_what_belongs_to_others(
    client: stripe.StripeClient, sandbox: Checked, wish: Any, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.checkout.sessions.create(wish)
    assert refused.value.param == param


def test_a_known_customer_is_not_asked_for_an_address(client: stripe.StripeClient, sandbox: Checked) -> None:
    customer = client.v1.customers.create({"email": "grace@example.org", "name": "Grace"})
    both: Any = {**A_GIFT, "customer": customer.id, "customer_email": "grace@example.org"}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.create(both)
    session = client.v1.checkout.sessions.create({**A_GIFT, "customer": customer.id})
    assert (
        sandbox.pay(session.id, email="other@example.org")["customer_details"]["email"] == "grace@example.org"
    )


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("server_error", stripe.APIError),
        ("unavailable", stripe.APIError),
        ("rate_limit", stripe.RateLimitError),
        ("hang_up", stripe.APIConnectionError),
    ],
)
def test_trouble_on_demand_happens_before_anything_is_done(
    client: stripe.StripeClient, sandbox: Checked, kind: str, error: type[Exception]
) -> None:
    sandbox.fault("POST /v1/checkout/*", kind)
    with pytest.raises(error):
        once(client)
    assert client.v1.checkout.sessions.list().data == []
    assert once(client).status == "open"


def test_a_lost_answer_is_found_again_under_its_key(client: stripe.StripeClient, sandbox: Checked) -> None:
    sandbox.fault("POST /v1/checkout/sessions", "lost_answer")
    with pytest.raises(stripe.APIConnectionError):
        client.v1.checkout.sessions.create(A_GIFT, {"idempotency_key": "gift-7"})

    found = client.v1.checkout.sessions.create(A_GIFT, {"idempotency_key": "gift-7"})

    assert [session.id for session in client.v1.checkout.sessions.list().data] == [found.id]


def test_the_sdk_retries_by_itself_under_the_same_key(running: Running, sandbox: Checked) -> None:
    patient = stripe.StripeClient(KEY, base_addresses={"api": running.url}, max_network_retries=2)
    sandbox.fault("POST /v1/customers", "lost_answer")
    patient.v1.customers.create({"email": "ada@example.org"})
    assert len(patient.v1.customers.list().data) == 1


def test_payment_intents_of_checkout_belong_to_checkout(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    session = once(client)
    with pytest.raises(StripeError):
        sandbox.pay(session.id, card="4000000000000002")
    intent = client.v1.payment_intents.list().data[0]
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.cancel(intent.id)
    client.v1.checkout.sessions.expire(session.id)
    assert client.v1.payment_intents.retrieve(intent.id).status == "canceled"
    assert sandbox.take_types()[-2:] == ["payment_intent.canceled", "checkout.session.expired"]


def test_payment_intents_can_be_made_paid_and_given_up(client: stripe.StripeClient, sandbox: Checked) -> None:
    wish: Any = {"amount": 700, "currency": "gbp", "automatic_payment_methods": {"enabled": True}}
    intent = client.v1.payment_intents.create({**wish, "metadata": {"a": "1"}})
    client.v1.payment_intents.update(intent.id, {"metadata": {"a": "", "b": "2"}, "description": "Tea"})
    paid = client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert (paid.status, paid.amount_received, paid.metadata.to_dict()) == ("succeeded", 700, {"b": "2"})
    with pytest.raises(stripe.InvalidRequestError) as again:
        client.v1.payment_intents.confirm(intent.id)
    assert again.value.code == "payment_intent_unexpected_state"

    other = client.v1.payment_intents.create(wish)
    assert client.v1.payment_intents.cancel(other.id).status == "canceled"
    needs_someone: Any = {
        **wish,
        "payment_method": "pm_card_authenticationRequired",
        "confirm": True,
        "off_session": True,
    }
    with pytest.raises(stripe.CardError) as asked:
        client.v1.payment_intents.create(needs_someone)
    assert asked.value.code == "authentication_required"


def test_saved_methods_come_and_go(client: stripe.StripeClient, sandbox: Checked) -> None:
    customer = client.v1.customers.create({"email": "grace@example.org"})
    method = client.v1.payment_methods.create(
        {
            "type": "card",
            "card": {"number": "5555555555554444", "exp_month": 1, "exp_year": 2031, "cvc": "123"},
        }
    )
    client.v1.payment_methods.attach(method.id, {"customer": customer.id})
    client.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})
    letters = {letter.type: letter.body for letter in sandbox.take_webhooks()}
    assert (
        b'"previous_attributes":{"invoice_settings":{"default_payment_method":null}}'
        in letters["customer.updated"]
    )
    client.v1.payment_methods.update(
        method.id, {"billing_details": {"name": "Grace"}, "metadata": {"a": "1"}}
    )
    with pytest.raises(stripe.CardError):
        client.v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": customer.id})

    client.v1.payment_methods.detach(method.id)

    assert client.v1.customers.retrieve(customer.id).invoice_settings.default_payment_method is None
    assert client.v1.customers.payment_methods.list(customer.id).data == []
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_methods.detach(method.id)


def test_setup_intents_save_cards_without_a_page(client: stripe.StripeClient, sandbox: Checked) -> None:
    customer = client.v1.customers.create({"email": "grace@example.org"})
    made = client.v1.setup_intents.create(
        {"customer": customer.id, "payment_method": "pm_card_visa", "confirm": True}
    )
    assert made.status == "succeeded"
    with pytest.raises(stripe.CardError):
        client.v1.setup_intents.create(
            {"customer": customer.id, "payment_method": "pm_card_chargeDeclined", "confirm": True}
        )
    open_one = client.v1.setup_intents.create({"customer": customer.id})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.setup_intents.confirm(open_one.id)
    assert client.v1.setup_intents.cancel(open_one.id).status == "canceled"
    assert len(client.v1.setup_intents.list({"customer": customer.id}).data) == 3


def test_products_and_prices_are_kept_and_can_be_retired(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    product = client.v1.products.create({"name": "Membership", "id": "membership"})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.products.create({"name": "Membership", "id": "membership"})
    price = client.v1.prices.create(
        {"currency": "eur", "product": product.id, "unit_amount": 500, "lookup_key": "monthly"}
    )
    assert client.v1.prices.list({"lookup_keys": ["monthly"]}).data[0].id == price.id
    client.v1.prices.update(price.id, {"active": False})
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        once(client, line_items=[{"price": price.id, "quantity": 1}])
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.products.delete(product.id)
    assert client.v1.products.update(product.id, {"active": False}).active is False
    bare = client.v1.products.create({"name": "Mistake"})
    assert client.v1.products.delete(bare.id).deleted is True


def test_a_customer_who_is_deleted_stops_giving(client: stripe.StripeClient, sandbox: Checked) -> None:
    session = sandbox.pay(regularly(client).id)
    client.v1.customers.delete(session["customer"])
    assert sandbox.take_types()[-2:] == ["customer.subscription.deleted", "customer.deleted"]
    assert client.v1.customers.retrieve(session["customer"]).deleted is True
    assert client.v1.subscriptions.retrieve(session["subscription"]).status == "canceled"


def test_the_portal_opens_for_a_customer(client: stripe.StripeClient, sandbox: Checked) -> None:
    session = sandbox.pay(regularly(client).id)
    portal = client.v1.billing_portal.sessions.create(
        {
            "customer": session["customer"],
            "return_url": "https://news.example.org/account",
            "flow_data": {
                "type": "payment_method_update",
                "after_completion": {
                    "type": "redirect",
                    "redirect": {"return_url": "https://news.example.org/done"},
                },
            },
        }
    )
    assert portal.url.endswith(f"/p/session/{portal.id}")
    assert portal.flow.after_completion.redirect.return_url == "https://news.example.org/done"
    cancel: Any = {
        "type": "subscription_cancel",
        "subscription_cancel": {"subscription": session["subscription"]},
    }
    client.v1.billing_portal.sessions.create({"customer": session["customer"], "flow_data": cancel})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.billing_portal.sessions.create(
            {"customer": session["customer"], "flow_data": {"type": "subscription_cancel"}}
        )


def test_the_portal_can_be_configured(client: stripe.StripeClient, sandbox: Checked) -> None:
    made = client.v1.billing_portal.configurations.create(
        {"features": {"invoice_history": {"enabled": True}, "payment_method_update": {"enabled": True}}}
    )
    changed = client.v1.billing_portal.configurations.update(
        made.id,
        {
            "business_profile": {"headline": "News"},
            "features": {"subscription_cancel": {"enabled": True, "mode": "immediately"}},
        },
    )
    assert changed.features.subscription_cancel.mode == "immediately"
    assert changed.business_profile.headline == "News"
    both = client.v1.billing_portal.configurations.list()
    assert [found.is_default for found in both.data] == [True, False]
