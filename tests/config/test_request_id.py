"""One id follows a request through its answer, its log lines and the tasks that it rings for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import structlog
from celery import shared_task, signals
from structlog.contextvars import get_contextvars

from config.celery import app
from members import doorbell

PATHS = ["/health/live", "/api/v1/campaigns/", "/api/v1/nothing/", "/support/", "/nothing", "/admin/login/"]
TASK = "members.tasks.send_owed_mail"
FRESH = re.compile(r"[0-9a-f]{32}")


@pytest.fixture(autouse=True)
def _no_id_left_over():
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_an_id_of_its_own(api, path):
    first, second = (api.get(path)["X-Request-ID"] for _ in range(2))

    assert FRESH.fullmatch(first)
    assert FRESH.fullmatch(second)
    assert first != second


@pytest.mark.parametrize("given", ["a1b2c3d4", "0F8FAD5B-D9CB-469F-A165-70867728950E", "x" * 64])
def test_an_id_that_a_proxy_gave_is_kept(api, given):
    assert api.get("/health/live", headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given",
    [
        "",
        "short",
        "x" * 65,
        "has space",
        "a1b2c3d4\n",
        'a1b2c3d4","level":"x',
        "ünïcödé12",
        "ada@example.org",
        "../../x1",
        "4242-4242-4242-4242",
    ],
)
def test_an_id_that_could_mislead_a_reader_of_logs_is_replaced(api, given):
    assert FRESH.fullmatch(api.get("/health/live", headers={"X-Request-ID": given})["X-Request-ID"])


def test_a_page_that_breaks_still_says_its_id(api, monkeypatch):
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("as if by a bug")

    monkeypatch.setattr("config.health.inbox.get_backlog", broken)
    monkeypatch.setattr("config.health.connection.cursor", broken)
    answer = api.get("/health/ready", headers={"X-Request-ID": "a1b2c3d4"})

    assert answer.status_code == 500
    assert answer["X-Request-ID"] == "a1b2c3d4"


@shared_task
def look_around(**_later: object) -> dict[str, Any]:
    return dict(get_contextvars())


@pytest.fixture
def broker(monkeypatch) -> Iterator[Callable[[], dict[str, Any]]]:
    """A broker in memory, to which the real app sends; calling it takes the next message and tells its headers."""
    with app.connection_for_write("memory://") as connection:
        queue = app.amqp.queues["celery"](connection.channel())
        queue.declare()
        queue.purge()
        send_task = app.send_task
        monkeypatch.setattr(app, "send_task", partial(send_task, connection=connection))
        monkeypatch.setattr(doorbell, "current_app", app)

        def take() -> dict[str, Any]:
            message = queue.get()
            assert message is not None, "nothing was sent"
            message.ack()
            return dict(message.headers)

        yield take


def test_a_task_message_carries_the_id_of_the_request_that_rang(broker):
    structlog.contextvars.bind_contextvars(request_id="a1b2c3d4")
    app.send_task(TASK)

    assert broker()["request_id"] == "a1b2c3d4"


def test_a_message_of_the_schedule_carries_none(broker):
    app.send_task(TASK)

    assert "request_id" not in broker()


def test_the_doorbell_passes_the_id_on_from_a_thread_that_knows_no_request(broker):
    doorbell.publish(TASK, "a1b2c3d4")

    assert broker()["request_id"] == "a1b2c3d4"


def test_a_worker_writes_under_the_id_that_the_message_carries():
    """Run as a worker runs it, with the message's headers."""
    found = run_as_worker(look_around, request_id="a1b2c3d4")

    assert found == {"request_id": "a1b2c3d4", "task": "tests.config.test_request_id.look_around"}
    assert get_contextvars() == {}


def test_a_task_of_the_schedule_gets_an_id_of_its_own():
    found = run_as_worker(look_around)

    assert found["request_id"] == "task-an-id-of-celery"


def run_as_worker(task: Any, **headers: str) -> dict[str, Any]:
    from celery.app.trace import build_tracer

    tracer = build_tracer(task.name, task, app=app, eager=True, propagate=True)
    request = {"id": "an-id-of-celery", "task": task.name, "is_eager": True, **headers}
    return dict(tracer("an-id-of-celery", (), {}, request).retval)


def test_celery_does_not_replace_our_logging():
    assert signals.setup_logging.receivers
