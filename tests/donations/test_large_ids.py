"""
The two thousand million and first gift is taken like the first (RELIABILITY.md: I33, F43).

Others had outages when the numbers of a table outgrew 32 bits; ours start just below that here.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import connection, models

from donations.models import Contribution, Payment, StripeEvent
from members.models import Member, Message

NEARLY_FULL = 2**31 - 3


def our_models() -> list[type[models.Model]]:
    return [model for name in ("members", "donations") for model in apps.get_app_config(name).get_models()]


@pytest.fixture
def worn_sequences(db: None) -> Iterator[None]:
    """Every table of ours gives its next row a number just below 2³¹."""
    keys = {
        model._meta.db_table: model._meta.pk.column
        for model in our_models()
        if isinstance(model._meta.pk, models.AutoField)  # what we number ourselves has no sequence
    }
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":  # rolled back with the test
            for table in keys:
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute(
                    "INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, NEARLY_FULL]
                )
            yield
            return
        sequences = []
        for table, key in keys.items():
            cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [table, key])
            [name] = cursor.fetchone()
            cursor.execute(f"SELECT last_value, is_called FROM {name}")  # noqa: S608 - the database's own name
            sequences.append((name, *cursor.fetchone()))
            cursor.execute("SELECT setval(%s, %s)", [name, NEARLY_FULL])
    yield
    with connection.cursor() as cursor:  # sequences are not rolled back
        for sequence in sequences:
            cursor.execute("SELECT setval(%s, %s, %s)", sequence)


def test_gifts_are_taken_beyond_two_to_the_thirty_one(worn_sequences, house, mailoutbox):
    cards = ["4242424242424242", "5555555555554444", "378282246310005"]
    answers = [
        house.give_and_pay(card, email=f"ada{number}@example.org") for number, card in enumerate(cards)
    ]
    answers.append(
        house.give_and_pay("4000000000000077", interval="month", amount=500, email="grace@example.org")
    )

    for model in (Contribution, Payment, StripeEvent, Member, Message):
        assert model._default_manager.latest("pk").pk > 2**31, model
    assert [house.status(answer)["status"] for answer in answers] == ["paid"] * 3 + ["active"]
    assert len({payment.receipt_number for payment in Payment.objects.all()}) == 4
    assert len(mailoutbox) == 5  # four receipts and a welcome
    house.assert_books_agree()


def test_every_table_numbers_its_rows_with_64_bits():
    narrow = [
        field
        for model in our_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.AutoField) and not isinstance(field, models.BigAutoField)
    ]
    assert narrow == []
