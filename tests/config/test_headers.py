"""Headers that keep readers safe stand on every answer, and no page of anybody else's reads our API."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import pytest
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from config.middleware import STATS_PATH, WEBHOOK_PATH, is_for_programs
from tests import factories

EXAMPLES = {
    "slug": "support-us",
    "public_id": str(uuid.uuid4()),
    "token": "a-token",
    "object_id": "1",
    "app_label": "donations",
    "content_type_id": "1",
    "kind": "receipt",
    "language": "en",
    "locale": "en",
    "name": "a.eml",
    "url": "nothing",
    "final_catch_all": "nothing",
}


def addresses() -> Iterator[tuple[str, str]]:
    """Each route of the house and an address that leads to it."""

    def walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[tuple[str, str]]:
        for pattern in patterns:
            route = before + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            else:
                yield route, _example(route)

    yield from walk(get_resolver("config.urls").url_patterns, "/")


def _example(route: str) -> str:
    plain = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", route)  # a group of a regular expression
    plain = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: EXAMPLES.get(match[1], "1"), plain)
    return plain.replace("^", "").replace("$", "").replace("/?", "/")


ADDRESSES = dict(addresses())


@pytest.fixture
def visitor(db) -> Client:
    factories.a_campaign()
    return Client(raise_request_exception=False)


def assert_is_safe(answer: HttpResponseBase) -> None:
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Permissions-Policy"]
    assert answer["Cache-Control"]
    assert answer["X-Request-ID"]


def test_the_walk_finds_the_whole_house():
    assert len(ADDRESSES) > 60
    assert {"/", "/health/ready", WEBHOOK_PATH, "/api/v1/contributions/<str:public_id>/"} <= set(ADDRESSES)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("route", sorted(ADDRESSES))
def test_every_route_answers_with_headers_that_keep_a_browser_safe(visitor, route, method):
    answer = visitor.generic(method, ADDRESSES[route])

    assert answer.status_code < 500
    assert_is_safe(answer)


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing/", "/api/v1/contributions/x/"])
def test_what_is_not_there_is_answered_safely_too(visitor, path):
    answer = visitor.get(path)

    assert answer.status_code == 404
    assert_is_safe(answer)


@pytest.mark.parametrize("path", ["/", "/api/v1/campaigns/", WEBHOOK_PATH])
def test_a_host_that_is_not_ours_is_refused_safely(visitor, path):
    answer = visitor.post(path, headers={"Host": "evil.example"})

    assert answer.status_code == 400
    assert b"evil.example" not in answer.content
    assert_is_safe(answer)


def test_a_page_that_breaks_is_answered_safely(visitor, monkeypatch):
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("as if by a bug")

    monkeypatch.setattr("donations.views.queries.get_running_campaigns", broken)
    answer = visitor.get("/api/v1/campaigns/")

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "server_error"
    assert_is_safe(answer)


def test_scripts_and_styles_come_from_us_alone(visitor):
    policy = visitor.get("/support/support-us/")["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))

    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in policy
    assert "*" not in policy
    assert rules["base-uri"] == "'none'"


def test_forms_may_lead_to_stripes_pages_and_nowhere_else(visitor, settings):
    settings.STRIPE_API_BASE = None
    settings.STRIPE_CHECKOUT_HOSTS = ["checkout.stripe.com"]
    policy = visitor.get("/support/support-us/")["Content-Security-Policy"]

    assert policy.endswith("form-action 'self' https://checkout.stripe.com")


def test_browsers_are_sent_to_https_and_told_to_stay_there(visitor, settings):
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 3600
    fresh = Client()
    moved = fresh.get("/support/")
    stays = fresh.get("/support/", secure=True)

    assert (moved.status_code, moved["Location"]) == (301, "https://testserver/support/")
    assert stays["Strict-Transport-Security"] == "max-age=3600; includeSubDomains; preload"


def test_an_event_of_stripe_is_not_taken_over_plain_http(db, settings):
    settings.SECURE_SSL_REDIRECT = True

    assert Client().post(WEBHOOK_PATH, b"{}", content_type="application/json").status_code == 301


# --- Caches -------------------------------------------------------------------------------------------

CACHEABLE = {"/api/v1/campaigns/": 60, "/api/v1/campaigns/<slug:slug>/": 60}
API = sorted(route for route in ADDRESSES if route.startswith("/api/v1/"))
FOR_STAFF = {STATS_PATH, "/api/v1/reports/<slug:report>/"}  # knows who asks by the session of the admin


@pytest.mark.parametrize("route", API)
def test_an_answer_of_the_api_is_kept_by_caches_only_on_purpose(visitor, route):
    answer = visitor.get(ADDRESSES[route])
    if route in CACHEABLE:
        assert answer.status_code == 200
        assert set(answer["Cache-Control"].split(", ")) == {"public", f"max-age={CACHEABLE[route]}"}
    else:
        assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("route", sorted(set(API) - FOR_STAFF))
def test_an_answer_of_the_api_does_not_depend_on_cookies_or_languages(visitor, route):
    varies = visitor.get(ADDRESSES[route], headers={"Accept-Language": "ru"}).get("Vary", "").lower()

    assert "cookie" not in varies
    assert "accept-language" not in varies


def test_the_api_speaks_english_even_after_a_russian_page_in_the_same_thread(visitor):
    wrong = {"campaign": "support-us", "interval": "once", "amount": 2500, "currency": "USD", "name": ["x"]}
    before = visitor.post("/api/v1/contributions/", wrong, content_type="application/json").content
    visitor.get("/support/support-us/", headers={"Accept-Language": "ru"})
    visitor.get("/admin/login/", headers={"Accept-Language": "ru"})
    after = visitor.post(
        "/api/v1/contributions/", wrong, content_type="application/json", headers={"Accept-Language": "ru"}
    ).content

    assert b"name" in before
    assert after == before


# --- Lanes --------------------------------------------------------------------------------------------


def test_the_lane_of_webhooks_leads_where_the_route_does():
    from django.urls import reverse

    assert reverse("donations:stripe-webhook") == WEBHOOK_PATH


def test_an_answer_through_the_lane_says_its_length(visitor):
    answer = visitor.post(WEBHOOK_PATH, b"{}", content_type="application/json")

    assert answer["Content-Length"] == str(len(answer.content))


def test_an_appeal_takes_a_lane_of_its_own_to_where_the_route_leads(visitor, db):
    """Once from the database and once from the cache, and for a campaign that does not exist."""
    path = ADDRESSES["/api/v1/campaigns/<slug:slug>/"]
    for answer in (visitor.get(path), visitor.get(path)):
        assert answer.resolver_match.view_name == "donations:campaign"
        assert answer["Content-Length"] == str(len(answer.content))
        assert answer["X-Request-ID"]
        assert "default-src 'none'" in answer["Content-Security-Policy"]
    missing = visitor.get("/api/v1/campaigns/not-there/")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    assert visitor.get(path, headers={"Host": "evil.example"}).status_code == 400
    assert visitor.post(path, {}, content_type="application/json").status_code == 405
    assert visitor.head(path).status_code == 200
    assert visitor.get(path.rstrip("/")).status_code == 301


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/campaigns/", True),
        ("/health/live", True),
        ("/support/", False),
        ("/admin/", False),
        ("/apiary", False),
    ],
)
def test_programs_are_told_from_browsers_by_the_address(rf, path, expected):
    assert is_for_programs(rf.get(path)) is expected
