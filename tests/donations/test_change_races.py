"""Two change the same contribution at once: one is asked of Stripe, and the other is told so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connections

from donations import standing, wishes
from donations.errors import ChangeAtWork, ChangedMeanwhile, DonationError
from donations.models import Contribution, ContributionChange, Subscription
from donations.money import Money
from members import clock
from tests.house import House

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "postgresql" not in django_settings.DATABASES["default"]["ENGINE"],
        reason="needs PostgreSQL: SQLite has no row locks",
    ),
]


def test_of_many_at_once_one_changes_it_and_none_is_lost_in_silence(house: House) -> None:
    house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    contribution = Contribution.objects.get()
    seen = standing.get(contribution).version
    start = Barrier(4)

    def change(number: int) -> Any:
        try:
            start.wait()
            return wishes.change_terms(
                Contribution.objects.select_related("campaign").get(pk=contribution.pk),
                amount=Money(800 + 100 * number, "USD"),
                version=seen,
                by=wishes.READER,
                now=clock.now(),
            )
        except DonationError as error:
            return error
        finally:
            connections.close_all()
            clock.close_connection()

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(change, range(4)))

    made = [answer for answer in answers if isinstance(answer, ContributionChange)]
    refused = [answer for answer in answers if isinstance(answer, (ChangeAtWork, ChangedMeanwhile))]
    assert (len(made), len(refused)) == (1, 3)
    house.catch_up()
    assert Subscription.objects.get().amount_minor == made[0].after["amount"]
    assert ContributionChange.objects.get().state == "CONFIRMED"
