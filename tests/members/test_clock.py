"""In production the system's clock; beside the sandbox, the sandbox's."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from members import clock

SECOND = timedelta(seconds=1)


class SandboxClock:
    """A server that answers like the sandbox's clock, and can be told to misbehave."""

    def __init__(self) -> None:
        self.offset: Any = 0.0
        self.status = 200
        self.hang_up = False
        self.connections = 0
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                outer.connections += 1

            def do_GET(self) -> None:
                outer.asked += 1
                assert self.path == "/_sandbox/clock"
                body = json.dumps({"now": "2026-11-24T12:00:00Z", "offset_seconds": outer.offset}).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = outer.hang_up

            def log_message(self, *args: Any) -> None:
                """Tests are quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def stop(self) -> None:
        clock.close_connection()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def sandbox(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxClock]:
    monkeypatch.setattr(clock, "_last_known", timedelta(0))
    server = SandboxClock()
    settings.STRIPE_API_BASE = server.url
    yield server
    server.stop()


def distance() -> timedelta:
    """From the system's clock to ours, to the second."""
    return timedelta(seconds=round((clock.now() - datetime.now(UTC)).total_seconds()))


def test_in_production_it_is_the_systems_clock(settings: Any) -> None:
    settings.STRIPE_API_BASE = None
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.now().tzinfo is UTC


def test_who_moves_the_sandboxs_clock_moves_ours_at_once(sandbox: SandboxClock) -> None:
    assert distance() == timedelta(0)
    sandbox.offset = 31 * 24 * 3600.0
    assert distance() == timedelta(days=31)
    sandbox.offset = -60.0
    assert distance() == timedelta(minutes=-1)


def test_one_connection_serves_many_questions(sandbox: SandboxClock) -> None:
    for _ in range(5):
        clock.now()
    assert (sandbox.asked, sandbox.connections) == (5, 1)


def test_a_connection_that_was_closed_meanwhile_is_opened_again(
    sandbox: SandboxClock, log_lines: list[dict[str, Any]]
) -> None:
    sandbox.offset, sandbox.hang_up = 5.0, True
    for _ in range(3):
        assert distance() == 5 * SECOND
    assert sandbox.connections == 3
    assert log_lines == []


@pytest.mark.parametrize(
    ("status", "offset"), [(500, 1.0), (200, "later"), (200, None), (200, 1e300), (404, {})], ids=repr
)
def test_a_sandbox_that_answers_nonsense_leaves_the_last_known_offset(
    sandbox: SandboxClock, status: int, offset: Any, log_lines: list[dict[str, Any]]
) -> None:
    sandbox.offset = 3600.0
    assert distance() == timedelta(hours=1)

    sandbox.status, sandbox.offset = status, offset
    assert distance() == timedelta(hours=1)
    assert [line["event"] for line in log_lines] == ["sandbox_clock_unanswered"]
    assert set(log_lines[0]) == {"event", "error", "log_level"}


def test_without_a_sandbox_to_answer_time_goes_on(sandbox: SandboxClock, settings: Any) -> None:
    sandbox.offset = 3600.0
    clock.now()
    settings.STRIPE_API_BASE = "http://127.0.0.1:1"  # nobody listens on port 1

    assert distance() == timedelta(hours=1)


def test_a_sandbox_that_goes_away_and_comes_back_is_heard_again(sandbox: SandboxClock, settings: Any) -> None:
    there = settings.STRIPE_API_BASE
    settings.STRIPE_API_BASE = "http://127.0.0.1:1"
    clock.now()
    settings.STRIPE_API_BASE, sandbox.offset = there, 7.0

    assert distance() == 7 * SECOND


def test_a_sandbox_that_was_stopped_is_missed_without_harm(
    sandbox: SandboxClock, log_lines: list[dict[str, Any]]
) -> None:
    sandbox.offset, sandbox.hang_up = 60.0, True
    clock.now()
    sandbox.server.shutdown()
    sandbox.server.server_close()

    assert distance() == timedelta(minutes=1)
    assert [line["event"] for line in log_lines] == ["sandbox_clock_unanswered"]


def test_each_thread_closes_its_own_connection(sandbox: SandboxClock) -> None:
    found: list[timedelta] = []
    sandbox.offset = 60.0
    for _ in range(3):
        thread = threading.Thread(target=lambda: found.append(distance()))
        thread.start()
        thread.join()
    gc.collect()  # an unclosed socket would warn here, and warnings are errors

    assert found == [timedelta(minutes=1)] * 3
    assert sandbox.connections == 3
