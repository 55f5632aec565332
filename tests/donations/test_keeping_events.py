"""An event is stored by a statement of its own, which must not drift away from the model."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from donations import inbox
from donations.models import StripeEvent

BODY = '{"id": "evt_1", "object": "event", "customer": "Zoë", "amount": 500}'
NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
ENVELOPE = inbox.Envelope(
    "evt_1", "invoice.paid", False, "2026-10-28.endive", datetime(2026, 11, 24, 11, 59, 58, tzinfo=UTC)
)


@pytest.mark.django_db
def test_an_event_is_stored_as_the_model_would_store_it():
    assert inbox.keep(ENVELOPE, BODY, now=NOW) is True
    kept = StripeEvent.objects.get()
    modelled = StripeEvent(
        stripe_id=ENVELOPE.id,
        type=ENVELOPE.type,
        livemode=ENVELOPE.livemode,
        api_version=ENVELOPE.api_version,
        occurred_at=ENVELOPE.occurred_at,
        received_at=NOW,
        payload=BODY,
    )

    for field in StripeEvent._meta.local_fields:
        if field.name != "id":
            assert getattr(kept, field.name) == getattr(modelled, field.name), field.name


@pytest.mark.django_db
def test_the_same_event_is_stored_once_and_as_it_came_first():
    inbox.keep(ENVELOPE, BODY, now=NOW)

    assert inbox.keep(ENVELOPE, "{}", now=NOW) is False
    assert StripeEvent.objects.get().payload == BODY
