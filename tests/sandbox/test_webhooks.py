"""
How the sandbox tells: signed as Stripe signs, tried again as Stripe tries, and mixed up on demand.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe

from sandbox.courier import Courier
from sandbox.errors import StripeError
from sandbox.server import Running
from tests.sandbox.conftest import Checked
from tests.sandbox.gifts import once

SECRET = "whsec_sandbox"
AGES = 10**9  # seconds of tolerance: the clock of these tests stands somewhere else than ours


class Newsroom:
    """An endpoint that remembers what it got and answers as told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, Any], str]] = []
        self.answers = 200
        self.then: Callable[[], None] = lambda: None
        newsroom = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                newsroom.got.append((json.loads(body), self.headers["Stripe-Signature"]))
                stripe.WebhookSignature.verify_header(
                    body.decode(), self.headers["Stripe-Signature"], newsroom.secret, tolerance=None
                )
                newsroom.then()
                self.send_response(newsroom.answers)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Tests are quiet."""

        self.secret = SECRET
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks"

    @property
    def types(self) -> list[str]:
        return [event["type"] for event, _ in self.got]


@pytest.fixture
def newsroom() -> Iterator[Newsroom]:
    endpoint = Newsroom()
    thread = threading.Thread(target=endpoint.server.serve_forever, args=(0.01,))
    thread.start()
    yield endpoint
    endpoint.server.shutdown()
    thread.join()
    endpoint.server.server_close()


def carry(sandbox: Checked) -> int:
    """One round of the post, here and now; returns how many deliveries were tried."""
    return Courier(lambda: (sandbox.account, sandbox.listening)).round()


@pytest.fixture
def listening(running: Running, newsroom: Newsroom) -> Checked:
    """A sandbox whose own courier rests; the tests carry its post."""
    return Checked(webhook_url=newsroom.url)


def make_customer(sandbox: Checked) -> None:
    from sandbox import customers

    with sandbox.account.lock:
        customers.new(sandbox.account, email="ada@example.org", name="Ada")


def test_a_webhook_passes_the_sdks_own_check(client: stripe.StripeClient, sandbox: Checked) -> None:
    sandbox.pay(once(client).id)
    for letter in sandbox.take_webhooks():
        event = client.construct_event(letter.body, letter.headers["Stripe-Signature"], SECRET, AGES)
        assert (event.id, event.type, event.api_version) == (
            letter.event_id,
            letter.type,
            "2026-10-28.endive",
        )
    assert sandbox.take_webhooks() == [], "each is handed out once"


def test_a_signature_is_made_by_the_sandboxs_clock(sandbox: Checked) -> None:
    sandbox.advance(timedelta(days=100))
    moment = datetime(2027, 1, 1, tzinfo=UTC)
    assert sandbox.sign(b"{}", at=moment) == stripe.WebhookSignature.generate_signature_header(
        "{}", SECRET, int(moment.timestamp())
    )
    assert sandbox.sign(b"{}").startswith(f"t={sandbox.account.now()},")
    assert sandbox.sign(b"{}", secret="whsec_other") != sandbox.sign(b"{}")


def test_webhooks_can_be_shuffled_doubled_held_and_dropped(sandbox: Checked) -> None:
    for _ in range(6):
        make_customer(sandbox)
    sandbox.deliver("hold")
    assert sandbox.take_webhooks() == []

    sandbox.deliver("shuffle", seed=7)
    ids = [letter.event_id for letter in sandbox.take_webhooks()]
    made = [event["id"] for event in sandbox.account.all("event")][::-1]
    assert sorted(ids) == sorted(made)
    assert ids != made

    make_customer(sandbox)
    sandbox.deliver("duplicate")
    first, second = sandbox.take_webhooks()
    assert first.event_id == second.event_id

    make_customer(sandbox)
    sandbox.deliver("drop")
    assert sandbox.take_webhooks() == []
    sandbox.deliver("normal")
    assert sandbox.take_webhooks() == []
    with pytest.raises(StripeError):
        sandbox.deliver("lose")


def test_webhooks_arrive_and_are_counted(listening: Checked, newsroom: Newsroom) -> None:
    make_customer(listening)
    event = listening.account.all("event")[0]
    assert event["pending_webhooks"] == 1

    assert carry(listening) == 1

    assert newsroom.types == ["customer.created"]
    assert event["pending_webhooks"] == 0
    [row] = listening.deliveries()["data"]
    assert (row["status"], row["tries"], row["last_status"]) == ("delivered", 1, 200)
    assert carry(listening) == 0


@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_a_failed_delivery_is_tried_again_for_three_days(
    listening: Checked, newsroom: Newsroom, status: int
) -> None:
    newsroom.answers = status
    make_customer(listening)
    tries = carry(listening)
    assert carry(listening) == 0, "not again at once"

    for _ in range(80):
        listening.advance(timedelta(hours=1))
        tries += carry(listening)

    assert tries == len(newsroom.got) == 9
    signed_at = [header.split(",")[0] for _, header in newsroom.got]
    assert len(set(signed_at)) == 9, "each try is signed anew"
    [row] = listening.deliveries()["data"]
    assert (row["status"], row["last_status"]) == ("failed", status)
    assert listening.account.all("event")[0]["pending_webhooks"] == 1


def test_a_long_jump_of_the_clock_does_not_use_up_all_tries(listening: Checked, newsroom: Newsroom) -> None:
    newsroom.answers = 503
    make_customer(listening)
    carry(listening)

    listening.advance(timedelta(days=31))

    assert (carry(listening), carry(listening)) == (1, 0)
    [row] = listening.deliveries()["data"]
    assert row["status"] == "failed", "more than three days after the first try it was the last"


def test_a_delivery_succeeds_once_the_newsroom_is_back(listening: Checked, newsroom: Newsroom) -> None:
    newsroom.answers = 503
    make_customer(listening)
    carry(listening)
    newsroom.answers = 200

    listening.advance(timedelta(minutes=2))
    carry(listening)

    assert listening.account.all("event")[0]["pending_webhooks"] == 0


def test_an_endpoint_that_is_not_there_is_a_failure(running: Running) -> None:
    lonely = Checked(webhook_url="http://127.0.0.1:9/nobody")
    make_customer(lonely)
    carry(lonely)
    [row] = lonely.deliveries()["data"]
    assert (row["status"], row["last_error"]) == ("pending", "ConnectionRefusedError")


def test_the_newsroom_may_call_back_while_it_is_told(
    running: Running, client: stripe.StripeClient, newsroom: Newsroom
) -> None:
    sandbox = running.use(Checked(webhook_url=newsroom.url))
    heard = threading.Event()

    def call_back() -> None:
        client.v1.customers.list()
        heard.set()

    newsroom.then = call_back
    make_customer(sandbox)

    assert heard.wait(10), "the running server's own courier delivers by itself"


def test_endpoints_made_by_the_program_hear_what_they_asked_for(
    client: stripe.StripeClient, sandbox: Checked, newsroom: Newsroom, running: Running
) -> None:
    sandbox.deliver("hold")
    endpoint = client.v1.webhook_endpoints.create(
        {
            "url": newsroom.url,
            "enabled_events": ["checkout.session.completed", "charge.succeeded"],
            "api_version": "2026-10-28.endive",
        }
    )
    newsroom.secret = endpoint.secret
    assert endpoint.secret.startswith("whsec_")
    assert "secret" not in client.v1.webhook_endpoints.retrieve(endpoint.id)
    sandbox.pay(once(client).id)
    running.use(Checked())  # its courier looks elsewhere, so that this test carries alone
    sandbox.deliver("normal")

    assert carry(sandbox) == 2

    assert newsroom.types == ["charge.succeeded", "checkout.session.completed"]


def test_endpoints_can_be_changed_and_removed(client: stripe.StripeClient, sandbox: Checked) -> None:
    sandbox.deliver("hold")
    endpoint = client.v1.webhook_endpoints.create(
        {"url": "https://news.example.org", "enabled_events": ["*"]}
    )
    client.v1.customers.create({})
    assert client.v1.events.list().data[0].pending_webhooks == 2
    client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True, "metadata": {"by": "Grace"}})
    client.v1.customers.create({})
    assert client.v1.events.list().data[0].pending_webhooks == 1
    assert [found.status for found in client.v1.webhook_endpoints.list().data] == ["disabled"]
    assert client.v1.webhook_endpoints.delete(endpoint.id).deleted is True
    assert client.v1.webhook_endpoints.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.webhook_endpoints.create(
            {"url": "https://news.example.org", "enabled_events": ["*"], "api_version": "2020-08-27"}
        )


def test_events_can_be_fetched_by_type_and_fate_for_thirty_days(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.pay(once(client).id)
    event = client.v1.events.list({"type": "charge.*"}).data[0]
    assert event.type == "charge.updated"
    both = client.v1.events.list({"types": ["charge.succeeded", "checkout.session.completed"]}).data
    assert [found.type for found in both] == ["checkout.session.completed", "charge.succeeded"]
    assert client.v1.events.list({"delivery_success": True}).data == []
    sandbox.take_webhooks()
    assert len(client.v1.events.list({"delivery_success": True}).data) == 6
    assert client.v1.events.retrieve(event.id).id == event.id

    sandbox.advance(timedelta(days=31))

    assert client.v1.events.list({"type": "charge.*"}).data == []
    with pytest.raises(stripe.InvalidRequestError) as gone:
        client.v1.events.retrieve(event.id)
    assert gone.value.http_status == 404
