"""
The one clock of the house.

Only edges (views, tasks, commands) read it; they pass `now` down. In production it is the system's clock.
Beside the sandbox it is the sandbox's, so that whoever moves that clock moves renewals, reminders and mails
alike. It is asked anew on each call: a script that moved the clock expects the very next request to know.
"""

from __future__ import annotations

import http.client
import json
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import structlog
from django.conf import settings

_PATH = "/_sandbox/clock"
_TIMEOUT = 1.0  # seconds; a request must not hang on a clock

log = structlog.get_logger(__name__)


def now() -> datetime:
    """
    This moment, aware and in UTC.

    :returns: the system's time in production; the sandbox's time where settings.STRIPE_API_BASE is set. While
        the sandbox does not answer, its last known offset goes on to count (none, if it never answered).
    """
    base: str | None = settings.STRIPE_API_BASE
    system = datetime.now(UTC)
    if not base:
        return system
    return system + _sandbox.offset(base)


class _Line:
    """One kept connection to the sandbox, owned by one thread and closed when that thread ends."""

    def __init__(self) -> None:
        self.base = ""
        self.connection: http.client.HTTPConnection | None = None

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def ask(self, base: str) -> float:
        """
        The sandbox clock's distance from the system's, in seconds.

        :raises OSError, http.client.HTTPException, ValueError: it does not answer, or not like a clock.
        """
        if base != self.base:
            self.close()
            self.base = base
        reused = self.connection is not None
        try:
            return self._ask()
        except (OSError, http.client.HTTPException):
            self.close()
            if not reused:
                raise
        # A kept connection may have been closed at the other end meanwhile: a new one settles it.
        try:
            return self._ask()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def _ask(self) -> float:
        if self.connection is None:
            url = urlsplit(self.base)
            kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
            self.connection = kind(url.hostname or "", url.port, timeout=_TIMEOUT)
        self.connection.request("GET", _PATH)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise ValueError(f"status {answer.status}")
        return float(json.loads(body)["offset_seconds"])


class _SandboxClock(threading.local):
    """What each thread knows of the sandbox's clock."""

    def __init__(self) -> None:
        self.line = _Line()

    def offset(self, base: str) -> timedelta:
        global _last_known
        try:
            _last_known = timedelta(seconds=self.line.ask(base))
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, OverflowError) as error:
            log.warning("sandbox_clock_unanswered", error=type(error).__name__)
        return _last_known


_last_known = timedelta(0)  # shared: a new thread starts from what the others heard
_sandbox = _SandboxClock()


def close_connection() -> None:
    """Close this thread's connection to the sandbox, if it holds one; the next call opens a new one."""
    _sandbox.line.close()
