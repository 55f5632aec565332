"""What the tests of the pages share."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.test import Client

from donations.models import Campaign
from members import clock
from sandbox.server import Running
from tests import factories
from tests.donations import stories
from tests.house import House


@pytest.fixture
def reader() -> Client:
    """A browser that asks for English and checks that forms come from our own page."""
    return Client(enforce_csrf_checks=True, raise_request_exception=False, headers={"Accept-Language": "en"})


@pytest.fixture
def house_out_of_time(house: House, running_sandbox: Running, monkeypatch: pytest.MonkeyPatch) -> House:
    """
    The house beside a Stripe whose clock stands still unless it is moved, by which the house goes to the second.

    What happens there is the same to the letter each time it is played.
    """
    monkeypatch.setattr(
        clock, "now", lambda: datetime.fromtimestamp(running_sandbox.sandbox.account.now(), UTC)
    )
    return House(house.api, running_sandbox.use(stories.a_stripe(seed=0)))


@pytest.fixture
def appeal(db) -> Campaign:
    """One running campaign, and no Stripe."""
    return factories.a_campaign()
