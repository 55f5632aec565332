"""A ring asks for work soon; it never costs and never fails whoever rings."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from celery import current_app
from django.db import transaction

from members import doorbell

TASK = "members.tasks.send_owed_mail"


class Broker:
    """Stands where the Celery app is: hears what is sent, holds up or fails on demand."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.open = threading.Event()
        self.open.set()
        self.began = threading.Event()
        self.done = threading.Semaphore(0)
        self.broken = False

    def send_task(self, name: str, *, headers: dict[str, Any], ignore_result: bool) -> None:
        self.began.set()
        assert self.open.wait(10)
        self.heard.append((name, headers))
        self.done.release()
        if self.broken:
            raise ConnectionRefusedError("redis://:a-password@broker")

    def wait_for(self, messages: int) -> None:
        for _ in range(messages):
            assert self.done.acquire(timeout=10)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Broker]:
    settings.DOORBELL = "thread"
    broker = Broker()
    monkeypatch.setattr(doorbell, "current_app", broker)
    monkeypatch.setattr(doorbell, "_bell", doorbell.Bell())
    settings.DOORBELL_PAUSE = 0
    yield broker
    broker.open.set()
    structlog.contextvars.clear_contextvars()


@pytest.mark.django_db(transaction=True)
def test_a_ring_reaches_the_broker_with_the_id_of_the_request(broker: Broker) -> None:
    structlog.contextvars.bind_contextvars(request_id="request-1")
    doorbell.ring(TASK)
    broker.wait_for(1)

    assert broker.heard == [(TASK, {"request_id": "request-1"})]


@pytest.mark.django_db(transaction=True)
def test_many_rings_while_the_broker_is_slow_become_one_more(broker: Broker) -> None:
    broker.open.clear()
    doorbell.ring(TASK)
    assert broker.began.wait(10)
    for _ in range(50):  # none of them waits for the broker
        doorbell.ring(TASK)
    doorbell.ring("members.tasks.end_due_memberships")
    broker.open.set()
    broker.wait_for(3)

    assert [name for name, _ in broker.heard] == [TASK, TASK, "members.tasks.end_due_memberships"]


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_costs_one_line_in_the_log(
    broker: Broker, log_lines: list[dict[str, Any]]
) -> None:
    broker.broken = True
    doorbell.ring(TASK)
    broker.wait_for(1)
    broker.broken = False
    doorbell.ring(TASK)
    broker.wait_for(1)

    assert log_lines == [
        {"event": "doorbell_unheard", "task": TASK, "error": "ConnectionRefusedError", "log_level": "warning"}
    ]


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_the_bell_rings_after_the_commit_or_not_at_all(broker: Broker) -> None:
    with transaction.atomic():
        doorbell.ring("never.heard")
        transaction.set_rollback(True)
    with transaction.atomic():
        doorbell.ring(TASK)
        assert broker.heard == []
    broker.wait_for(1)

    assert [name for name, _ in broker.heard] == [TASK]


@pytest.mark.django_db(transaction=True)
def test_the_bell_can_be_switched_off(broker: Broker, settings: Any) -> None:
    settings.DOORBELL = "off"
    doorbell.ring(TASK)

    assert doorbell._bell._thread is None


def test_a_forked_process_has_a_bell_of_its_own(broker: Broker) -> None:
    doorbell._ring_bell(TASK, None)
    broker.wait_for(1)
    parents = doorbell._bell
    doorbell._new_bell_after_fork()

    assert doorbell._bell is not parents
    doorbell._ring_bell(TASK, None)
    broker.wait_for(1)
    assert os.getpid()


def test_the_message_is_one_that_a_worker_understands(settings: Any, log_lines: list[dict[str, Any]]) -> None:
    """Through the real Celery app and an in-memory broker."""
    with current_app.connection_for_write("memory://") as connection:
        current_app.set_current()
        queue = current_app.amqp.queues["celery"]
        channel = connection.channel()
        bound = queue(channel)
        bound.declare()
        bound.purge()
        with pytest.MonkeyPatch.context() as patch:
            send_task = current_app.send_task
            patch.setattr(
                doorbell,
                "current_app",
                type(
                    "App",
                    (),
                    {"send_task": lambda self, name, **kw: send_task(name, connection=connection, **kw)},
                )(),
            )
            doorbell.publish(TASK, "request-1")
        message = bound.get()
        assert message is not None
        assert message.headers["task"] == TASK
        assert message.headers["request_id"] == "request-1"
        assert "[[], {}" in message.body if isinstance(message.body, str) else b"[[], {}" in message.body
        message.ack()
    assert log_lines == []
