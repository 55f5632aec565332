"""
Calls of a script that are made later, at a moment of the sandbox's clock.

A story of a year can so be told in advance: a dispute in March, its end in May, a card that is lost in June.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from sandbox.account import Account, Obj
from sandbox.agenda import does
from sandbox.errors import StripeError, invalid

log = logging.getLogger("sandbox")

CHECK: list[Callable[[str, Obj], None]] = []
"""Asked whether a call can be planned with this body; raises ``StripeError`` if not."""

MAKE: list[Callable[[Account, str, Obj], Obj]] = []
"""Makes a call."""


def planned(account: Account) -> list[Obj]:
    """All calls that were planned: id, moment, call, body, state (waiting, done, refused) and why it was refused."""
    found: list[Obj] = account.secret("later").setdefault("calls", [])
    return found


def plan(account: Account, at: int, call: str, body: Obj) -> Obj:
    """Plan a call for a moment in unix seconds. Raises 400 for what cannot be, or is over."""
    for check in CHECK:
        check(call, body)
    if at <= account.now():
        raise invalid("This moment has passed.", param="at")
    calls = planned(account)
    row = {
        "id": len(calls),
        "at": at,
        "call": call,
        "body": body,
        "state": "waiting",
        "refusal": None,
    }
    calls.append(row)
    account.plan(at, "later.call", str(row["id"]))
    account.changes += 1
    return row


@does("later.call")
def _make(account: Account, id: str) -> None:
    row = planned(account)[int(id)]
    try:
        for make in MAKE:
            make(account, row["call"], row["body"])
        row["state"] = "done"
    except StripeError as refusal:
        row |= {"state": "refused", "refusal": refusal.message}
        log.warning("%s, planned for now, was refused: %s", row["call"], refusal.message)
