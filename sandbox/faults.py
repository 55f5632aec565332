"""
What can go wrong between a program and Stripe, on demand.

A fault waits for a call such as ``POST /v1/checkout/sessions`` (``*`` matches anything, also as the end of a
path) and then happens a number of times:

* ``server_error``: 500, and nothing was done;
* ``unavailable``: 503 with an HTML body, as from a proxy, and nothing was done;
* ``rate_limit``: 429, and nothing was done;
* ``hang_up``: the connection breaks before anything was done;
* ``lost_answer``: everything was done, but the connection breaks before the answer arrives.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from sandbox.errors import StripeError, invalid

KINDS = ("server_error", "unavailable", "rate_limit", "hang_up", "lost_answer")


@dataclass(slots=True)
class Fault:
    """One kind of trouble, waiting for a call."""

    call: str
    kind: str
    left: int


class HungUp(ConnectionError):
    """The connection is to be broken without an answer; the server does that to a ``ConnectionError``."""


class Faults:
    """The troubles that wait."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def plan(self, call: str, kind: str, times: int = 1) -> None:
        """Let the next ``times`` calls matching ``call`` fail. Raises 400 for a kind that there is not."""
        if kind not in KINDS:
            raise invalid(f"Invalid kind: must be one of {', '.join(KINDS)}", param="kind")
        if times < 1:
            raise invalid("This value must be greater than or equal to 1.", param="times")
        with self._lock:
            self._waiting.append(Fault(call, kind, times))

    def clear(self) -> None:
        """Forget all that still waits."""
        with self._lock:
            self._waiting.clear()

    def next(self, call: str) -> str | None:
        """The kind of fault that this call meets, used up by asking; usually none."""
        with self._lock:
            for fault in self._waiting:
                if fault.call == call or (fault.call.endswith("*") and call.startswith(fault.call[:-1])):
                    fault.left -= 1
                    if not fault.left:
                        self._waiting.remove(fault)
                    return fault.kind
        return None


def trouble(kind: str) -> StripeError:
    """The answer to a call that met a fault with an answer."""
    if kind == "rate_limit":
        message = "Request rate limit exceeded."
        return StripeError(429, "invalid_request_error", message, "rate_limit")
    return StripeError(500, "api_error", "An unexpected error occurred.")
