"""
What can go wrong between a program and Stripe, on demand.

A fault waits for a call such as ``POST /v1/checkout/sessions`` (``*`` matches anything, also as the end of a
path) and then happens a number of times, or to a share of all such calls:

* ``server_error``: 500, and nothing was done;
* ``kept_error``: the same, and as Stripe may, it answers the same key so for a day;
* ``unavailable``: 503 with an HTML body, as from a proxy, and nothing was done;
* ``rate_limit``: 429, and nothing was done; with ``retry_after`` the header says in how many seconds to come again;
* ``lock_timeout``: 429 with ``Stripe-Should-Retry: true``, because another call holds the object; nothing was done;
* ``hang_up``: the connection is closed before anything was done;
* ``lost_answer``: everything was done, but the connection is closed before the answer arrives;
* ``reset_before``, ``reset_after``: the same two with a connection that is reset (TCP RST) instead of closed;
* ``timeout_before``, ``timeout_after``: the same two, but for ``seconds`` nothing at all is heard;
* ``slow``: everything was done, and the answer takes ``seconds``.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.errors import StripeError, invalid

KINDS = (
    "server_error", "kept_error", "unavailable", "rate_limit", "lock_timeout", "hang_up", "lost_answer", "reset_before",
    "reset_after", "timeout_before", "timeout_after", "slow",
)  # fmt: skip
BEFORE = frozenset({"hang_up", "reset_before", "timeout_before"})
AFTER = frozenset({"lost_answer", "reset_after", "timeout_after"})

LONGEST = 60.0
"""No answer is kept back for more seconds than this."""

SECONDS = {"timeout_before": 30.0, "timeout_after": 30.0, "slow": 2.0}
"""How long each kind takes that takes long, unless told otherwise. The SDK as we use it waits 20 seconds."""


@dataclass(slots=True)
class Fault:
    """One kind of trouble, waiting for a call."""

    call: str
    kind: str
    left: int | None  # how often it still happens; none means without end
    share: float = 1.0
    seed: int = 0
    seconds: float = 0.0
    retry_after: int | None = None
    met: int = 0  # how many calls it had the choice of

    def matches(self, call: str) -> bool:
        """Whether this call is one that it waits for."""
        return self.call == call or (self.call.endswith("*") and call.startswith(self.call[:-1]))

    def strikes(self) -> bool:
        """Whether it happens to the next call that matches: drawn by the seed and by how many there were before."""
        self.met += 1
        drawn = hashlib.sha256(f"{self.seed}:{self.met}".encode()).digest()[:7]
        return int.from_bytes(drawn) / 2**56 < self.share


class HungUp(ConnectionError):
    """The connection is to be closed without an answer; the server does that to a ``ConnectionError``."""


class WasReset(ConnectionResetError):
    """The connection is to be reset, which the other side hears as an error and not as an end."""


class Faults:
    """The troubles that wait."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def plan(
        self,
        call: str,
        kind: str,
        times: int | None = None,
        *,
        share: float = 1.0,
        seed: int = 0,
        seconds: float | None = None,
        retry_after: int | None = None,
    ) -> Fault:
        """
        Let the next ``times`` calls matching ``call`` fail, or ``share`` of them drawn by ``seed``: without
        ``times`` the next one, or that share without end. Raises 400 for a kind that there is not and for numbers
        that make no sense.
        """
        if kind not in KINDS:
            raise invalid(f"Invalid kind: must be one of {', '.join(KINDS)}", param="kind")
        if times is not None and times < 1:
            raise invalid("This value must be greater than or equal to 1.", param="times")
        if not 0 < share <= 1:
            raise invalid("Invalid share: must be above 0 and at most 1", param="share")
        if seconds is not None and (kind not in SECONDS or not 0 <= seconds <= LONGEST):
            raise invalid(
                f"Invalid seconds: must be 0 to {LONGEST:g}, for {', '.join(SECONDS)}", param="seconds"
            )
        if retry_after is not None and (kind != "rate_limit" or not 0 <= retry_after <= 3600):
            raise invalid("Invalid retry_after: must be 0 to 3600, for rate_limit", param="retry_after")
        fault = Fault(
            call,
            kind,
            1 if times is None and share == 1 else times,
            share=share,
            seed=seed,
            seconds=SECONDS.get(kind, 0.0) if seconds is None else seconds,
            retry_after=retry_after,
        )
        with self._lock:
            self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all that still waits."""
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> list[dict[str, Any]]:
        """The faults that still wait, each with how often it will still happen and how many calls it saw."""
        with self._lock:
            return [asdict(fault) for fault in self._waiting]

    def next(self, call: str) -> str | None:
        """The kind of fault that this call meets, used up by asking; usually none."""
        fault = self.take(call)
        return fault.kind if fault else None

    def take(self, call: str) -> Fault | None:
        """The same, with all that the fault says of itself."""
        with self._lock:
            for fault in self._waiting:
                if fault.matches(call) and fault.strikes():
                    if fault.left is not None:
                        fault.left -= 1
                        if not fault.left:
                            self._waiting.remove(fault)
                    return fault
        return None


def trouble(fault: Fault) -> StripeError:
    """The answer to a call that met a fault with an answer."""
    if fault.kind == "rate_limit":
        message = "Request rate limit exceeded."
        return StripeError(429, "invalid_request_error", message, "rate_limit")
    if fault.kind == "lock_timeout":
        message = "This object cannot be accessed right now because another request is using it."
        return StripeError(429, "invalid_request_error", message, "lock_timeout")
    return StripeError(500, "api_error", "An unexpected error occurred.")


def headers(fault: Fault | None) -> dict[str, str]:
    """What the answer to a call that met this fault says besides."""
    if fault and fault.kind == "rate_limit" and fault.retry_after is not None:
        return {"Retry-After": str(fault.retry_after)}
    if fault and fault.kind == "lock_timeout":
        return {"Stripe-Should-Retry": "true"}
    return {}
