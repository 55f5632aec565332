"""What `make bench` sends is what the house takes: figures of refused requests would mean nothing."""

from __future__ import annotations

import pytest

from benchmarks import load, reminders_parts, traffic
from benchmarks.report import Target
from donations.models import Contribution, StripeEvent
from reminders import dispatch
from reminders.models import ReminderSend
from tests import factories
from tests.house import CONTRIBUTIONS


def parts(raw: bytes) -> tuple[str, dict[str, str], bytes]:
    """Path, headers and body of a request as it goes over the wire."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(headers.pop("Content-Length", 0)) == len(body)
    for name in ("Host", "Content-Type"):
        headers.pop(name, None)
    return first.split(" ")[1], headers, body


@pytest.mark.django_db
def test_the_events_are_five_kilobytes_signed_and_all_different(api, settings):
    settings.STRIPE_WEBHOOK_SECRETS, settings.STRIPE_API_BASE = [traffic.WEBHOOK_SECRET], None
    for raw in traffic.build("webhook", 3):
        path, headers, body = parts(raw)
        assert len(body) == traffic.EVENT_BYTES
        assert api.post(path, body, content_type="application/json", headers=headers).status_code == 200

    assert StripeEvent.objects.filter(type="invoice.paid").count() == 3


def test_the_gifts_are_taken(house):
    for raw in traffic.build("create", 2):
        path, headers, body = parts(raw)
        assert path == CONTRIBUTIONS
        assert house.api.post(path, body, content_type="application/json", headers=headers).status_code == 201

    assert Contribution.objects.filter(checkout_state="OPEN").count() == 2


def test_the_generator_waits_for_each_answer_and_counts_it(running_sandbox):
    result = load.run(
        port=running_sandbox.server.port, requests=traffic.build("nothing", 40), connections=4, seconds=60
    )

    assert result["requests"] == 40
    assert result["statuses"] == {404: 40}  # the sandbox has no such page
    assert 0 < result["p50_ms"] <= result["p99_ms"]


def test_the_generator_offers_requests_at_a_pace(running_sandbox):
    result = load.run(
        port=running_sandbox.server.port,
        requests=traffic.build("nothing", 20),
        connections=4,
        seconds=60,
        rate=100,
    )

    assert result["requests"] == 20
    assert result["seconds"] >= 0.19  # the last is due after 190 ms, and is not sent before


@pytest.mark.parametrize(
    ("target", "is_met"),
    [
        (Target("a", 0.80, least=0.8), True),
        (Target("a", 0.79, least=0.8), False),
        (Target("a", 14, most=14), True),
        (Target("a", 15, most=14), False),
        (Target("a", 0, most=0), True),
    ],
)
def test_a_target_is_met_or_missed(target, is_met):
    assert target.is_met is is_met


@pytest.mark.django_db
def test_of_the_reminders_that_are_due_each_is_decided_about(settings):
    settings.REMINDER_HOLD_OUT_PERCENT = 0
    factories.a_campaign()
    reminders_parts.lay_out(120)

    found = dispatch.dispatch_due(now=reminders_parts.morning(), limit=1000)
    assert (found.handed_over, found.suppressed) == (116, 4)
    assert set(ReminderSend.objects.filter(state="SUPPRESSED").values_list("reason", flat=True)) == {"given"}
