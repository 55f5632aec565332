"""
What the tests share: a fresh Stripe in each, and a house that can be told to catch up.

The people: Ada gives once, Grace gives monthly, Charlie never. All are samples at example.org.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from django.contrib.auth.signals import user_logged_in
from django.core.cache import cache
from django.test import Client

from members import staff_session
from sandbox.server import Running, Sandbox
from staff.models import AuthenticatorApp
from tests import factories
from tests.browser import CHROMIUM
from tests.checked import CheckedSandbox
from tests.house import House

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# A page that a test makes up lies nowhere, and so not on this machine: Chromium would have to ask first.
_CHROMIUM_FLAGS = ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks"]

# The same made-up examples in each run: what is refused today was not let through by chance yesterday.
hypothesis.settings.register_profile("the same each time", derandomize=True, database=None)
hypothesis.settings.load_profile("the same each time")


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Running]:
    with Running(Sandbox()) as running:
        yield running


@pytest.fixture
def stripe_sandbox(running_sandbox, settings) -> Iterator[CheckedSandbox]:
    """
    An offline Stripe with an empty account, to which the real SDK talks over HTTP.

    Every request of ours, and every object and event that it answers with, is judged by the SDK's own shapes.
    """
    settings.STRIPE_API_BASE = running_sandbox.url
    sandbox = CheckedSandbox()
    running_sandbox.use(sandbox)
    yield sandbox
    assert not sandbox.problems, "\n".join(sandbox.problems)


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()


@pytest.fixture(autouse=True)
def _second_factor_of_staff(request: pytest.FixtureRequest) -> Iterator[None]:
    """
    Whoever is signed in by `force_login` has given a second factor as well; `real_sign_in` tests go through the pages.
    """
    if request.node.get_closest_marker("real_sign_in"):
        yield
        return
    user_logged_in.connect(_give_second_factor, dispatch_uid="tests")
    yield
    user_logged_in.disconnect(dispatch_uid="tests")


def _give_second_factor(request: Any, user: Any, **_signal: Any) -> None:
    device, _ = AuthenticatorApp.objects.get_or_create(user=user, name="of the tests")
    staff_session.begin(request, device)


@pytest.fixture
def api() -> Client:
    """A client of the API; what breaks on our side comes as a 500, as it would in production."""
    return Client(raise_request_exception=False)


@pytest.fixture
def house(db, stripe_sandbox, api) -> House:
    """The whole house in one process: an API, a worker that works when told to, and Stripe next door."""
    factories.a_campaign()
    factories.the_tiers()
    return House(api, stripe_sandbox)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests that want Playwright; each gets a profile of its own in it."""
    from playwright.sync_api import sync_playwright

    # Playwright's synchronous way runs a loop in this thread, by which Django thinks that we are asynchronous.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_CHROMIUM_FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
