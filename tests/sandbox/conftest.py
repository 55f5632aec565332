"""
The sandbox as a program meets it: the official SDK, over a real socket.

Every call that the SDK makes here and every answer and event it gets is judged by the SDK's own declarations, so a
test fails not only when the sandbox does the wrong thing, but also when it says it in a shape that Stripe does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe
from werkzeug.wrappers import Request, Response

from sandbox.server import Running
from tests.checked import CheckedSandbox
from tests.stripe_contract import check_answer

stripe.enable_telemetry = False

KEY = "sk_test_sandbox"
START = datetime(2027, 1, 1, 12, tzinfo=UTC).timestamp()
"""When every test begins. The system's time stands still here: only the sandbox's own clock moves."""


class Checked(CheckedSandbox):
    """A sandbox that judges itself; what it refuses was meant to be wrong, so then only its answer is judged."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"system_time": lambda: START, **settings})

    def answer(self, request: Request) -> Response:
        known = len(self.problems)
        response = super().answer(request)
        if response.status_code != 200:
            del self.problems[known:]
            if response.mimetype == "application/json":
                self.problems += check_answer(json.loads(response.get_data()))
        return response

    def take_types(self) -> list[str]:
        """The types of the events since the last look, in the order in which they were told."""
        return [letter.type for letter in self.take_webhooks()]


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """One server for all tests."""
    with Running() as server:
        yield server


@pytest.fixture
def sandbox(running: Running) -> Iterator[Checked]:
    """A fresh account for this test; in the end it must have spoken as Stripe does."""
    fresh = Checked()
    running.use(fresh)
    yield fresh
    fresh.take_webhooks()
    assert not fresh.problems, "\n".join(sorted(set(fresh.problems)))


@pytest.fixture
def client(running: Running, sandbox: Checked) -> stripe.StripeClient:
    """The SDK, pointed at the sandbox."""
    return stripe.StripeClient(KEY, base_addresses={"api": running.url})
