"""
What nobody should send is refused: with the right status, a stable code, and nothing left behind.

And what only looks odd is taken as it is.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from donations import gateway
from donations.models import Ask, AskSwitch, Campaign, Contribution, StripeEvent
from members import clock
from tests import factories
from tests.donations import bad_requests, bad_webhooks
from tests.donations.bad_requests import GOOD, WEBHOOK, BadRequest, as_json
from tests.donations.bad_webhooks import EVENT
from tests.donations.test_money import examples

pytestmark = pytest.mark.django_db

_WISH_FIELDS = [
    *("campaign", "interval", "amount", "currency", "email", "name", "cover_fees", "locale", "return_url"),
    *("source", "newsletter_consent"),
]
TABLE = [*bad_requests.TABLE, *bad_webhooks.TABLE]


@pytest.fixture(autouse=True)
def campaigns() -> None:
    """A campaign that runs, one that has ended and one that is still to come."""
    now = clock.now()
    day = timedelta(days=1)
    factories.a_campaign(bad_requests.RUNNING)
    factories.a_campaign(bad_requests.ENDED, ends_at=now - day)
    factories.a_campaign(bad_requests.NOT_YET, starts_at=now + day)


@pytest.fixture(autouse=True)
def asked_of_stripe(monkeypatch: pytest.MonkeyPatch) -> list[gateway.CheckoutWish]:
    """Every page that Stripe was asked to open; each answer is a page."""
    wishes: list[gateway.CheckoutWish] = []

    def open_checkout(wish: gateway.CheckoutWish) -> gateway.Checkout:
        wishes.append(wish)
        page = f"cs_test_{wish.reference.hex}"
        return gateway.Checkout(
            id=page, url=f"https://checkout.stripe.com/c/{page}", expires_at=wish.expires_at
        )

    def no_call() -> None:
        raise AssertionError("Stripe was called")

    monkeypatch.setattr(gateway, "open_checkout", open_checkout)
    monkeypatch.setattr(gateway, "_client", no_call)
    return wishes


def sign(body: bytes, at: datetime, secret: str | None = None) -> str:
    """A Stripe-Signature header as Stripe documents it, made without Stripe's SDK."""
    key = django_settings.STRIPE_WEBHOOK_SECRETS[0] if secret is None else secret
    stamp = int(at.timestamp())
    mac = hmac.new(key.encode(), f"{stamp}.".encode() + body, hashlib.sha256)
    return f"t={stamp},v1={mac.hexdigest()}"


def send(client: Client, request: BadRequest) -> HttpResponse:
    """Send one row of the table, its bytes as they are."""
    sent = dict(request.headers)
    if request.signature is not None:
        header = request.signature(sign, request.body, clock.now())
        sent |= {} if header is None else {"Stripe-Signature": header}
    answer: HttpResponse = client.generic(  # type: ignore[assignment]  # the test client wraps the response
        request.method, request.path, request.body, content_type=request.content_type, headers=sent
    )
    return answer


@pytest.mark.parametrize("request_", TABLE, ids=lambda request: request.name)
def test_a_bad_request_is_refused_and_leaves_nothing_behind(
    api: Client, request_: BadRequest, asked_of_stripe: list[gateway.CheckoutWish]
) -> None:
    answer = send(api, request_)

    text = answer.content.decode()
    assert answer.status_code == request_.status, text
    assert answer["Content-Type"] == "application/json"
    assert "no-store" in answer["Cache-Control"]
    error = _the_error(text)
    if request_.at is None:
        assert error["code"] == request_.code
        assert "fields" not in error
    else:
        assert error["code"] == "invalid_request"
        assert request_.code in [problem["code"] for problem in error["fields"].get(request_.at, [])], error
    if request_.status == 405:
        assert answer["Allow"]
    for piece in _telling_pieces(request_):
        assert piece not in text, "the answer repeats what was sent"
    assert _rows_besides_campaigns() == {}
    assert asked_of_stripe == []


def _the_error(text: str) -> dict[str, Any]:
    """The error of an answer, after a look at its shape."""
    answer = json.loads(text)
    assert set(answer) == {"error"}
    error: dict[str, Any] = answer["error"]
    assert {"code", "message"} <= set(error) <= {"code", "message", "fields"}
    problems = [error, *(problem for found in error.get("fields", {}).values() for problem in found)]
    for problem in problems:
        assert problem["code"].isascii()
        assert problem["code"] == problem["code"].lower()
        assert problem["message"].endswith("."), "a message is a sentence"
    return error


def _telling_pieces(request: BadRequest) -> Iterator[str]:
    """Pieces of the request that could only be in the answer if it repeated them."""
    try:
        texts = list(_texts_in(json.loads(request.body)))
    except (ValueError, RecursionError):
        readable = request.body.decode("latin-1")
        texts = [readable[:40], readable[-40:]]
    texts += request.headers.values()
    texts += request.path.split("?")[0].removeprefix("/api/v1/").split("/")[1:]
    yield from (text for text in texts if len(text) >= 7)


def _texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts_in(item)


def _rows_besides_campaigns() -> dict[str, int]:
    laid_out = (Campaign, Ask, AskSwitch)  # by the test, and by a migration
    models = [model for app in ("donations", "members") for model in apps.get_app_config(app).get_models()]
    counts = {model.__name__: model._base_manager.count() for model in models if model not in laid_out}
    return {name: count for name, count in counts.items() if count}


def test_the_table_is_long_and_names_each_row_once() -> None:
    names = [request.name for request in TABLE]

    assert len(names) == len(set(names)) >= 90


# Odd, and right


def give(client: Client, headers: Mapping[str, str] | None = None, **changes: object) -> HttpResponse:
    request = BadRequest("", 201, "", body=as_json({**GOOD, **changes}), headers=headers or {})
    return send(client, request)


@pytest.mark.parametrize(
    "name",
    [
        "Ada 🎉",
        "عائشة",  # right to left by its letters, with no mark that turns others around
        "Nguyễn Thị Ánh".replace("ễ", "e\u0302\u0303"),  # accents typed one by one
        "O'Brien-Smith, Jr.",
        "Robert'); DROP TABLE members;--",
        "<script>alert(1)</script>",
        "{{7*7}} ${jndi:ldap://x} %(x)s",
        "=cmd|' /C calc'!A0",
    ],
)
def test_a_name_stays_the_text_that_it_is(api: Client, name: str) -> None:
    answer = give(api, name=name)

    assert answer.status_code == 201
    assert Contribution.objects.get().name == name


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("A+x@B.ORG", "A+x@b.org"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("", ""),
        (None, ""),
    ],
)
def test_an_unusual_address_is_kept_as_mail_is_sent_to_it(api: Client, given: str | None, kept: str) -> None:
    answer = give(api, email=given)

    assert answer.status_code == 201
    assert Contribution.objects.get().email == kept


@pytest.mark.parametrize(
    "headers",
    [
        {"X-HTTP-Method-Override": "DELETE"},
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-For": ", ".join(["203.0.113.9"] * 20)},
        {"X-Forwarded-Proto": "http"},
        {"X-Original-URL": "/admin/", "X-Rewrite-URL": "/admin/"},
        {"Accept": "application/x-klingon;q=elephant"},
        {"Accept": "text/html"},
        {"Range": "bytes=0-1", "If-None-Match": "*"},
        {"Cookie": "sessionid=\x00; broken"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
    ids=lambda headers: next(iter(headers.items())),
)
def test_a_strange_header_changes_nothing(
    api: Client, headers: dict[str, str], asked_of_stripe: list[gateway.CheckoutWish]
) -> None:
    answer = give(api, headers=headers)

    assert answer.status_code == 201
    assert answer["Content-Type"] == "application/json"
    assert "no-store" in answer["Cache-Control"]
    assert "Access-Control-Allow-Origin" not in answer
    assert "evil" not in answer.content.decode()
    [wish] = asked_of_stripe
    assert wish.success_url.startswith(django_settings.PUBLIC_BASE_URL)
    assert wish.cancel_url.startswith(django_settings.PUBLIC_BASE_URL)


@pytest.mark.parametrize("amount", [200, 2_000_000])
def test_the_least_and_the_most_can_be_given(api: Client, amount: int) -> None:
    answer = give(api, amount=amount)

    assert answer.status_code == 201
    assert json.loads(answer.content)["amount"] == amount


def test_a_body_of_exactly_64_kib_is_read(api: Client) -> None:
    request = BadRequest("", 201, "", body=as_json(dict(GOOD)).ljust(64 * 1024))

    assert send(api, request).status_code == 201


def test_a_reader_may_be_sent_back_to_the_newspapers_own_page(
    api: Client, asked_of_stripe: list[gateway.CheckoutWish]
) -> None:
    answer = give(api, return_url="https://news.example/story?id=7")

    assert answer.status_code == 201
    [wish] = asked_of_stripe
    assert wish.success_url.startswith("https://news.example/story?id=7&")


@pytest.mark.parametrize("verb", ["HEAD", "OPTIONS"])
def test_asking_what_is_possible_writes_nothing(api: Client, verb: str) -> None:
    answer = send(api, BadRequest("", 0, "", method=verb, body=as_json(dict(GOOD))))

    assert answer.status_code < 500
    assert _rows_besides_campaigns() == {}


# The same key again


def test_the_same_key_gets_the_same_answer_and_asks_stripe_once(
    api: Client, asked_of_stripe: list[gateway.CheckoutWish]
) -> None:
    first, second = (give(api, headers={"Idempotency-Key": "one"}) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert Contribution.objects.count() == 1
    assert len(asked_of_stripe) == 1


def test_the_same_key_for_another_wish_is_a_conflict_and_changes_nothing(
    api: Client, asked_of_stripe: list[gateway.CheckoutWish]
) -> None:
    give(api, headers={"Idempotency-Key": "one"}, amount=500)

    answer = give(api, headers={"Idempotency-Key": "one"}, amount=1000)

    assert answer.status_code == 409
    assert _the_error(answer.content.decode())["code"] == "idempotency_key_reused"
    assert [kept.amount_minor for kept in Contribution.objects.all()] == [500]
    assert len(asked_of_stripe) == 1


def test_an_idempotency_key_may_have_255_characters(api: Client) -> None:
    assert give(api, headers={"Idempotency-Key": "k" * 255}).status_code == 201


# Webhooks that look odd


def _hook(body: bytes, signature: str) -> BadRequest:
    return BadRequest("", 200, "", path=WEBHOOK, body=body, signature=lambda *_: signature)


def test_an_event_that_comes_a_thousand_times_is_kept_once(api: Client) -> None:
    body = as_json(EVENT)

    answers = {send(api, _hook(body, sign(body, clock.now()))).status_code for _ in range(1_000)}

    assert answers == {200}
    assert [event.payload for event in StripeEvent.objects.all()] == [body.decode()]


@pytest.mark.parametrize("seconds", [-270, 270])  # of 300: a slow machine may need some of them itself
def test_clocks_may_differ_by_five_minutes(api: Client, seconds: int) -> None:
    body = as_json(EVENT)

    answer = send(api, _hook(body, sign(body, clock.now() + timedelta(seconds=seconds))))

    assert answer.status_code == 200


def test_one_right_signature_among_wrong_ones_is_enough(api: Client) -> None:
    body = as_json(EVENT)
    stamp, _, right = sign(body, clock.now()).partition(",")

    answer = send(api, _hook(body, f"{stamp},v0=00,v1={'0' * 64},{right},v9=x"))

    assert answer.status_code == 200
    assert StripeEvent.objects.count() == 1


@pytest.mark.parametrize("secret", ["whsec_old", "whsec_new"])
def test_both_secrets_are_good_while_one_replaces_the_other(api: Client, settings: Any, secret: str) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", "whsec_old"]
    body = as_json(EVENT)

    assert send(api, _hook(body, sign(body, clock.now(), secret))).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"type": "a.kind.that.nobody.knows"},
        {"livemode": True},
        {"api_version": "2019-01-01"},
        {"api_version": None},
        {"account": "acct_somebody_else"},
        {"data": {"object": {"id": "in_unknown", "object": "invoice"}}, "type": "invoice.paid"},
        {"data": {"object": {"name": "\ud800"}}},  # written as an escape: our copy is Stripe's own text
    ],
    ids=str,
)
def test_a_signed_event_is_kept_word_for_word_whatever_it_speaks_of(
    api: Client, change: dict[str, Any]
) -> None:
    body = as_json(EVENT | change)

    answer = send(api, _hook(body, sign(body, clock.now())))

    assert answer.status_code == 200
    assert StripeEvent.objects.get().payload == body.decode()


def test_an_event_of_exactly_1_mib_is_kept(api: Client) -> None:
    body = as_json(EVENT).ljust(1024 * 1024)

    assert send(api, _hook(body, sign(body, clock.now()))).status_code == 200


def test_a_signature_is_made_as_stripe_makes_it() -> None:
    """The header that these tests make is the one that Stripe's SDK accepts."""
    import stripe

    body, now = as_json(EVENT), datetime.now(UTC)

    stripe.WebhookSignature.verify_header(body.decode(), sign(body, now, "whsec_x"), "whsec_x", tolerance=300)


# Whatever comes: JSON of any kind, in any place

_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["", " ", "\0", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_tried_often = settings_of_hypothesis(
    examples,
    max_examples=300,
    # The rows and campaigns of one test serve all of its examples.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@_tried_often
@given(name=st.sampled_from([*_WISH_FIELDS, "source.page_url", "source.campaign_tags"]), value=_anything)
def test_no_value_in_any_field_breaks_the_api(api: Client, name: str, value: object) -> None:
    outer, _, inner = name.partition(".")

    request = BadRequest("", 0, "", body=as_json({**GOOD, outer: {inner: value} if inner else value}))
    answer = send(api, request)

    assert answer.status_code in (201, 400), answer.content
    if answer.status_code == 400:
        _the_error(answer.content.decode())


@_tried_often
@given(name=st.sampled_from([*EVENT, "object"]), value=_anything)
def test_no_value_in_any_part_of_a_signed_event_breaks_the_inbox(
    api: Client, name: str, value: object
) -> None:
    body = as_json(EVENT | ({name: value} if name != "object" else {"data": {"object": value}}))

    answer = send(api, _hook(body, sign(body, clock.now())))

    assert answer.status_code in (200, 400), answer.content


@_tried_often
@given(header=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=80))
def test_no_signature_header_breaks_the_inbox(api: Client, header: str) -> None:
    stamp = int(clock.now().timestamp())

    for signature in (header, f"t={stamp},{header}", f"t={stamp},v1={header}"):
        assert send(api, _hook(as_json(EVENT), signature)).status_code == 400
