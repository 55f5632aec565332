"""The second fence of the logs: what still looks personal or secret is taken out of a line before it is written."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog
from django.template import Context, Template

from config import logs
from donations import links
from tests.logged import logged

# As django.core.signing.dumps writes them; written out, because a new one each second is no name for a test.
SHORT_TOKEN = "NQ:1vNqbC:8i6r1PcC9WTt2nRaUqz0Zr3k0x4l5wJ6b9yQeXvLm2A"
LONG_TOKEN = ".eJyrVspNzU1KLVKyUjA0MjYx1VEqKC0qzk8FikXnZio:1vNqbC:Qm0y7Kq3n5ZtV8cRw1xJ4uHs2LbEo6GdPf9iTaYzXk0"
LIVE = "sk_" + "live_51HxYz0123456789"


def redacted(text: str) -> str:
    return str(logs.redact(None, "info", {"event": text})["event"])


@pytest.mark.parametrize(
    "secret",
    [
        "ada@example.org",
        "Ada.Lovelace+news@mail.example.org",
        "ada@localhost",
        "ада@пример.рф",
        LIVE,
        "rk_" + "live_51HxYz",
        "sk_test_sandbox",
        "whsec_sandbox",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        SHORT_TOKEN,
        LONG_TOKEN,
        "4242424242424242",
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "378282246310005",
        "6304000000000000000",
    ],
)
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "before {} after",
        "({})",
        "<{}>",
        "'{}'",
        '"{}",',
        "key={}",
        "key: {}",
        "a={},b=2",
        "line\n{}\nline",
        "/support/card/{}/",
    ],
)
def test_what_looks_secret_is_taken_out(secret, around):
    found = redacted(around.format(secret))

    assert secret not in found
    assert "[redacted]" in found
    for part in (secret.split("@")[0], secret.split(":")[-1]):
        assert part not in found


@pytest.mark.parametrize(
    "text",
    [
        "evt_1MqqbKLt4dXK03v5qaIbiNCC",
        "cs_test_a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0",
        "sub_1MowQVLkdIwHu7ixeRlqHVzs in_1MtHbELkdIwHu7ixl4OzzPMv pi_3MtwBwLkdIwHu7ix28a3tqPa",
        "7d3c3b1e-9f4a-4a52-8b9e-0123456789ab",
        "0F8FAD5B-D9CB-469F-A165-70867728950E",
        "12345678-1234-4123-8123-123456789012",
        "cs_test_a1234567890123456",
        "2026-11-24T05:30:18.123456Z",
        "2026-11-24 05:30:18+00:00 took 1234.5 ms",
        "donations.tasks.process_inbox",
        'File "/app/donations/inbox.py", line 181, in process',
        "USD 25.00 of 2500000 minor units",
        "a price of 3 @ 5",
        "http://127.0.0.1:8000/support/",
    ],
)
def test_what_people_look_for_in_logs_stays(text):
    assert redacted(text) == text


def test_a_token_of_a_mails_link_is_taken_out_of_the_path_that_broke(db):
    from donations.models import Subscription

    path = links.card_page(Subscription(pk=7))
    token = path.rstrip("/").rsplit("/", 1)[1]

    assert token not in redacted(f"Internal Server Error: {path}")


def test_what_postgresql_repeats_of_a_row_is_taken_out():
    text = (
        'psycopg.errors.CheckViolation: new row violates check constraint "x"\n'
        "DETAIL:  Failing row contains (1, Ada Example, https://news.example/?reader=ada).\nnext line"
    )

    assert redacted(text).splitlines()[1:] == ["DETAIL:[redacted]", "next line"]


@pytest.mark.parametrize("letter", ["a", "a-", "a:", "1", "1 ", "@", "a@", "sk_"])
def test_a_long_text_is_read_in_time_that_grows_with_its_length_only(letter):
    """Counted in steps of growth rather than seconds: ten times the text must not cost a hundred times as much."""
    import time

    def cost(length: int) -> float:
        text = letter * (length // len(letter))
        best = float("inf")
        for _ in range(3):
            began = time.thread_time()
            redacted(text)
            best = min(best, time.thread_time() - began)
        return best

    assert cost(200_000) < 50 * max(cost(20_000), 0.001)


def test_values_that_are_no_text_pass():
    line = logs.redact(None, "info", {"event": "x", "count": 4242424242424242, "none": None, "ok": True})

    assert line == {"event": "x", "count": 4242424242424242, "none": None, "ok": True}


# --- Lines ---------------------------------------------------------------------------------------------


def test_a_line_of_ours_is_one_json_object_with_its_level_time_and_origin():
    with logged("json") as lines:
        structlog.get_logger("donations.test").warning("something happened", contribution="c-1")
    found = json.loads(lines()[0])

    assert found["event"] == "something happened"
    assert found["contribution"] == "c-1"
    assert (found["level"], found["logger"]) == ("warning", "donations.test")
    assert found["timestamp"].endswith("Z")


def test_a_line_of_a_library_has_the_same_form():
    with logged("json") as lines:
        logging.getLogger("a.library").error("Could not reach %s", "ada@example.org")
    found = json.loads(lines()[0])

    assert found["event"] == "Could not reach [redacted]"
    assert (found["level"], found["logger"]) == ("error", "a.library")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_is_written_and_cleaned(form):
    with logged(form) as lines:
        try:
            raise ValueError("cannot read ada@example.org")
        except ValueError:
            structlog.get_logger("donations.test").exception("it broke")
    text = "\n".join(lines())

    assert "Traceback" in text
    assert "ValueError: cannot read [redacted]" in text
    assert "ada@" not in text


def test_a_template_that_misses_a_word_does_not_tell_what_else_it_was_given():
    with logged("json") as lines:
        Template("Dear {{ nobody.name }}").render(Context({"name": "Ada Example", "amount": "USD 25.00"}))

    assert lines() == []


def test_the_line_of_a_request_comes_out_like_any_other(client):
    with logged("json") as lines:
        client.get("/health/live?reader=ada@example.org", headers={"X-Request-ID": "a1b2c3d4"})
    [line] = [json.loads(line) for line in lines()]

    assert set(line) == {
        "event",
        "logger",
        "level",
        "timestamp",
        "request_id",
        "method",
        "route",
        "status",
        "ms",
    }
    assert (line["event"], line["logger"], line["level"]) == ("request", "request", "info")
    assert (line["method"], line["route"], line["status"]) == ("GET", "health-live", 200)
    assert line["request_id"] == "a1b2c3d4"


def test_a_method_that_nobody_knows_is_not_repeated(client):
    with logged("json") as lines:
        client.generic("ADA@EXAMPLE.ORG", "/health/live")

    assert json.loads(lines()[0])["method"] == "other"


def test_requests_leave_no_line_when_only_warnings_are_wanted(client):
    with logged("json", level="WARNING") as lines:
        client.get("/health/live")

    assert lines() == []


def test_a_log_that_cannot_be_written_fails_no_request(client):
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("No space left on device")

    with logged("json", stream=Full()):
        assert client.get("/health/live").status_code == 200


def test_the_console_has_readable_lines(client):
    with logged("console") as lines:
        client.get("/health/live")

    assert "request" in lines()[0]
    assert "route=health-live" in lines()[0]
    assert not lines()[0].startswith("{")
