"""A reader with a name like no other, who did everything that leaves a trace; and what is left of her in the house."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import connection

from donations import doubles, naming, offline
from donations.models import Campaign, OfflineGift
from donations.money import Money
from members import clock, complimentary, data_rights, merging, outbox
from members.fields import EncryptedField
from members.models import DataRequest, Member, Tier
from reminders import tasks as reminder_tasks
from tests.house import House

CANARY = {"email": "Canary.Wrenfield-Sample@example.org", "name": "Canary Wrenfield-Sample"}
AT_WORK = {"email": "c.wrenfield-sample@work.example.org", "name": "Canary W."}
TRACES = ("wrenfield", "canary")


def remind(house: House, email: str) -> None:
    wish = {"email": email, "remind": "next_month", "consent_version": "reminder-1"}
    answer = house.api.post("/api/v1/reminders/", wish, content_type="application/json")
    assert answer.status_code == 202, answer.content


def ask_erasure(member: Member, **more: Any) -> DataRequest:
    return data_rights.ask_erasure(member, now=clock.now(), **more)


def settle(house: House, request: DataRequest, *, tries: int = 12) -> DataRequest:
    """Let workers and sweeps do their work, and time pass, until a request is answered."""
    for _ in range(tries):
        data_rights.answer_waiting(now=clock.now())
        house.catch_up()
        naming.forget_late_news(since=clock.now() - naming.LATELY)
        request.refresh_from_db()
        if not request.is_open:
            return request
        house.advance(minutes=5)
    raise AssertionError((request.state, request.steps, request.problem))


@pytest.fixture
def canary(house: House) -> Member:
    """
    A gift that goes on and was renewed, one under another address, one by cheque, a page left open, reminders, mails,
    a refund, notes of staff; and both addresses are known for one person's.
    """
    house.give_and_pay(interval="month", amount=500, newsletter_consent=True, **CANARY)
    house.give_and_pay(card="5555555555554444", **AT_WORK)
    house.advance(days=32)
    house.begin(**CANARY, reminder_consent=True, source={"page_url": "https://news.example/canary"})
    remind(house, CANARY["email"])
    reminder_tasks.dispatch_reminders()
    kept = Member.objects.get(contributions__interval="month")
    old = Member.objects.exclude(pk=kept.pk).get()
    doubles.note_marks()
    why = "Canary Wrenfield-Sample wrote a letter."
    offline.record_offline_gift(
        offline.Entry(
            campaign=Campaign.objects.get(),
            amount=Money(700, "USD"),
            received_on=clock.now().date(),
            method=OfflineGift.Method.CHEQUE,
            reference="Cheque of Canary Wrenfield-Sample",
            note=why,
            **CANARY,
        ),
        key=uuid4(),
        with_receipt=True,
        actor="staff:1",
        now=clock.now(),
    )
    complimentary.give_complimentary(
        member=kept,
        tier=Tier.objects.all()[0],
        until=(clock.now() + timedelta(days=90)).date(),
        actor="staff:1",
        why=why,
        now=clock.now(),
    )
    merging.merge(kept, old, actor="staff:1", why=why, now=clock.now())
    charge = next(key for key, row in house.stripe.account.objects.items() if row["object"] == "charge")
    house.stripe.controls.refund(charge, 100)
    house.catch_up()
    outbox.deliver_due(now=clock.now())
    kept.refresh_from_db()
    return kept


def everything_readable() -> Iterator[tuple[str, str]]:
    """Each value of each column of each table, and what it says to those who hold the keys."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for name, value in zip(names, row, strict=True):
                    raw = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    yield f"{table}.{name}", raw.decode(errors="replace")
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, EncryptedField):
                for row in model._base_manager.all():
                    value = getattr(row, field.name)
                    if isinstance(value, bytes):
                        yield f"{model._meta.label}.{field.name}", value.decode(errors="replace")
                    else:
                        yield (
                            f"{model._meta.label}.{field.name}",
                            value if isinstance(value, str) else json.dumps(value),
                        )


def everything_cached() -> Iterator[tuple[str, str]]:
    held: Any = cache._cache  # type: ignore[attr-defined]  # of either backend: a dictionary, or a client of Redis
    if not isinstance(held, dict):
        client = held.get_client()
        held = {key: client.get(key) for key in client.keys("*")}
    for key, value in held.items():
        yield f"cache:{key!r}", f"{key!r} {value!r}"


def where_told(*traces: str) -> set[str]:
    """In which places of the house one of these words can be read."""
    wanted = traces or TRACES
    return {
        where
        for where, text in [*everything_readable(), *everything_cached()]
        if any(trace in text.casefold() for trace in wanted)
    }
