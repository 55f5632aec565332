"""
Events: what the account tells about itself, kept for 30 days and handed to the webhooks.
"""

from __future__ import annotations

from sandbox import webhooks
from sandbox.account import API_VERSION, Account, Obj, copied
from sandbox.agenda import DAY
from sandbox.errors import missing
from sandbox.params import CREATED, PAGE, Flag, Many, Text
from sandbox.routes import get
from sandbox.wire import page, within

KEPT_FOR = 30 * DAY
"""How long events can be listed and retrieved, in seconds."""


def tell(account: Account, type: str, obj: Obj, previous: Obj | None = None) -> Obj:
    """
    Make an event of this type about the object as it is now. ``previous`` holds the earlier values of what
    changed and belongs to ``*.updated`` events. Returns the event.
    """
    request, key = account.request
    data: Obj = {"object": copied(obj)}
    if previous is not None:
        data["previous_attributes"] = copied(previous)
    event: Obj = {
        "id": account.new_id("event"),
        "object": "event",
        "api_version": API_VERSION,
        "created": account.now(),
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": request, "idempotency_key": key},
        "type": type,
    }
    account.keep(event)
    webhooks.enqueue(account, event)
    return event


def tell_updated(account: Account, type: str, obj: Obj, previous: Obj) -> None:
    """The same for an update, unless nothing changed."""
    if previous:
        tell(account, type, obj, previous)


def _recent(account: Account) -> list[Obj]:
    oldest = account.now() - KEPT_FOR
    return [event for event in account.all("event") if event["created"] >= oldest]


def forget(account: Account) -> None:
    """Let go of events that nobody can fetch any more and no delivery waits for."""
    oldest = account.now() - KEPT_FOR
    waited_for = {row["event"] for row in account.waiting.values()}
    gone = []
    for event in account.kinds.get("event", {}).values():
        if event["created"] >= oldest:
            break  # they lie in the order in which they happened
        if event["id"] not in waited_for:
            gone.append(event["id"])
    for id in gone:
        del account.kinds["event"][id], account.objects[id]


@get(
    "/v1/events",
    {**PAGE, "type": Text(), "types": Many(Text(), 20), "created": CREATED, "delivery_success": Flag()},
)
def list_events(account: Account, given: Obj) -> Obj:
    """Events of the last 30 days, newest first. ``type`` may end in ``.*``."""
    wanted = [given["type"]] if given.get("type") else given.get("types")
    events = [event for event in _recent(account) if within(event["created"], given.get("created"))]
    if wanted:
        events = [event for event in events if any(webhooks.matches(event["type"], want) for want in wanted)]
    if "delivery_success" in given:
        events = [event for event in events if (event["pending_webhooks"] == 0) is given["delivery_success"]]
    return page(events, given, "/v1/events")


@get("/v1/events/<id>")
def retrieve_event(account: Account, given: Obj, id: str) -> Obj:
    """One event of the last 30 days."""
    event = account.find("event", id)
    if event["created"] < account.now() - KEPT_FOR:
        raise missing("event", id)
    return event
