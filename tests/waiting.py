"""Waiting for what another process does, without guessing how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 90  # seconds; far more than is ever needed, so that only what never comes fails


def until(look: Callable[[], T], *, what: str, patience: float = PATIENCE) -> T:
    """
    Look again and again until something true is seen, and return it.

    :param what: what is waited for, for the failure's message.
    :raises AssertionError: it did not come within `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while not (seen := look()):
        assert time.monotonic() < deadline, f"waited {patience} seconds for {what}"
        time.sleep(0.05)
    return seen
