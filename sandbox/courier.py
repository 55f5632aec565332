"""
The thread that carries webhooks to their endpoints, as Stripe's own senders do: outside of any request.
"""

from __future__ import annotations

import http.client
import logging
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from sandbox import agenda, webhooks
from sandbox.account import Account, Obj

log = logging.getLogger("sandbox.courier")

PATIENCE = 20
"""Seconds that an endpoint has to answer."""

PAUSE = 0.1
"""Seconds between two looks at what is due, while nobody wakes the courier."""


def take(account: Account, listening: webhooks.Listening) -> list[webhooks.Webhook]:
    """The webhooks owed to the built-in listener, handed out instead of sent."""
    with account.lock:
        rows = webhooks.due(account, listening, wanted=lambda row: row["endpoint"] == webhooks.LISTENER)
        letters = [webhooks.letter(account, listening, row) for row in rows]
        for row in rows:
            webhooks.arrived(account, row)
        return letters


def send(url: str, letter: webhooks.Webhook) -> int:
    """
    The status that the endpoint answered with. Redirects are not followed. Raises ``OSError`` and
    ``HTTPException`` when there is no answer.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body=letter.body, headers=letter.headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


FAREWELL = 2
"""Seconds that a stopping courier gives the delivery at hand."""


class Courier:
    """
    Looks for due deliveries and makes them, one after the other, never holding the account's lock meanwhile.
    """

    def __init__(self, whose: Callable[[], tuple[Account, webhooks.Listening]]) -> None:
        self.whose = whose
        self._stopped = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="sandbox-courier")

    def start(self) -> None:
        """Begin carrying."""
        self._thread.start()

    def wake(self) -> None:
        """Say that something may have come due, so that it goes out now and not after the pause."""
        self._woken.set()

    def stop(self) -> None:
        """End, at most after a moment for the delivery at hand."""
        self._stopped.set()
        self.wake()
        self._thread.join(FAREWELL)

    def _run(self) -> None:
        while True:
            self._woken.wait(PAUSE)
            self._woken.clear()
            if self._stopped.is_set():
                return
            try:
                self.round()
            except Exception:
                log.exception("A round of deliveries failed")

    def round(self) -> int:
        """Play what is due by now, make every delivery that is due, and return how many were tried."""
        account, listening = self.whose()
        with account.lock:
            agenda.play(account)
            rows = webhooks.due(
                account, listening, wanted=lambda row: self._address(account, listening, row) is not None
            )
        for row in rows:
            if self._stopped.is_set():
                break
            self._deliver(account, listening, row)
        return len(rows)

    @staticmethod
    def _address(account: Account, listening: webhooks.Listening, row: Obj) -> str | None:
        if row["endpoint"] == webhooks.LISTENER:
            return listening.url
        endpoint = account.objects.get(row["endpoint"])
        return endpoint["url"] if endpoint else None

    def _deliver(self, account: Account, listening: webhooks.Listening, row: Obj) -> None:
        with account.lock:
            url = self._address(account, listening, row)
            if url is None or row["event"] not in account.objects:
                return  # deleted, or the account was emptied, since the list was made
            letter = webhooks.letter(account, listening, row)
        status, error = None, None
        try:
            status = send(url, letter)
        except (OSError, http.client.HTTPException) as problem:
            error = type(problem).__name__
        with account.lock:
            if row["event"] not in account.objects:
                return
            if status is not None and 200 <= status < 300:
                webhooks.arrived(account, row, status)
            else:
                webhooks.failed(account, row, status=status, error=error)
