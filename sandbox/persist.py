"""
An account in a file, so that it is still there after a restart.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sandbox.account import Account, Obj

VERSION = 2
"""The form of the file. One of an earlier form is brought up to date; one of a later form is refused."""

PAUSE = 0.2
"""Seconds between two looks at whether something changed."""


class Unreadable(Exception):
    """The file holds no account, or one in a form that is not known here; the message says what to do."""


def _add_settings_and_turns(kept: Obj) -> None:
    """From form 1, which had neither settings nor payouts, and sent webhooks in the order of the file."""
    kept["settings"] = {}
    movements = [obj["id"] for obj in kept["objects"] if obj["object"] == "balance_transaction"]
    kept["hidden"]["balance"] = {"waiting": movements}
    for turn, row in enumerate(kept["waiting"].values()):
        row |= {"turn": turn, "again": 0}


STEPS: dict[int, Callable[[Obj], None]] = {1: _add_settings_and_turns}
"""What brings a file of each earlier form to the next one."""


class Archive:
    """Keeps a file in step with an account from a thread of its own, outside of any request."""

    def __init__(self, account: Account, path: Path) -> None:
        self.account = account
        self.path = path
        self.written = -1
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="sandbox-archive")
        if path.exists():
            self._restore()

    def start(self) -> None:
        """Begin to follow the account."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end."""
        self._stopped.set()
        self._thread.join()
        self.save()

    def _run(self) -> None:
        pause = PAUSE
        while not self._stopped.wait(pause):
            began = time.monotonic()
            self.save()
            pause = max(PAUSE, 10 * (time.monotonic() - began))  # a large account is written less often

    def save(self) -> bool:
        """
        Write the account if it changed since the last time, whole or not at all. Returns whether it did.
        """
        account = self.account
        with account.lock:
            if account.changes == self.written:
                return False
            self.written = account.changes
            text = json.dumps(
                {
                    "version": VERSION,
                    "offset": account.offset,
                    "settings": account.settings,
                    "objects": list(account.objects.values()),
                    "hidden": account.hidden,
                    "plans": account.plans,
                    "serial": account.serial,
                    "answers": account.answers,
                    "waiting": account.waiting,
                    "over": list(account.over),
                }
            )
        draft = self.path.with_suffix(f"{self.path.suffix}.new")
        draft.write_text(text)
        os.replace(draft, self.path)
        return True

    def _restore(self) -> None:
        """Read the account from the file. Raises ``Unreadable`` if it was not written by ``save``."""
        try:
            kept = json.loads(self.path.read_text())
            form = kept.get("version", 1)
            if form > VERSION:
                raise Unreadable(
                    f"{self.path} was written by a later sandbox (form {form}, this one knows {VERSION}): "
                    "use that one, or move the file away."
                )
            for step in range(form, VERSION):
                STEPS[step](kept)
            self._fill(kept)
        except (AttributeError, KeyError, TypeError, ValueError) as problem:
            raise Unreadable(f"{self.path} holds no account of the sandbox: move it away.") from problem

    def _fill(self, kept: Obj) -> None:
        account = self.account
        with account.lock:
            for obj in kept["objects"]:
                account.keep(obj)
            account.offset = kept["offset"]
            account.settings = kept["settings"]
            account.hidden = kept["hidden"]
            account.plans = [(at, serial, action, id) for at, serial, action, id in kept["plans"]]
            account.serial = kept["serial"]
            account.answers = kept["answers"]
            account.waiting = kept["waiting"]
            account.over.extend(kept["over"])
            self.written = account.changes
