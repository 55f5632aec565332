"""What a load balancer and a monitor are told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client

from config import health
from donations.models import StripeEvent
from members import clock


def an_event(*, waits: timedelta, state: str = "RECEIVED", number: int = 1) -> StripeEvent:
    moment = clock.now() - waits
    return StripeEvent.objects.create(
        stripe_id=f"evt_{number}",
        type="invoice.paid",
        livemode=False,
        occurred_at=moment,
        received_at=moment,
        payload="{}",
        state=state,
        processed_at=moment if state in ("PROCESSED", "IGNORED") else None,
    )


@pytest.fixture
def ask(db, client):
    def ask():
        response = client.get("/health/ready")
        return response.status_code, response.json()

    return ask


def test_a_process_that_answers_is_alive_whatever_else_is_broken(client):
    """No database mark here: a query would fail this test."""
    response = client.get("/health/live")

    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


def test_a_house_with_nothing_to_do_is_ready(ask):
    status, told = ask()

    assert status == 200
    assert told["status"] == told["database"] == "ok"
    assert told["events"] == {
        "waiting": 0,
        "oldest_waiting_seconds": 0,
        "parked": 0,
        "quarantined": 0,
        "late": False,
    }


def test_an_event_that_waits_for_nine_minutes_is_no_trouble_yet(ask):
    an_event(waits=timedelta(minutes=9))
    status, told = ask()

    assert status == 200
    assert told["events"]["waiting"] == 1
    assert 540 <= told["events"]["oldest_waiting_seconds"] < 600


def test_an_event_that_waits_for_more_than_ten_minutes_means_that_no_worker_works(ask):
    an_event(waits=timedelta(minutes=1), number=1)
    an_event(waits=timedelta(minutes=11), number=2)
    status, told = ask()

    assert status == 503
    assert told["status"] == "failing"
    assert told["events"]["late"] is True
    assert told["database"] == "ok"


def test_what_is_done_or_set_aside_does_not_wait(ask):
    for number, state in enumerate(["PROCESSED", "IGNORED", "PARKED", "QUARANTINED"]):
        an_event(waits=timedelta(days=1), state=state, number=number)
    status, told = ask()

    assert status == 200
    assert (told["events"]["parked"], told["events"]["quarantined"]) == (1, 1)


def test_without_a_database_nothing_can_be_done(ask, monkeypatch):
    def gone(*args, **kwargs):
        raise OperationalError("could not connect to server: postgres://user:a-password@db/")

    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", gone)
        status, told = ask()

    assert status == 503
    assert told["database"] == "unreachable"
    assert "a-password" not in str(told)
    assert "events" not in told


def test_the_embedded_broker_is_told(ask, settings):
    settings.CELERY_BROKER_URL = "filesystem://"

    assert ask()[1]["broker"] == "embedded"


def test_a_broker_that_is_away_is_told_and_does_not_count(ask, settings, monkeypatch):
    """Gifts are taken without it, and sweeps do its work."""

    class Away:
        def connection_for_write(self, **_):
            raise ConnectionRefusedError("redis://:a-password@broker")

    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(health, "current_app", Away())
    status, told = ask()

    assert (status, told["status"], told["broker"]) == (200, "ok", "unreachable")
    assert "a-password" not in str(told)


def test_a_broker_where_nobody_listens_is_found_out_at_once(ask, settings):
    """Through the real client: port 1 of this machine answers nobody."""
    from config.celery import app

    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    before = app.conf.broker_url, app.conf.broker_write_url
    app.conf.broker_url = app.conf.broker_write_url = settings.CELERY_BROKER_URL
    try:
        assert ask()[1]["broker"] == "unreachable"
    finally:
        app.conf.broker_url, app.conf.broker_write_url = before


def test_a_broker_that_answers_is_ok(ask, settings, monkeypatch):
    class Link:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

        def ensure_connection(self, **_):
            """It is there."""

    class There:
        def connection_for_write(self, **_):
            return Link()

    settings.CELERY_BROKER_URL = "redis://127.0.0.1/0"
    monkeypatch.setattr(health, "current_app", There())

    assert ask()[1]["broker"] == "ok"


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_the_load_balancer_may_ask_over_plain_http(db, settings, path):
    settings.SECURE_SSL_REDIRECT = True
    plain = Client()

    assert plain.get(path).status_code == 200
    assert plain.get("/api/v1/campaigns/").status_code == 301
