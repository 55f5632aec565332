"""
Webhooks: who wants to hear of an event, how it is signed, and when a delivery that failed is tried again.

The list of deliveries is part of the account; the thread that carries them is in ``courier``. A delivery is a
row: which event, which endpoint, how often it was tried and when it is due again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox import chaos
from sandbox.account import API_VERSION, Account, Obj, change, merge_metadata
from sandbox.agenda import DAY
from sandbox.errors import invalid
from sandbox.params import PAGE, Fields, Flag, Many, Metadata, OneOf, Text, Url
from sandbox.routes import delete, get, post
from sandbox.wire import page

GAPS = (60, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
"""Seconds between the tries of one delivery: growing, and together within ``GIVEN_UP_AFTER``."""

GIVEN_UP_AFTER = 3 * DAY
"""No try is planned later than this many seconds after the first."""

MODES = ("normal", "shuffle", "duplicate", "hold", "drop", "chaos", "disabled")
LISTENER = "listener"
"""The built-in endpoint, from the command line or the test, that hears everything."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One signed request, as an endpoint would receive it."""

    event_id: str
    type: str
    body: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class Listening:
    """
    How this account's webhooks go out: the built-in endpoint, and what is being done to the post on the way.
    """

    secret: str = "whsec_sandbox"  # noqa: S105 - the sandbox's own, known to every reader of its manual
    url: str | None = None
    mode: str = "normal"
    dice: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - shuffles post, hides nothing

    def set_mode(self, mode: str, seed: int | None = None) -> None:
        """
        Deliver normally, in random order, twice, later (hold), or never (drop). Raises 400 for other words. What
        ``chaos`` and ``disabled`` mean is known to the account, where events are told.
        """
        if mode not in MODES:
            raise invalid(f"Invalid mode: must be one of {', '.join(MODES)}", param="mode")
        self.mode = mode
        if seed is not None:
            self.dice = random.Random(seed)  # noqa: S311


def signature(body: bytes, secret: str, at: int) -> str:
    """The value of ``Stripe-Signature``: ``t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">``."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def matches(type: str, wanted: str) -> bool:
    """Whether a wish (``*``, ``invoice.*``, ``invoice.paid``) covers an event's type."""
    return wanted == "*" or wanted == type or (wanted.endswith(".*") and type.startswith(wanted[:-1]))


def enqueue(account: Account, event: Obj) -> None:
    """Owe this event to the built-in listener and to every enabled endpoint that asked for its type."""
    targets = {LISTENER: LISTENER} if account.listens and not account.deaf else {}
    for endpoint in account.kinds.get("webhook_endpoint", {}).values():
        wants = any(matches(event["type"], wanted) for wanted in endpoint["enabled_events"])
        if wants and endpoint["status"] == "enabled":
            targets[endpoint["id"]] = endpoint["url"]
    ordinal, nth = chaos.count(account, event["type"])
    for target, name in targets.items():
        fate = chaos.fate(account.chaos, endpoint=name, type=event["type"], nth=nth, ordinal=ordinal)
        if fate.lost:
            _end(account, _owe(account, event, target, turn=ordinal), "dropped")
        for number, (turn, delay) in enumerate(fate.copies):
            _owe(account, event, target, turn=turn, delay=delay, again=number)
    event["pending_webhooks"] = len(targets)


def _owe(account: Account, event: Obj, target: str, *, turn: float, delay: int = 0, again: int = 0) -> Obj:
    """A delivery to be made; ``again`` numbers those of one event to one endpoint, and only the first counts."""
    id = f"{event['id']}:{target}" + (f":{again}" if again else "")
    account.waiting[id] = {
        "id": id,
        "event": event["id"],
        "type": event["type"],
        "endpoint": target,
        "status": "pending",
        "tries": 0,
        "turn": turn,
        "due": account.now() + delay,
        "began": None,
        "last_status": None,
        "last_error": None,
        "again": again,
    }
    return account.waiting[id]


def resend(account: Account, event: Obj) -> int:
    """
    Owe an event once more to everybody who would hear of it now, as from the dashboard. Returns to how many. What
    is tried by itself goes on being tried.
    """
    targets = [LISTENER] if account.listens and not account.deaf else []
    targets += [
        endpoint["id"]
        for endpoint in account.all("webhook_endpoint")
        if endpoint["status"] == "enabled"
        and any(matches(event["type"], wanted) for wanted in endpoint["enabled_events"])
    ]
    hidden = account.secret("post")
    for target in targets:
        hidden["resent"] = hidden.get("resent", 1) + 1
        _owe(account, event, target, turn=chaos.horizon(account), again=hidden["resent"])
    account.changes += 1
    return len(targets)


def due(account: Account, listening: Listening, *, wanted: Callable[[Obj], bool]) -> list[Obj]:
    """
    The deliveries to make now, in the order to make them. Under ``shuffle`` that order is drawn by lot, under
    ``duplicate`` each stands twice, under ``hold`` there are none, under ``drop`` all are given up. Under
    ``chaos`` each waits until enough others were told that are to overtake it. An endpoint that is disabled when
    its turn comes is tried no more.
    """
    if listening.mode == "hold":
        return []
    now = account.now()
    found = []
    for row in [row for row in account.waiting.values() if row["due"] <= now]:
        if _is_disabled(account, row["endpoint"]):
            _end(account, row, "failed")
        elif wanted(row):
            found.append(row)
    if listening.mode == "drop":
        for row in found:
            _end(account, row, "dropped")
        return []
    found = [row for row in found if is_due(account, row)]
    found.sort(key=lambda row: row["turn"])
    if listening.mode == "shuffle":
        listening.dice.shuffle(found)
    if listening.mode == "duplicate":
        return [row for row in found for _ in range(2)]
    return found


def is_due(account: Account, row: Obj) -> bool:
    """Whether a delivery's time has come, and under ``chaos`` its turn."""
    now = account.now()
    if account.chaos is None or row["due"] > now:
        return bool(row["due"] <= now)
    return bool(row["turn"] <= chaos.horizon(account) or row["due"] + chaos.PATIENCE <= now)


def _is_disabled(account: Account, target: str) -> bool:
    if target == LISTENER:
        return account.deaf
    endpoint = account.objects.get(target)
    return endpoint is not None and endpoint["status"] == "disabled"


def letter(account: Account, listening: Listening, row: Obj) -> Webhook:
    """The signed request for one delivery, with this try's own moment in the signature."""
    event = account.objects[row["event"]]
    body = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
    own = row["endpoint"] == LISTENER
    secret = listening.secret if own else account.secret(row["endpoint"])["secret"]
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signature(body, secret, account.now()),
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    return Webhook(event_id=event["id"], type=event["type"], body=body, headers=headers)


def arrived(account: Account, row: Obj, status: int | None = None) -> None:
    """Write down that a delivery was accepted."""
    row |= {"tries": row["tries"] + 1, "last_status": status, "last_error": None}
    if row["status"] == "pending":
        if not row["again"]:
            account.objects[row["event"]]["pending_webhooks"] -= 1
        _end(account, row, "delivered")


def failed(account: Account, row: Obj, *, status: int | None, error: str | None) -> None:
    """
    Write down that a delivery failed, and when it will be tried again. Gaps are counted from the try that
    failed, so that a clock which was moved far ahead does not use up all tries at once.
    """
    if row["status"] != "pending":
        return
    now = account.now()
    gap = GAPS[min(row["tries"], len(GAPS) - 1)]
    began = now if row["began"] is None else row["began"]
    row |= {"tries": row["tries"] + 1, "last_status": status, "last_error": error, "due": now + gap}
    row["began"] = began
    if row["due"] > began + GIVEN_UP_AFTER:
        _end(account, row, "failed")
    account.changes += 1


def _end(account: Account, row: Obj, status: str) -> None:
    """Owe this delivery no more."""
    row["status"] = status
    del account.waiting[row["id"]]
    account.over.append(row)
    account.changes += 1


ENDPOINT_FIELDS: Fields = {
    "url": Url(),
    "enabled_events": Many(Text(), 400),
    "description": Text(),
    "metadata": Metadata(),
}


@post(
    "/v1/webhook_endpoints",
    {**ENDPOINT_FIELDS, "api_version": OneOf(API_VERSION)},
    needed=("url", "enabled_events"),
)
def create_endpoint(account: Account, given: Obj) -> Obj:
    """A new endpoint. Only this answer carries its signing secret."""
    endpoint = account.keep(
        {
            "id": account.new_id("webhook_endpoint"),
            "object": "webhook_endpoint",
            "api_version": given.get("api_version"),
            "application": None,
            "created": account.now(),
            "description": given.get("description"),
            "enabled_events": given["enabled_events"],
            "livemode": False,
            "metadata": given.get("metadata") or {},
            "status": "enabled",
            "url": given["url"],
        }
    )
    secret = "whsec_" + account.new_id("webhook_endpoint").removeprefix("we_")
    account.secret(endpoint["id"])["secret"] = secret
    return {**endpoint, "secret": secret}


@get("/v1/webhook_endpoints", PAGE)
def list_endpoints(account: Account, given: Obj) -> Obj:
    """All endpoints, newest first."""
    return page(account.all("webhook_endpoint"), given, "/v1/webhook_endpoints")


@get("/v1/webhook_endpoints/<id>")
def retrieve_endpoint(account: Account, given: Obj, id: str) -> Obj:
    """One endpoint, without its secret."""
    return account.find("webhook_endpoint", id)


@post("/v1/webhook_endpoints/<id>", {**ENDPOINT_FIELDS, "disabled": Flag()})
def update_endpoint(account: Account, given: Obj, id: str) -> Obj:
    """Change where it points, what it hears, or switch it off."""
    endpoint = account.find("webhook_endpoint", id)
    values = {key: value for key, value in given.items() if key not in ("disabled", "metadata")}
    if "metadata" in given:
        values["metadata"] = merge_metadata(endpoint, given["metadata"])
    if "disabled" in given:
        values["status"] = "disabled" if given["disabled"] else "enabled"
    change(endpoint, **values)
    return endpoint


@delete("/v1/webhook_endpoints/<id>")
def delete_endpoint(account: Account, given: Obj, id: str) -> Obj:
    """Remove an endpoint; what was still owed to it is given up."""
    account.find("webhook_endpoint", id)
    del account.kinds["webhook_endpoint"][id], account.objects[id]
    for row in list(account.waiting.values()):
        if row["endpoint"] == id:
            _end(account, row, "failed")
    return {"id": id, "object": "webhook_endpoint", "deleted": True}
