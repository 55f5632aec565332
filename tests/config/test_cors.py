"""The newspaper's own pages may call the API; nobody else's may, however alike the address looks."""

from __future__ import annotations

import pytest

from tests import factories
from tests.house import A_GIFT

OURS = "https://news.example"  # as tests/settings.py allows it
FOREIGN = [
    "https://news.example.evil.example",
    "https://evilnews.example",
    "https://evil-news.example",
    "https://www.news.example",
    "https://news.example.",
    "https://news.example:443",
    "https://news.example:8443",
    "https://news.exampl",
    "https://news.examples",
    "https://newsXexample",
    "https://NEWS.EXAMPLE",
    "https://News.Example",
    "https://news.example@evil.example",
    "https://user@news.example",
    "https://evil.example/https://news.example",
    "https://evil.example,https://news.example",
    "https://news.example https://evil.example",
    " https://news.example.evil.example",
    "http://news.example",
    "ws://news.example",
    "file://news.example",
    "file://",
    "chrome-extension://news.example",
    "javascript:news.example",
    "data:text/html,hello",
    "//news.example",
    "news.example",
    "null",
    "*",
    "",
    "https://",
    "https://xn--nws-qka.example",  # nëws.example, as a browser sends it
    "https://nеws.example",  # with a Cyrillic е
    "https://news%2eexample",
    "https://news.example\\.evil.example",
    "https://[::1]",
    "https://[news.example",
    "https://127.0.0.1",
    "https://localhost",
    "http://testserver",
]
PATHS = ["/api/v1/campaigns/", "/api/v1/campaigns/support-us/", "/api/v1/contributions/"]


pytestmark = pytest.mark.usefixtures("appeal")


@pytest.fixture
def appeal(db) -> None:
    factories.a_campaign()


def cors(answer) -> dict[str, str]:
    return {name: value for name, value in answer.items() if name.lower().startswith("access-control-")}


def preflight(api, path: str, origin: str, method: str = "POST"):
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    return api.options(path, headers=headers)


@pytest.mark.parametrize("origin", FOREIGN)
def test_an_origin_that_is_not_allowed_gets_no_permission(api, origin):
    for path in PATHS:
        assert cors(api.get(path, headers={"Origin": origin})) == {}
        assert cors(preflight(api, path, origin)) == {}


def test_an_origin_that_is_not_allowed_cannot_begin_a_gift_behind_a_readers_back(api):
    """Without permission a browser does not even send it: JSON needs a preflight."""
    answer = preflight(api, "/api/v1/contributions/", "https://evil.example")

    assert cors(answer) == {}
    text = {"Origin": "https://evil.example"}
    sneaked = api.post("/api/v1/contributions/", '{"amount": 1}', content_type="text/plain", headers=text)
    assert sneaked.status_code == 415


@pytest.mark.parametrize("path", PATHS)
def test_the_newspapers_page_may_read_and_begin(api, path):
    answer = preflight(api, path, OURS)

    assert answer.status_code == 200
    assert cors(answer) == {
        "access-control-allow-origin": OURS,
        "access-control-allow-methods": "GET, POST, OPTIONS",
        "access-control-allow-headers": "authorization, content-type, idempotency-key",
        "access-control-expose-headers": "retry-after, x-request-id",
        "access-control-max-age": "600",
    }


@pytest.mark.usefixtures("stripe_sandbox")
def test_the_newspapers_page_reads_the_answer_of_a_gift(api):
    answer = api.post(
        "/api/v1/contributions/", A_GIFT, content_type="application/json", headers={"Origin": OURS}
    )

    assert answer.status_code == 201
    assert answer["Access-Control-Allow-Origin"] == OURS
    assert "origin" in answer["Vary"].lower()


@pytest.mark.parametrize("path", PATHS)
def test_nobody_may_send_cookies_along(api, path):
    for origin in (OURS, "https://evil.example"):
        for answer in (api.get(path, headers={"Origin": origin}), preflight(api, path, origin)):
            assert not answer.has_header("Access-Control-Allow-Credentials")
            assert answer.get("Access-Control-Allow-Origin") != "*"


@pytest.mark.parametrize(
    "path",
    ["/api/v1/webhooks/stripe/", "/health/ready", "/admin/login/", "/support/support-us/", "/api/v1/schema/"],
)
def test_nothing_but_the_widgets_calls_is_open_even_to_the_newspapers_page(api, path):
    assert cors(api.get(path, headers={"Origin": OURS})) == {}
    assert cors(preflight(api, path, OURS)) == {}


def test_a_cache_keeps_the_answers_to_different_origins_apart(api):
    for headers in ({}, {"Origin": OURS}, {"Origin": "https://evil.example"}):
        assert "origin" in api.get("/api/v1/campaigns/support-us/", headers=headers)["Vary"].lower()
