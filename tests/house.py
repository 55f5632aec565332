"""The whole house in one process, for tests: what a reader, Stripe and a worker do, as short verbs."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.test import Client

from donations import (
    before_money,
    changes,
    doubles,
    dunning,
    inbox,
    pauses,
    payouts,
    queries,
    returns,
    services,
    withdrawals,
)
from donations.models import StripeEvent
from donations.reports import rebuilding
from members import clock, outbox
from sandbox.server import Sandbox

CONTRIBUTIONS = "/api/v1/contributions/"
WEBHOOK = "/api/v1/webhooks/stripe/"

A_GIFT: dict[str, Any] = {
    "campaign": "support-us",
    "interval": "once",
    "amount": 2500,
    "currency": "USD",
    "email": "ada@example.org",
}
GOOD_CARD = "4242424242424242"


def session_of(answer: dict[str, Any]) -> str:
    """The id of the checkout that an answer of the API leads to."""
    return str(answer["checkout_url"]).rsplit("/", 1)[1]


@dataclass
class House:
    api: Client
    stripe: Sandbox

    def give(self, *, key: str = "", **changes: Any) -> Any:
        """Ask the API for a checkout; the raw response."""
        headers = {"Idempotency-Key": key} if key else {}
        body = {name: value for name, value in {**A_GIFT, **changes}.items() if value is not ...}
        return self.api.post(CONTRIBUTIONS, body, content_type="application/json", headers=headers)

    def give_from(self, address: str) -> Any:
        """The same from somewhere else, as our proxy tells it."""
        headers = {"X-Forwarded-For": address}
        return self.api.post(CONTRIBUTIONS, A_GIFT, content_type="application/json", headers=headers)

    def begin(self, **changes: Any) -> dict[str, Any]:
        """Ask the API for a checkout; its answer, which must be good."""
        response = self.give(**changes)
        assert response.status_code == 201, response.content
        return dict(response.json())

    def give_and_pay(self, card: str = GOOD_CARD, *, method: str = "card", **changes: Any) -> dict[str, Any]:
        """Begin, pay on Stripe's page, and let everything happen that follows."""
        answer = self.begin(**changes)
        self.stripe.pay(session_of(answer), card=card, method=method)
        self.catch_up()
        return answer

    def status(self, answer: dict[str, Any]) -> dict[str, Any]:
        """How a contribution stands, as the API tells it."""
        response = self.api.get(f"{CONTRIBUTIONS}{answer['id']}/")
        assert response.status_code == 200, response.content
        return dict(response.json())

    def advance(self, **by: float) -> None:
        """Move Stripe's clock, which is the house's clock, and let everything happen that follows."""
        self.stripe.advance(timedelta(**by))
        self.catch_up()

    def deliver(self, webhooks: list[Any]) -> None:
        """Hand webhooks over HTTP to our endpoint."""
        for webhook in webhooks:
            headers = {name: value for name, value in webhook.headers.items() if name != "Content-Type"}
            response = self.api.post(WEBHOOK, webhook.body, content_type="application/json", headers=headers)
            assert response.status_code == 200, response.content

    def work(self) -> None:
        """What workers and sweeps do, until nothing is left."""
        now = clock.now()
        inbox.process_waiting(now=now)
        payouts.list_lines(now=now)
        services.settle(now=now)
        dunning.write_due(now=now)
        doubles.finish_undoing(now=now)
        returns.end_disputed_plans(now=now)
        doubles.notice_due(now=now)
        before_money.sweep(now=now)
        withdrawals.carry_out(now=now)
        changes.finish(now=now)
        pauses.tell_of_ends(now=now)
        outbox.deliver_due(now=now)

    def catch_up(self, *, seed: int | None = None, duplicates: bool = False) -> None:
        """Deliver all that Stripe has to say, in order or shuffled, and work it off."""
        waiting = self.stripe.take_webhooks()
        while True:
            news = waiting * 2 if duplicates else waiting
            if seed is not None:
                random.Random(seed).shuffle(news)
            self.deliver(news)
            self.work()
            following = self.stripe.take_webhooks()  # what our own calls brought about
            if not following:
                return
            waiting = following

    def assert_books_agree(self) -> None:
        """Our books and Stripe's are the same, to the cent, and nothing waits for anybody."""
        assert not StripeEvent.objects.exclude(state__in=["PROCESSED", "IGNORED"]).exists(), list(
            StripeEvent.objects.exclude(state__in=["PROCESSED", "IGNORED"]).values(
                "type", "state", "problem", "waits_for"
            )
        )
        assert queries.get_books() == self.stripe.books()
        assert rebuilding.compare().agrees, "the journal of the reports tells what the books say"
