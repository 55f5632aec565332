"""The readers: Ada gives once, Grace gives monthly, Charlie never gives."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from members import services
from members.models import Member, Tier

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOON


@pytest.fixture
def grace(db: None, now: datetime) -> Member:
    """Grace, who gives every month."""
    return services.get_or_join(email="grace@example.org", name="Grace", locale="en", now=now)


@pytest.fixture
def tiers(db: None) -> dict[str, Tier]:
    """Friend from 24, Patron from 120 dollars a year; Friend from 2,400 yen."""
    friend = Tier.objects.create(slug="friend", name="Friend", position=1)
    patron = Tier.objects.create(slug="patron", name="Patron", position=2)
    friend.thresholds.create(currency="USD", minimum_annual_minor=24_00)
    patron.thresholds.create(currency="USD", minimum_annual_minor=120_00)
    friend.thresholds.create(currency="JPY", minimum_annual_minor=2_400)
    return {"friend": friend, "patron": patron}
