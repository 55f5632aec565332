"""The API's description: right, whole, and served by us alone."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.urls import URLPattern
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from config.errors import HTTP_MEANING
from donations import urls
from donations.account import sign_in_urls
from donations.account import urls as account_urls
from reminders import urls as reminder_urls

# Who speaks to it is Stripe, in its own words; and a description does not describe itself.
NOT_DESCRIBED = {"webhooks/stripe/"}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return schema


def test_the_description_is_valid_openapi(described):
    validate_schema(described)

    assert described["openapi"].startswith("3.1")


def test_every_call_of_the_api_is_described(described):
    routes = {str(pattern.pattern) for pattern in urls.urlpatterns if isinstance(pattern, URLPattern)}
    routes |= {f"reminders/{pattern.pattern}" for pattern in reminder_urls.urlpatterns}
    routes |= {"mail/bounces/", "reports/<slug:report>/"}
    routes |= {f"me/{pattern.pattern}" for pattern in account_urls.urlpatterns}
    routes |= {f"sign-in/{pattern.pattern}" for pattern in sign_in_urls.urlpatterns}
    paths = {"/api/v1/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route) for route in routes - NOT_DESCRIBED}

    assert paths == set(described["paths"])


def test_each_call_says_what_it_answers_and_each_field_of_a_gift_is_there(described):
    for path, calls in described["paths"].items():
        for method, call in calls.items():
            assert call["description"], f"{method} {path}"
            assert {"200", "201", "202", "204"} & set(call["responses"]), f"{method} {path}"
    gift = described["components"]["schemas"]["ContributionInput"]
    assert set(gift["properties"]) == {
        "campaign",
        "interval",
        "amount",
        "currency",
        "email",
        "name",
        "cover_fees",
        "locale",
        "return_url",
        "source",
        "newsletter_consent",
        "reminder_consent",
    }
    assert set(gift["required"]) == {"campaign", "interval", "amount", "currency"}
    assert gift["properties"]["amount"]["type"] == "integer"


def test_the_statuses_of_errors_that_a_gift_can_meet_are_described(described):
    statuses = set(described["paths"]["/api/v1/contributions/"]["post"]["responses"])

    assert {str(status) for status in HTTP_MEANING.values()} - {"404"} <= statuses


def test_the_idempotency_key_is_described(described):
    [key] = described["paths"]["/api/v1/contributions/"]["post"]["parameters"]

    assert (key["name"], key["in"]) == ("Idempotency-Key", "header")
    assert not key.get("required")


def test_no_field_of_an_answer_is_personal(described):
    of_things = {"VariantOutput"}  # what has a name there is a way to ask
    of_oneself = {"MeOutput"}  # told to nobody but the reader who is signed in
    for name, schema in described["components"]["schemas"].items():
        if not name.endswith("Input") and name not in of_things | of_oneself:
            assert not {"email", "name"} & set(schema.get("properties", {})), name


def test_the_document_is_served(api):
    answer = api.get("/api/v1/schema/")

    assert answer.status_code == 200
    assert b"openapi: 3.1" in answer.content


class _Loaded(HTMLParser):
    """What a page makes a browser fetch, and whether it holds code of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline = ""
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        for name in ("src", "href"):
            if tag != "a" and found.get(name):
                self.addresses.append(str(found[name]))
        self._in_script = tag == "script"
        assert not any(name.startswith("on") for name in found)

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.inline += data.strip()

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False


def test_the_page_for_people_loads_nothing_from_anybody_else(api):
    answer = api.get("/api/v1/docs/")
    page = _Loaded()
    page.feed(answer.content.decode())

    assert answer.status_code == 200
    assert page.inline == ""
    assert len(page.addresses) >= 4
    for address in page.addresses:
        assert address.startswith(("/", "?", "data:")), address
        assert not address.startswith("//")
    assert "script-src 'self';" in answer["Content-Security-Policy"]
    assert "http" not in answer["Content-Security-Policy"]


def test_the_pages_script_asks_us_for_the_document(api):
    script = api.get("/api/v1/docs/", {"script": ""})

    assert script.status_code == 200
    assert "javascript" in script["Content-Type"]
    assert b"/api/v1/schema/" in script.content
    assert not re.search(rb"https?://", script.content)


def test_all_that_the_page_loads_is_installed_with_us(api):
    page = _Loaded()
    page.feed(api.get("/api/v1/docs/").content.decode())
    static = [
        address.removeprefix("/static/") for address in page.addresses if address.startswith("/static/")
    ]

    assert static
    for name in static:
        found = finders.find(name)
        assert found, name
        assert Path(str(found)).stat().st_size > 0
