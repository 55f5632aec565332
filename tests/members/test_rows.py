"""Thousands of rows at once: found by a list, and inserted once each, the same on every database."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from members.models import Message, Tier
from members.rows import among, insert_columns, insert_new

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
AWKWARD = [
    'a "quoted" one',
    "back\\slash",
    "{curly, brackets}",
    "NULL",
    "",
    " spaces ",
    "строка",
    "it's",
    "a\nb",
]


def messages(keys: list[str], *, ids: list[uuid.UUID] | None = None) -> int:
    return insert_columns(
        Message,
        each={
            "public_id": ids or [uuid.uuid4() for _ in keys],
            "dedup_key": keys,
            "deliver_before": [None if key == "first" else NOON for key in keys],
        },
        same={"kind": "reminder", "recipient_hash": "k:1", "locale": "en", "message_id": "<1@x>", "owed_at": NOON,
              "next_attempt_at": NOON},
    )  # fmt: skip


def test_columns_become_rows_with_defaults_for_what_nobody_named() -> None:
    ids = [uuid.uuid4(), uuid.uuid4()]
    assert messages(["first", "second"], ids=ids) == 2

    first, second = Message.objects.order_by("pk")
    assert (first.public_id, first.dedup_key, first.deliver_before) == (ids[0], "first", None)
    assert (second.public_id, second.dedup_key, second.deliver_before) == (ids[1], "second", NOON)
    assert (first.state, first.attempts, first.recipient, first.context) == ("OWED", 0, "", {})


def test_what_is_known_is_left_out_and_the_rest_is_counted() -> None:
    assert messages(["first", "second"]) == 2
    assert messages(["second", "third", "third"]) == 1


@pytest.mark.parametrize("insert", ["instances", "columns"])
def test_every_text_arrives_as_it_was(insert: str) -> None:
    texts = [f"{text}{number}" for text in AWKWARD for number in range(3)]
    if insert == "columns":
        assert messages(texts) == len(texts)
    else:
        rows = [
            Message(kind="k", recipient="a@example.org", recipient_hash="k:1", dedup_key=text, locale="en",
                    message_id="<1@x>", owed_at=NOON, next_attempt_at=NOON, context={"text": text})
            for text in texts
        ]  # fmt: skip
        assert insert_new(rows) == len(texts)
        assert [row.context["text"] for row in Message.objects.order_by("pk")] == texts
    assert list(Message.objects.order_by("pk").values_list("dedup_key", flat=True)) == texts
    assert Message.objects.filter(among("dedup_key", texts)).count() == len(texts)


@pytest.mark.parametrize("values", [[], [1], list(range(-5, 3000))], ids=["none", "one", "thousands"])
def test_a_list_of_any_length_finds_what_in_finds(values: list[int]) -> None:
    tiers = [Tier.objects.create(name=f"Tier {n}", slug=f"tier-{n}", position=n) for n in range(3)]
    wanted: Any = [tier.pk for tier in tiers if tier.pk in values]
    assert sorted(Tier.objects.filter(among("pk", values)).values_list("pk", flat=True)) == sorted(wanted)
    assert Tier.objects.exclude(among("pk", values)).count() == 3 - len(wanted)
