"""
One Stripe account: everything that was ever made in it, what it plans to do, and its clock.

Objects are kept exactly as they go over the wire (nested dicts that JSON can hold), so that what is stored is
what is answered. What Stripe knows but never shows (the number of a card, how a session is to be paid) lies
beside the object under the same id in ``hidden``.
"""

from __future__ import annotations

import heapq
import json
import secrets
import threading
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sandbox.errors import invalid, missing

if TYPE_CHECKING:
    from sandbox.chaos import Chaos

Obj = dict[str, Any]
"""A Stripe object as JSON holds it."""

API_VERSION = "2026-10-28.endive"
"""The version that the sandbox speaks, in answers and in events."""

DELIVERIES_REMEMBERED = 1000
"""How many deliveries that are over are still listed."""

PREFIXES = {
    "balance_transaction": "txn", "billing_portal.configuration": "bpc", "billing_portal.session": "bps",
    "charge": "ch", "checkout.session": "cs_test", "customer": "cus", "dispute": "du", "event": "evt",
    "invoice": "in", "invoice_payment": "inpay", "item": "li", "line_item": "il", "payment_intent": "pi",
    "payment_method": "pm", "price": "price", "product": "prod", "radar.early_fraud_warning": "issfr",
    "refund": "re", "setup_attempt": "setatt", "setup_intent": "seti", "subscription": "sub",
    "subscription_item": "si", "webhook_endpoint": "we", "request": "req", "mandate": "mandate",
    "invoiceitem": "ii", "payout": "po", "bank_account": "ba",
}  # fmt: skip


class Account:
    """All state of the sandbox, behind one lock. Whoever reads or writes holds ``lock``."""

    def __init__(
        self,
        *,
        system_time: Callable[[], float] = time.time,
        settle_in: Iterable[str] = (),
        public_url: str = "http://127.0.0.1:12111",
    ) -> None:
        self.lock = threading.RLock()
        self.system_time = system_time
        self.settle_in = tuple(settle_in)
        self.public_url = public_url
        self.listens = True  # whether anybody hears the built-in webhook listener
        self.request: tuple[str | None, str | None] = (None, None)
        self.playing_at: int | None = None
        self.changes = 0
        self.empty()

    def empty(self) -> None:
        """Forget everything and go back to the system's time."""
        self.offset = 0.0
        self.settings: Obj = {}  # how it is set up; none means as usual (see ``settings``)
        self.objects: dict[str, Obj] = {}
        self.kinds: dict[str, dict[str, Obj]] = {}
        self.hidden: dict[str, Obj] = {}
        self.plans: list[tuple[int, int, str, str]] = []
        self.serial = 0
        self.answers: dict[str, Obj] = {}
        self.waiting: dict[str, Obj] = {}  # deliveries of webhooks that are still owed, in order
        self.chaos: Chaos | None = None  # what is being done to webhooks of new events
        self.deaf = False  # whether the built-in webhook listener is disabled
        self.over: deque[Obj] = deque(maxlen=DELIVERIES_REMEMBERED)  # and those that are not
        self.changes += 1

    @property
    def deliveries(self) -> list[Obj]:
        """Deliveries of webhooks: the last ones that are over, then all that are still owed."""
        return [*self.over, *self.waiting.values()]

    # The clock

    def now(self) -> int:
        """This account's time in unix seconds; while a plan is carried out, the moment it was planned for."""
        return self.playing_at if self.playing_at is not None else int(self.system_time() + self.offset)

    def plan(self, at: int, action: str, id: str) -> None:
        """Have ``action`` done to the object ``id`` once the clock reaches ``at`` (see ``agenda``)."""
        self.serial += 1
        heapq.heappush(self.plans, (at, self.serial, action, id))

    # The objects

    def new_id(self, kind: str) -> str:
        """An id of Stripe's form for this kind of object, never given before."""
        length = (
            58 if kind == "checkout.session" else 14 if kind in ("customer", "product", "request") else 24
        )
        letters = b64encode(secrets.token_bytes(2 * length)).translate(None, b"+/=")
        return f"{PREFIXES[kind]}_{letters[:length].decode()}"

    def keep(self, obj: Obj, **hidden: Any) -> Obj:
        """Store a new object, with what Stripe knows about it but does not show, and return it."""
        self.objects[obj["id"]] = obj
        self.kinds.setdefault(obj["object"], {})[obj["id"]] = obj
        if hidden:
            self.hidden[obj["id"]] = hidden
        self.changes += 1
        return obj

    def all(self, kind: str) -> list[Obj]:
        """All objects of a kind, newest first."""
        return list(reversed(self.kinds.get(kind, {}).values()))

    def find(self, kind: str, id: str, *, param: str | None = None, deleted_too: bool = False) -> Obj:
        """
        The object itself (not a copy). Raises 404 ``resource_missing``, or 400 where the id came in a parameter. A
        deleted customer or product counts as missing, unless asked for.
        """
        obj = self.kinds.get(kind, {}).get(id)
        if obj is None or (obj.get("deleted") and not deleted_too):
            raise missing(kind, id, param=param)
        return obj

    def secret(self, id: str) -> Obj:
        """What Stripe knows about an object and does not show. Changes to the returned dict are kept."""
        return self.hidden.setdefault(id, {})


def change(obj: Obj, **values: Any) -> Obj:
    """
    Set attributes and return the earlier values of those that differ: an event's ``previous_attributes``.
    """
    previous = {key: obj.get(key) for key, value in values.items() if obj.get(key) != value}
    obj.update(values)
    return previous


def merge_metadata(obj: Obj, given: dict[str, str] | None) -> dict[str, str]:
    """
    The object's metadata with the given keys added, replaced or (where empty) removed; ``None`` removes all.
    """
    if given is None:
        return {}
    merged = {**(obj.get("metadata") or {}), **given}
    if len(merged) > 50:
        raise invalid("Metadata can have at most 50 keys.", param="metadata")
    return {key: value for key, value in merged.items() if value != ""}


def copied(obj: Any) -> Any:
    """A copy that shares nothing with the original."""
    return json.loads(json.dumps(obj))
