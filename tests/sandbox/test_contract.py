"""The contract check itself: it lets right requests and answers pass, and names what is wrong with others."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from stripe._object_classes import get_object_class

from tests import derive_required_keys, stripe_contract, stripe_shapes
from tests.stripe_contract import check_answer, check_request
from tests.stripe_endpoints import find_endpoint

RESOURCES = derive_required_keys.RESOURCES

A_GIFT = {
    "mode": "payment",
    "ui_mode": "hosted_page",
    "submit_type": "donate",
    "success_url": "https://news.example.org/thanks?session_id={CHECKOUT_SESSION_ID}",
    "expires_at": "1795000000",
    "adaptive_pricing": {"enabled": "false"},
    "line_items": [
        {
            "quantity": "1",
            "price_data": {
                "currency": "eur",
                "unit_amount": "1500",
                "product_data": {"name": "Contribution"},
            },
        }
    ],
    "metadata": {"contribution": "7"},
    "expand": ["line_items"],
}


def a_thing(shape: stripe_shapes.Shape, place: str, path: str = "") -> Any:
    """The smallest value that the SDK's declaration allows."""
    match shape:
        case stripe_shapes.Either(options):
            return None if stripe_shapes.Null() in options else a_thing(options[0], place, path)
        case stripe_shapes.Record(cls):
            return a_record(cls, place, path)
        case stripe_shapes.Resource(name):
            return a_resource(name)
        case stripe_shapes.Page():
            return {"object": "list", "data": [], "has_more": False, "url": "/v1/things"}
        case stripe_shapes.Choice(values):
            return values[0]
        case stripe_shapes.ListOf():
            return []
        case stripe_shapes.MapOf() | stripe_shapes.Anything():
            return {}
        case stripe_shapes.Scalar(kind):
            return {"str": "text", "int": 1, "float": 1.0, "bool": True, "decimal": "1.5"}[kind]
        case _:
            return None


def a_record(cls: type, resource: str, path: str) -> dict[str, Any]:
    """An object with no key more than it must have."""
    by_table = stripe_contract.required_by_table(resource, path)
    return {
        key: a_thing(field.shape, resource, f"{path}.{key}".lstrip("."))
        for key, field in stripe_shapes.fields_of(cls).items()
        if field.required or key in by_table
    }


def a_resource(name: str) -> dict[str, Any]:
    made = a_record(get_object_class("V1", name), name, "")
    if name == "event":
        made |= {"type": "customer.created", "data": {"object": a_resource("customer")}}
    return made


def an_event(kind: str, snapshot: dict[str, Any]) -> dict[str, Any]:
    return a_resource("event") | {"type": kind, "data": {"object": snapshot}}


# Requests


def test_a_gift_as_the_sdk_posts_it_is_understood() -> None:
    assert check_request("POST", "/v1/checkout/sessions", A_GIFT) == []


def test_brackets_and_lists_by_digits_say_the_same_as_nested_values() -> None:
    flat = {
        "line_items[0][price_data][currency]": "eur",
        "line_items[0][price_data][product]": "prod_1",
        "line_items[0][price_data][unit_amount]": "1500",
        "expand[]": "line_items",
    }
    assert check_request("POST", "/v1/checkout/sessions", flat) == []
    flat["line_items[0][price_data][unit_amount]"] = "15.00"
    assert check_request("POST", "/v1/checkout/sessions", flat) == [
        "line_items[0].price_data.unit_amount: expected int, got '15.00'"
    ]


def test_metadata_may_have_digits_for_keys() -> None:
    assert check_request("POST", "/v1/customers", {"metadata": {"0": "zero", "1": "one"}}) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"payment_method_types": ["card"]}, "payment_method_types: SessionCreateParams has no such key"),
        (
            {"ui_mode": "hosted"},
            "ui_mode: expected one of 'elements', 'embedded_page', 'form', 'hosted_page', got 'hosted'",
        ),
        ({"expires_at": "tomorrow"}, "expires_at: expected int, got 'tomorrow'"),
        ({"adaptive_pricing": {"enabled": "no"}}, "adaptive_pricing.enabled: expected bool, got 'no'"),
        ({"line_items": "eur"}, "line_items: expected a list, got 'eur'"),
        (
            {"line_items": [{"price_data": {"unit_amount": "1500"}}]},
            "line_items[0].price_data.currency: is required but missing",
        ),
        ({"metadata": {"a": {"b": "c"}}}, "metadata.a: expected str, got {'b': 'c'}"),
        ({"api_key": "sk_test_1"}, "api_key: SessionCreateParams has no such key"),
    ],
)
def test_a_wrong_parameter_is_named(change: dict[str, Any], problem: str) -> None:
    assert problem in check_request("POST", "/v1/checkout/sessions", A_GIFT | change)


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("POST", "/v1/subscriptions/sub_1", {"cancel_at_period_end": "true"}),
        ("POST", "/v1/subscriptions/sub_1", {"pause_collection": ""}),
        ("POST", "/v1/subscriptions/sub_1", {"billing_cycle_anchor": {"type": "unchanged"}}),
        ("POST", "/v1/subscriptions/sub_1/pause", {"bill_for": {"unused_time_from": {"type": "none"}}}),
        ("DELETE", "/v1/subscriptions/sub_1", {}),
        ("GET", "/v1/events", {"created": {"gte": "1795000000"}, "types": ["invoice.paid"], "limit": "100"}),
        ("GET", "/v1/invoices/search", {"query": "status:'open'"}),
        ("GET", "/v1/invoice_payments", {"payment": {"type": "payment_intent", "payment_intent": "pi_1"}}),
        ("POST", "/v1/billing_portal/sessions", {"customer": "cus_1", "return_url": "https://example.org"}),
        ("POST", "/v1/refunds", {"payment_intent": "pi_1", "amount": "100", "reason": "duplicate"}),
        ("POST", "/v1/test_helpers/test_clocks/clock_1/advance", {"frozen_time": "1795000000"}),
        ("POST", "/v1/webhook_endpoints", {"url": "https://example.org", "enabled_events": ["*"]}),
    ],
)
def test_calls_of_the_gateway_are_understood(method: str, path: str, form: dict[str, Any]) -> None:
    assert check_request(method, path, form) == []


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("POST", "/v1/subscriptions/sub_1", {"billing_cycle_anchor": "now"}),
        (
            "POST",
            "/v1/payment_intents",
            {"amount": "100", "currency": "usd", "payment_method_types": ["card"]},
        ),
        ("POST", "/v1/refunds", {"payment_intent": "pi_1", "reason": "regret"}),
        ("GET", "/v1/invoices/search", {}),
        ("POST", "/v1/customers", {"email": "ada@example.org", "e_mail": "ada@example.org"}),
    ],
)
def test_what_stripe_took_away_or_never_had_is_a_problem(
    method: str, path: str, form: dict[str, Any]
) -> None:
    assert len(check_request(method, path, form)) == 1


def test_an_unknown_endpoint_is_a_problem() -> None:
    assert check_request("POST", "/v1/donations", {}) == [
        "POST /v1/donations: the SDK knows no such endpoint"
    ]
    assert check_request("PUT", "/v1/customers/cus_1", {}) != []


def test_a_search_is_not_taken_for_an_id() -> None:
    endpoint = find_endpoint("GET", "/v1/invoices/search")
    assert endpoint is not None
    assert endpoint.template == "/v1/invoices/search"


# Answers


@pytest.mark.parametrize("name", RESOURCES)
def test_the_smallest_whole_resource_passes(name: str) -> None:
    assert check_answer(a_resource(name)) == []


@pytest.mark.parametrize("name", RESOURCES)
def test_each_missing_key_is_noticed(name: str) -> None:
    whole = a_resource(name)
    for key in whole.keys() - {"object"}:
        broken = {other: value for other, value in whole.items() if other != key}
        assert f"$.{key}: is required but missing" in check_answer(broken)


@pytest.mark.parametrize("name", RESOURCES)
def test_each_value_of_a_wrong_type_is_noticed(name: str) -> None:
    cls: type = get_object_class("V1", name)
    fields = stripe_shapes.fields_of(cls)
    free = {key for key, field in fields.items() if isinstance(field.shape, stripe_shapes.Anything)}
    for key in fields.keys() - {"object", "deleted"} - free:
        problems = check_answer(a_resource(name) | {key: object()})
        assert any(problem.startswith(f"$.{key}: expected ") for problem in problems), key


@pytest.mark.parametrize("name", RESOURCES)
def test_a_key_that_stripe_does_not_have_is_noticed(name: str) -> None:
    problems = check_answer(a_resource(name) | {"colour": "red"})
    assert any(problem.startswith("$.colour: ") and "no such key" in problem for problem in problems)


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        (
            "charge",
            {"status": "paid"},
            "$.status: expected one of 'failed', 'pending', 'succeeded', got 'paid'",
        ),
        ("charge", {"amount": "1500"}, "$.amount: expected int, got '1500'"),
        ("charge", {"amount": True}, "$.amount: expected int, got True"),
        ("charge", {"paid": "true"}, "$.paid: expected bool, got 'true'"),
        ("charge", {"amount": None}, "$.amount: expected int, got None"),
        ("customer", {"metadata": {"visits": 3}}, "$.metadata.visits: expected str, got 3"),
        ("charge", {"customer": {"object": "product"}}, "$.customer: expected str or a customer or null"),
        ("charge", {"outcome": {"type": "authorized"}}, "$.outcome.network_status: is required but missing"),
        ("price", {"unit_amount_decimal": 15.5}, "$.unit_amount_decimal: expected decimal or null, got 15.5"),
    ],
)
def test_a_wrong_value_is_named(name: str, change: dict[str, Any], problem: str) -> None:
    assert any(found.startswith(problem) for found in check_answer(a_resource(name) | change))


def test_an_expanded_object_is_judged_as_well() -> None:
    charge = a_resource("charge") | {"customer": a_resource("customer")}
    assert check_answer(charge) == []
    del charge["customer"]["created"]
    assert check_answer(charge) == ["$.customer.created: is required but missing"]


def test_lists_are_judged_with_all_they_hold() -> None:
    page: dict[str, Any] = {
        "object": "list",
        "data": [a_resource("refund")],
        "has_more": False,
        "url": "/v1/refunds",
    }
    assert check_answer(page) == []
    page["data"][0]["status"] = 7
    assert [problem.split(":")[0] for problem in check_answer(page)] == ["$.data[0].status"]
    assert check_answer({"object": "list", "data": "none", "url": 1, "pages": 2}) == [
        "$.has_more: is required but missing",
        "$.pages: a list has no such key",
        "$.url: expected str, got 1",
        "$.data: expected a list, got 'none'",
    ]


def test_a_list_inside_a_resource_holds_only_its_own_kind() -> None:
    subscription = a_resource("subscription")
    subscription["items"]["data"] = [a_resource("product")]
    assert len(check_answer(subscription)) == 1
    assert check_answer(subscription)[0].startswith("$.items.data[0]: expected a subscription_item")


def test_a_deleted_object_is_only_a_stub() -> None:
    assert check_answer({"id": "cus_1", "object": "customer", "deleted": True}) == []
    assert check_answer({"object": "customer", "deleted": True, "email": None}) == [
        "$: a deleted customer has only its id, not email",
        "$.id: is required but missing",
    ]


@pytest.mark.parametrize("answer", [None, "text", [], {}, {"object": 3}, {"object": "donation"}])
def test_what_is_no_stripe_object_is_a_problem(answer: Any) -> None:
    assert len(check_answer(answer)) == 1


def test_an_error_body_is_judged_as_one() -> None:
    declined = {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}
    assert check_answer({"error": declined}) == []
    assert check_answer({"error": declined | {"type": "oops"}}) != []
    assert check_answer({"error": declined | {"reason": "none"}}) != []
    assert check_answer({"error": "declined"}) == ["$.error: expected an object, got 'declined'"]
    assert check_answer({"error": declined, "status": 402}) == ["$.status: an error body holds only `error`"]


# Events


def test_the_object_inside_an_event_is_judged() -> None:
    event = an_event("charge.refunded", a_resource("charge"))
    assert check_answer(event) == []
    broken = deepcopy(event)
    del broken["data"]["object"]["amount_refunded"]
    assert check_answer(broken) == ["$.data.object.amount_refunded: is required but missing"]


@pytest.mark.parametrize(
    ("kind", "told", "meant"),
    [
        ("charge.dispute.created", "charge", "dispute"),
        ("customer.subscription.deleted", "invoice", "subscription"),
    ],
)
def test_an_event_tells_of_the_object_it_is_named_after(kind: str, told: str, meant: str) -> None:
    assert check_answer(an_event(kind, a_resource(meant))) == []
    assert check_answer(an_event(kind, a_resource(told))) == [
        f"$.data.object.object: {kind} tells of a {meant}, not a {told}"
    ]


def test_an_event_never_holds_what_is_only_there_when_expanded() -> None:
    payments = {"object": "list", "data": [], "has_more": False, "url": "/v1/invoice_payments"}
    invoice = a_resource("invoice") | {"payments": payments}
    assert check_answer(invoice) == []
    assert check_answer(an_event("invoice.paid", invoice)) == [
        "$.data.object.payments: is there only when expanded, never in an event"
    ]


def test_an_upcoming_invoice_has_no_identity_yet() -> None:
    invoice = a_resource("invoice")
    assert len(check_answer(an_event("invoice.upcoming", invoice))) == 4
    for key in ("id", "auto_advance", "hosted_invoice_url", "invoice_pdf"):
        del invoice[key]
    assert check_answer(an_event("invoice.upcoming", invoice)) == []
    assert len(check_answer(an_event("invoice.created", invoice))) == 4


def test_previous_attributes_are_keys_of_the_object() -> None:
    event = an_event("charge.updated", a_resource("charge"))
    event["data"]["previous_attributes"] = {"balance_transaction": None}
    assert check_answer(event) == []
    event["data"]["previous_attributes"] = {"balance": None}
    assert check_answer(event) == ["$.data.previous_attributes.balance: is no key of the object"]


def test_an_event_of_an_unknown_type_is_a_problem() -> None:
    assert check_answer(an_event("customer.greeted", a_resource("customer"))) != []
    assert check_answer(a_resource("event") | {"data": None, "type": None}) != []


# The table


def test_the_table_of_required_keys_reads_a_description_as_documented() -> None:
    text: dict[str, Any] = {"type": "string"}
    kind = {"type": "string", "enum": ["thing"]}
    page = {"properties": {"object": {"type": "string", "enum": ["list"]}}}
    schema = {
        "required": ["object"],
        "x-expandableFields": ["parts"],
        "properties": {
            "object": kind,
            "id": text,
            "note": text | {"nullable": True},
            "parts": page | {"nullable": True},
            "owner": {"anyOf": [text, {"$ref": "#/components/schemas/owner"}]},
            "rows": {"type": "array", "items": {"$ref": "#/components/schemas/row"}},
        },
    }
    row = {"required": ["label"], "properties": {"label": text, "row": {"$ref": "#/components/schemas/row"}}}
    owner = {"required": ["id"], "properties": {"id": text, "object": {"enum": ["owner"]}}}
    schemas = dict.fromkeys(RESOURCES, schema) | {"row": row, "owner": owner}
    table = derive_required_keys.Deriver(
        {"info": {"version": "v"}, "components": {"schemas": schemas}}
    ).table()
    assert table["required"]["charge"] == {"": ["note", "object"], "rows": ["label"]}
    assert table["only_when_expanded"]["charge"] == ["parts"]
