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

from sandbox import params
from sandbox.server import Running, Sandbox
from sandbox.webhooks import Webhook
from tests.stripe_contract import check_answer, check_request

stripe.enable_telemetry = False

KEY = "sk_test_sandbox"
START = datetime(2027, 1, 1, 12, tzinfo=UTC).timestamp()
"""When every test begins. The system's time stands still here: only the sandbox's own clock moves."""


class Checked(Sandbox):
    """A sandbox that writes down whatever it hears or says that Stripe would not."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"system_time": lambda: START, **settings})
        self.problems: list[str] = []
        self.calls: list[str] = []

    def answer(self, request: Request) -> Response:
        response = super().answer(request)
        if request.path.startswith("/v1/"):
            self.calls.append(f"{request.method} {request.path}")
            if response.status_code == 200:
                sent = params.decode(request.query_string.decode())
                sent |= params.decode(request.get_data(as_text=True))
                self.problems += check_request(request.method, request.path, sent)
            if response.mimetype == "application/json":
                self.problems += check_answer(json.loads(response.get_data()))
        return response

    def take_webhooks(self) -> list[Webhook]:
        letters = super().take_webhooks()
        for letter in letters:
            self.problems += check_answer(json.loads(letter.body))
        return letters

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
