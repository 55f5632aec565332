"""What the tests of the pages share."""

from __future__ import annotations

import pytest
from django.test import Client

from donations.models import Campaign
from tests import factories


@pytest.fixture
def reader() -> Client:
    """A browser that asks for English and checks that forms come from our own page."""
    return Client(enforce_csrf_checks=True, raise_request_exception=False, headers={"Accept-Language": "en"})


@pytest.fixture
def appeal(db) -> Campaign:
    """One running campaign, and no Stripe."""
    return factories.a_campaign()
