"""
What the tests of the pages share: a sandbox whose clock stands still, a browser, and somebody who gives.

The sandbox is the checked one: whatever a person does on its pages, the events that follow are Stripe's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.conftest import Checked
from tests.sandbox.pages.browser import Browser

SUCCESS = "https://news.example.org/thanks?session_id={CHECKOUT_SESSION_ID}"
CANCEL = "https://news.example.org/support"
START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
def sandbox() -> Iterator[Checked]:
    """A fresh account on 24 November 2026; in the end it must have spoken as Stripe does."""
    fresh = Checked(system_time=START.timestamp)
    yield fresh
    fresh.take_webhooks()
    assert not fresh.problems, "\n".join(sorted(set(fresh.problems)))


@pytest.fixture
def browser(sandbox: Checked) -> Browser:
    """A browser at the sandbox."""
    return Browser(sandbox)


@pytest.fixture
def stripe_api(browser: Browser) -> Any:
    """Calls the sandbox's API as a program would: ``stripe_api("refunds", charge="ch_1")``."""

    def call(path: str, **given: Any) -> Any:
        answer = browser.client.post(
            f"/v1/{path}", data=dict(_flat(given)), headers={"Authorization": "Bearer sk_test_pages"}
        )
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return json.loads(answer.get_data())

    return call


def _flat(given: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Nested values as the SDK sends them: ``a[b][0]=c``."""
    for key, value in given.items() if isinstance(given, dict) else enumerate(given):
        name = f"{at}[{key}]" if at else str(key)
        if isinstance(value, dict | list):
            yield from _flat(value, name)
        else:
            yield name, str(value).lower() if isinstance(value, bool) else str(value)


@pytest.fixture
def a_gift(stripe_api: Any) -> Any:
    """Opens a checkout for one payment and returns the session."""

    def gift(amount: int = 1500, currency: str = "eur", **more: Any) -> Any:
        data = {"currency": currency, "unit_amount": amount, "product_data": {"name": "Contribution"}}
        return stripe_api(
            "checkout/sessions",
            mode="payment",
            submit_type="donate",
            success_url=SUCCESS,
            cancel_url=CANCEL,
            line_items=[{"quantity": 1, "price_data": data}],
            **more,
        )

    return gift


@pytest.fixture
def a_plan(stripe_api: Any) -> Any:
    """Opens a checkout for a subscription and returns the session."""

    def plan(interval: str = "month", **more: Any) -> Any:
        data = {
            "currency": "eur",
            "unit_amount": 1000,
            "recurring": {"interval": interval},
            "product_data": {"name": "Membership"},
        }
        return stripe_api(
            "checkout/sessions",
            mode="subscription",
            success_url=SUCCESS,
            cancel_url=CANCEL,
            line_items=[{"quantity": 1, "price_data": data}],
            **more,
        )

    return plan


@pytest.fixture
def grace(sandbox: Checked, a_plan: Any) -> Any:
    """Gives monthly; her customer's id."""
    return sandbox.pay(a_plan()["id"], email="grace@example.org", name="Grace")["customer"]


@pytest.fixture
def the_portal(stripe_api: Any, grace: Any) -> Any:
    """Opens the portal for Grace and returns its address."""

    def portal(**more: Any) -> str:
        session = stripe_api(
            "billing_portal/sessions", customer=grace, return_url="https://news.example.org/account", **more
        )
        url: str = session["url"]
        return url

    return portal


@pytest.fixture
def past_due(sandbox: Checked, stripe_api: Any, grace: Any) -> Any:
    """Grace's card started to fail and a month went by: her open invoice."""
    method = stripe_api("payment_methods", type="card", card={"number": "4000000000000341"})
    stripe_api(f"payment_methods/{method['id']}/attach", customer=grace)
    subscription = sandbox.account.all("subscription")[0]
    stripe_api(f"subscriptions/{subscription['id']}", default_payment_method=method["id"])
    sandbox.advance(timedelta(days=31))
    return sandbox.account.all("invoice")[0]
