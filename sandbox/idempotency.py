"""
Idempotency keys: the same call under the same key has its effect once, and its answer as often as it is asked
for.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable

from sandbox.account import Account, Obj
from sandbox.agenda import DAY
from sandbox.errors import StripeError, invalid

KEPT_FOR = DAY
"""How long an answer is kept, in seconds of the sandbox's clock."""


class Keeper:
    """Remembers answers by key, in the account, so that they survive a restart with it."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.running: set[str] = set()
        self.lock = threading.Lock()

    def once(
        self, key: str, call: str, sent: Obj, run: Callable[[], tuple[int, str]]
    ) -> tuple[int, str, bool]:
        """
        Status, body and whether they are a replay. Raises 400 for a key that is too long or was used with
        other parameters, and 409 while the first call under the key still runs. A call that is refused as
        invalid raises and leaves the key free.
        """
        if len(key) > 255:
            raise invalid("Idempotency keys can have at most 255 characters.")
        fingerprint = hashlib.sha256(json.dumps([call, sent], sort_keys=True).encode()).hexdigest()
        with self.lock:
            if key in self.running:
                message = f"There is currently another in-progress request using this Idempotent Key ({key})."
                raise StripeError(409, "idempotency_error", message, "idempotency_key_in_use")
            kept = self._kept(key)
            if kept and kept["fingerprint"] != fingerprint:
                message = f"This idempotency key was first used with other parameters ({key})."
                raise StripeError(400, "idempotency_error", message)
            if kept:
                return kept["status"], kept["body"], True
            self.running.add(key)
        try:
            status, body = run()
            with self.lock:
                made = self.account.now()
                self.account.answers[key] = {
                    "fingerprint": fingerprint,
                    "status": status,
                    "body": body,
                    "created": made,
                }
        finally:
            with self.lock:
                self.running.discard(key)
        return status, body, False

    def _kept(self, key: str) -> Obj | None:
        kept = self.account.answers.get(key)
        if kept and kept["created"] + KEPT_FOR <= self.account.now():
            del self.account.answers[key]
            return None
        return kept
