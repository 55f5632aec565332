"""
Everything that can go wrong between a program and Stripe happens when it is asked for, and as the program sees it.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
import requests
import stripe

from sandbox import faults
from sandbox.errors import StripeError
from sandbox.server import Running
from tests.sandbox.conftest import KEY, Checked
from tests.waiting import until

CALL = "POST /v1/customers"


def create(running: Running, *, key: str = "gift-7", timeout: float = 5) -> requests.Response:
    """A new customer, asked for without the SDK, which would hide much of the trouble."""
    return requests.post(
        f"{running.url}/v1/customers",
        data={"email": "ada@example.org"},
        headers={"Authorization": f"Bearer {KEY}", "Idempotency-Key": key},
        timeout=timeout,
    )


@pytest.mark.parametrize(
    ("kind", "how", "status", "code", "header"),
    [
        ("server_error", {}, 500, None, {}),
        ("unavailable", {}, 503, None, {}),
        ("rate_limit", {}, 429, "rate_limit", {"Retry-After": None}),
        ("rate_limit", {"retry_after": 7}, 429, "rate_limit", {"Retry-After": "7"}),
        ("lock_timeout", {}, 429, "lock_timeout", {"Stripe-Should-Retry": "true"}),
    ],
)
def test_a_refusal_says_so_does_nothing_and_leaves_the_key_free(
    running: Running, sandbox: Checked, kind: str, how: dict[str, Any], status: int, code: str, header: Any
) -> None:
    sandbox.fault(CALL, kind, **how)

    answer = create(running)

    assert answer.status_code == status
    if code:
        assert answer.json()["error"]["code"] == code
    for name, value in header.items():
        assert answer.headers.get(name) == value
    assert sandbox.account.all("customer") == []
    again = create(running)
    assert (again.status_code, again.headers.get("Idempotent-Replayed")) == (200, None)


@pytest.mark.parametrize(
    ("kind", "seconds", "error", "done"),
    [
        ("hang_up", None, requests.ConnectionError, 0),
        ("lost_answer", None, requests.ConnectionError, 1),
        ("reset_before", None, requests.ConnectionError, 0),
        ("reset_after", None, requests.ConnectionError, 1),
        ("timeout_before", 1.0, requests.ReadTimeout, 0),
        ("timeout_after", 1.0, requests.ReadTimeout, 1),
    ],
)
def test_a_connection_breaks_before_or_after_the_effect(
    running: Running, sandbox: Checked, kind: str, seconds: float | None, error: type[Exception], done: int
) -> None:
    sandbox.fault(CALL, kind, seconds=seconds)

    with pytest.raises(error) as broken:
        create(running, timeout=0.2 if seconds else 5)

    assert ("reset by peer" in str(broken.value)) is kind.startswith("reset")
    until(lambda: sandbox.waiting_faults() == {"data": []}, what="the call to meet its fault")
    until(lambda: len(sandbox.account.all("customer")) == done, what="the effect, or none")
    until(lambda: not sandbox.keeper.running, what="the call to be over")
    again = create(running)
    assert again.headers.get("Idempotent-Replayed") == ("true" if done else None)
    assert len(sandbox.account.all("customer")) == 1


def test_an_error_may_be_kept_under_its_key_for_a_day(running: Running, sandbox: Checked) -> None:
    sandbox.fault(CALL, "kept_error")
    assert create(running).status_code == 500
    again = create(running)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (500, "true")
    assert sandbox.account.all("customer") == []
    assert create(running, key="gift-8").status_code == 200
    sandbox.advance(timedelta(days=1))
    assert create(running).status_code == 200


def test_a_slow_answer_comes_in_the_end(running: Running, sandbox: Checked) -> None:
    sandbox.fault(CALL, "slow", seconds=0.3)
    began = time.monotonic()
    assert create(running).status_code == 200
    assert time.monotonic() - began >= 0.3
    assert sandbox.account.lock.acquire(blocking=False), "and nobody else was kept waiting"
    sandbox.account.lock.release()


def test_the_sdk_gets_over_what_passes(running: Running, sandbox: Checked) -> None:
    client = stripe.StripeClient(KEY, base_addresses={"api": running.url}, max_network_retries=2)
    for kind in ("reset_after", "server_error"):
        sandbox.fault(CALL, kind)
    client.v1.customers.create({"email": "ada@example.org"})
    assert len(sandbox.account.all("customer")) == 1


def test_a_share_of_calls_fails_the_same_ones_for_the_same_seed() -> None:
    def play(seed: int, times: int | None = None) -> list[bool]:
        waiting = faults.Faults()
        waiting.plan("GET /v1/*", "server_error", times, share=0.2, seed=seed)
        waiting.next("POST /v1/customers")  # of another kind, which is not counted
        return [waiting.next("GET /v1/charges") is not None for _ in range(200)]

    first = play(5)
    assert first == play(5)
    assert first != play(6)
    assert 20 <= sum(first) <= 60
    assert sum(play(5, times=3)) == 3


def test_faults_wait_in_a_list_that_can_be_read_and_emptied(running: Running, sandbox: Checked) -> None:
    asked = {"call": "GET /v1/*", "kind": "rate_limit", "times": 3, "retry_after": 2}
    requests.post(f"{running.url}/_sandbox/faults", json=asked, timeout=5)
    requests.get(f"{running.url}/v1/charges", timeout=5)
    [waiting] = requests.get(f"{running.url}/_sandbox/faults", timeout=5).json()["data"]
    assert (waiting["kind"], waiting["left"], waiting["met"]) == ("rate_limit", 2, 1)
    assert requests.post(f"{running.url}/_sandbox/faults/clear", timeout=5).json() == {"data": []}


@pytest.mark.parametrize(
    "how",
    [
        {"kind": "earthquake"},
        {"kind": "slow", "seconds": 61},
        {"kind": "server_error", "seconds": 1},
        {"kind": "server_error", "retry_after": 1},
        {"kind": "server_error", "share": 0},
        {"kind": "server_error", "share": 1.5},
    ],
)
def test_faults_have_their_bounds(sandbox: Checked, how: dict[str, Any]) -> None:
    with pytest.raises(StripeError) as refused:
        sandbox.fault(CALL, **how)
    assert refused.value.status == 400
    assert sandbox.waiting_faults() == {"data": []}
