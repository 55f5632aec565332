"""One network cannot open checkouts by the thousand, and nobody's address is kept for that."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import RequestFactory

from donations import velocity
from donations.models import Contribution


def test_a_network_that_begins_too_many_gifts_is_told_when_to_come_back(house, settings):
    settings.CHECKOUTS_PER_NETWORK = 3
    assert [house.give().status_code for _ in range(5)] == [201, 201, 201, 429, 429]

    refused = house.give()
    assert refused.json()["error"]["code"] == "too_many_requests"
    assert 1 <= int(refused["Retry-After"]) <= 600
    assert Contribution.objects.count() == 3
    assert len(house.stripe.account.all("checkout.session")) == 3

    house.stripe.advance(velocity.WINDOW)
    assert house.give().status_code == 201


def test_another_network_is_not_held_up(house, settings):
    settings.CHECKOUTS_PER_NETWORK = 1
    settings.TRUSTED_PROXIES = 1
    for address, expected in (("203.0.113.7", 201), ("203.0.113.99", 429), ("198.51.100.7", 201)):
        response = house.give_from(address)
        assert response.status_code == expected


@pytest.mark.parametrize(
    ("proxies", "header", "expected"),
    [
        (0, "198.51.100.1", "192.0.2.1"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "10.0.0.1, " * 20 + "198.51.100.1", "198.51.100.1"),
        (2, "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        (2, "198.51.100.1", "192.0.2.1"),
        (1, "", "192.0.2.1"),
    ],
)
def test_only_what_our_own_proxies_wrote_is_believed(settings, proxies, header, expected):
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", headers={"X-Forwarded-For": header})
    assert velocity.client_address(request) == expected


def test_no_address_is_kept(house, settings):
    settings.CHECKOUTS_PER_NETWORK = 3
    settings.TRUSTED_PROXIES = 1
    house.give_from("203.0.113.7")

    assert "203.0.113" not in str(list(cache._cache.items()))
