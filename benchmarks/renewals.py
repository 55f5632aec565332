"""
From receipt to books: how fast one process works off the events of a month's renewals.

`python -m benchmarks.renewals` prints one JSON line. The offline Stripe makes the events; then the clock runs only
over `inbox.process_waiting`, and Stripe's door is watched: the books of a renewal need no call.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import django

MEMBERS = 60


class Counted:
    """Counts the statements that are sent to the database, as an execute wrapper."""

    def __init__(self) -> None:
        self.statements = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.statements += 1
        return execute(sql, params, many, context)


def main() -> None:
    """Make the renewals, then work them off."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.conf import settings

    from sandbox.server import Running, Sandbox

    sandbox = Sandbox(settings.STRIPE_WEBHOOK_SECRETS[0])
    with Running(sandbox) as running:
        settings.STRIPE_API_BASE = running.url
        _subscribe(sandbox)
        sandbox.advance(timedelta(days=32))
        print(json.dumps(_work_off(sandbox, running)))


def _subscribe(sandbox: Any) -> None:
    from donations import inbox, services
    from donations.intervals import Interval
    from donations.money import Money
    from members import clock

    now = clock.now()
    for number in range(MEMBERS):
        wish = services.Wish(
            campaign="support-us",
            interval=Interval.MONTH,
            amount=Money(500, "USD"),
            email=f"grace{number}@example.org",
        )
        contribution = services.start_contribution(wish=wish, now=now)
        sandbox.pay(contribution.stripe_session_id, card="4242424242424242")
    _keep(sandbox.take_webhooks())
    inbox.process_waiting(now=clock.now())
    services.settle(now=clock.now())


def _keep(webhooks: list[Any]) -> Counter[str]:
    from donations import inbox
    from members import clock

    types: Counter[str] = Counter()
    now = clock.now()
    for webhook in webhooks:
        envelope, _ = inbox.read_envelope(webhook.body)
        inbox.keep(envelope, webhook.body.decode(), now=now)
        types[envelope.type] += 1
    return types


def _work_off(sandbox: Any, running: Any) -> dict[str, Any]:
    from django.db import connection

    from donations import inbox
    from donations.models import Payment, StripeEvent
    from members import clock

    types = _keep(sandbox.take_webhooks())
    renewals = types["invoice.paid"]
    now = clock.now()
    calls = 0
    answer = sandbox.answer

    def watched(request: Any) -> Any:
        nonlocal calls
        calls += request.path.startswith("/v1/")
        return answer(request)

    sandbox.answer = watched
    count = Counted()
    sample = StripeEvent.objects.filter(type="invoice.paid", state="RECEIVED").values_list("pk", flat=True)[0]
    with connection.execute_wrapper(count):
        inbox.process(event_id=sample, now=now)
    for_one_invoice = count.statements
    with connection.execute_wrapper(count):
        began, used = time.perf_counter(), time.process_time()
        processed = inbox.process_waiting(now=now)
        elapsed, used = time.perf_counter() - began, time.process_time() - used
    left = StripeEvent.objects.exclude(state__in=["PROCESSED", "IGNORED"]).count()
    assert left == 0, f"{left} events were not worked off"
    assert Payment.objects.filter(is_renewal=True, state="SUCCEEDED").count() == renewals == MEMBERS
    return {
        "renewals": renewals,
        "events": processed,
        "per_second": processed / elapsed,
        "renewals_per_second": renewals / elapsed,
        "cpu_us": used * 1e6 / processed,
        "queries_for_invoice_paid": for_one_invoice,
        "queries_an_event": count.statements / processed,
        "stripe_calls": calls,
    }


if __name__ == "__main__":
    main()
