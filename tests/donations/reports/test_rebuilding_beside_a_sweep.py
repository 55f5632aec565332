"""Making the sums anew while a sweep is at work: neither waits for the other, and each entry is in the sums once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, connections, transaction

from donations.ledger import journal
from donations.models import JournalEntry, Payment
from donations.reports import rebuilding, rollups
from tests import factories
from tests.donations.reports.people import START, a_contribution, a_person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.postgresql
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_the_sums_are_made_anew_while_a_sweep_holds_its_entries() -> None:
    contribution = a_contribution(factories.a_campaign(), a_person("ada"))
    for number in range(4):
        paid_at = START + timedelta(days=number)
        payment = Payment.objects.create(
            contribution=contribution, state="SUCCEEDED", stripe_payment_intent_id=f"pi_{number}", amount_minor=500,
            currency="USD", created_at=paid_at, paid_at=paid_at,
        )  # fmt: skip
        journal.tell_payments([payment], contribution, now=paid_at)
    sweep = connections["default"].copy()
    held = str(JournalEntry.objects.filter(is_rolled_up=False).order_by("pk")[:2].query)
    try:
        with sweep.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(f"{held} FOR UPDATE")

            assert rebuilding.sum_anew() > 0

            cursor.execute("ROLLBACK")
    finally:
        sweep.close()
    assert JournalEntry.objects.filter(is_rolled_up=False).count() == 2
    assert rebuilding.compare().agrees
    with transaction.atomic():
        assert rollups.roll_up() == 2
    assert rebuilding.compare().agrees
