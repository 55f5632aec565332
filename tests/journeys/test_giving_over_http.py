"""
Readers give over HTTP: web, worker, beat and the offline Stripe as processes of their own.

On PostgreSQL the house stands on a database and a Redis of its own; else on what is embedded.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection

from config import demo
from tests.waiting import until

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

DATABASE = f"sustainer_journeys_{os.getpid()}"  # several runs may share a server


def call(address: str, body: Any = None) -> tuple[int, Any]:
    """GET, or POST of JSON; status and JSON of the answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture(scope="module")
def services() -> Iterator[dict[str, str]]:
    if connection.vendor != "postgresql":
        yield {}
        return
    found = connection.settings_dict
    server = {
        "host": found["HOST"],
        "port": found["PORT"] or 5432,
        "user": found["USER"],
        "password": found["PASSWORD"],
    }
    with psycopg.connect(dbname="postgres", autocommit=True, **server) as maintenance:
        maintenance.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        maintenance.execute(f"CREATE DATABASE {DATABASE}")
        yield {
            "DATABASE_URL": f"postgres://{server['user']}:{server['password']}@{server['host']}:{server['port']}/{DATABASE}",
            "CELERY_BROKER_URL": os.environ.get("CELERY_BROKER_URL", "filesystem://localhost/"),
        }
        maintenance.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


@pytest.fixture(scope="module")
def house(services, tmp_path_factory) -> Iterator[demo.House]:
    open_house = demo.House(0, 0, tmp_path_factory.mktemp("house"), services=services)
    open_house.start()
    yield open_house
    open_house.stop()


def begin(house: demo.House, **wish: Any) -> tuple[str, str]:
    """A contribution and the session on which it is paid."""
    sent = {"campaign": "support-us", "interval": "once", "email": "ada@example.org", **wish}
    status, begun = call(f"{house.url}/api/v1/contributions/", sent)
    assert status == 201, begun
    return begun["id"], begun["checkout_url"].rsplit("/", 1)[1]


def pay(house: demo.House, session: str, **how: Any) -> int:
    status, _ = call(
        f"{house.sandbox_url}/_sandbox/sessions/{session}/pay", {"card": "4242424242424242", **how}
    )
    return status


def stands(house: demo.House, public_id: str, status: str) -> None:
    """Wait until the API tells this status."""
    until(
        lambda: call(f"{house.url}/api/v1/contributions/{public_id}/")[1]["status"] == status,
        what=f"{public_id} to be {status}",
    )


def books_agree(house: demo.House) -> Any:
    """Wait until our books and Stripe's are the same, to the last unit; returns them."""
    theirs = call(f"{house.sandbox_url}/_sandbox/books")[1]
    until(lambda: json.loads(house.manage("books", "--json")) == theirs, what=f"our books to be {theirs}")
    return theirs


def mails(house: demo.House, kind: str) -> int:
    return len(list((house.data_dir / "mail").glob(f"*-{kind}-*.eml")))


GIFTS = [
    ("USD", "once", 2500, "paid"),
    ("USD", "month", 500, "active"),
    ("EUR", "year", 5000, "active"),
    ("JPY", "once", 3000, "paid"),
    ("JPY", "month", 1000, "active"),
    ("KWD", "once", 5000, "paid"),
    ("KWD", "year", 20000, "active"),
]


def test_readers_give_and_the_books_agree_to_the_last_unit(house):
    begun = []
    for number, (currency, interval, amount, expected) in enumerate(GIFTS):
        public_id, session = begin(
            house,
            currency=currency,
            interval=interval,
            amount=amount,
            email=f"reader{number}@example.org",
            cover_fees=True,
        )
        assert pay(house, session) == 200
        begun.append((public_id, expected))

    declined, session = begin(house, currency="EUR", amount=1000, email="charlie@example.org")
    assert pay(house, session, card="4000000000000002") == 402
    stands(house, declined, "pending")
    assert pay(house, session) == 200
    begun.append((declined, "paid"))

    settled, session = begin(house, currency="EUR", amount=2500, interval="month", email="grace@example.org")
    assert pay(house, session, method="bank_debit") == 200
    stands(house, settled, "processing")
    bounced, session = begin(house, currency="EUR", amount=2500, email="bounced@example.org")
    assert pay(house, session, method="bank_debit", card="DE62370400440532013001") == 200
    stands(house, bounced, "processing")
    left, _ = begin(house, currency="USD", amount=2500, email=None)

    for public_id, expected in begun:
        stands(house, public_id, expected)
    books_agree(house)

    call(f"{house.sandbox_url}/_sandbox/clock", {"advance": "8 days"})

    stands(house, settled, "active")
    stands(house, bounced, "failed")
    stands(house, left, "expired")
    books = books_agree(house)
    assert books["EUR"]["active_subscriptions"] == 2
    paid = len(begun) + 1
    until(lambda: mails(house, "receipt") == paid, what=f"{paid} receipts")

    call(f"{house.sandbox_url}/_sandbox/clock", {"advance": "31 days"})

    renewals = 3  # USD, JPY and EUR are monthly
    until(lambda: mails(house, "receipt") == paid + renewals, what="the renewals' receipts")
    books_agree(house)
    backlog = call(f"{house.url}/health/ready")[1]["events"]
    assert (backlog["parked"], backlog["quarantined"]) == (0, 0)


def test_what_was_lost_on_its_way_is_fetched_by_reconciliation(house):
    call(f"{house.sandbox_url}/_sandbox/webhooks", {"mode": "drop"})
    public_id, session = begin(house, currency="USD", amount=2500, email="lost@example.org")
    assert pay(house, session) == 200
    stands(house, public_id, "pending")

    would = house.manage("reconcile_stripe", "--dry-run")
    done = house.manage("reconcile_stripe")
    call(f"{house.sandbox_url}/_sandbox/webhooks", {"mode": "normal"})

    assert "would be fetched" in would
    assert "were fetched" in done
    stands(house, public_id, "paid")
    books_agree(house)
