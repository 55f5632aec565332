"""
The inbox: every event of Stripe is stored word for word, then acted on once, whole or not at all.

`receive` is all that happens in the webhook's request. `process_waiting` is what a worker does, rung by the
doorbell or sent by the sweep: claim a row (a conditional UPDATE that one caller wins), fetch what the event
lacks, then in one transaction let one handler write what it means and mark the row as done.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Min, Q

from donations import facts, gateway, handlers, ledger
from donations.errors import PaymentsUnavailable
from donations.models import StripeEvent

_log = structlog.get_logger(__name__)

State = StripeEvent.State
LEASE = timedelta(minutes=5)  # longer than a task may run
BATCH = 10  # events that one worker claims at once; those behind one that takes long wait with it
MAX_ATTEMPTS = 5  # then a person has to look
# The shortest and the longest wait until the next look; in between, as long again as it has waited so far.
OUTAGE_RETRY = (timedelta(seconds=20), timedelta(minutes=10))
PARKED_RETRY = (timedelta(minutes=1), timedelta(hours=1))
PARKED_FOR = timedelta(days=30)


class Unreadable(ValueError):
    """The body is signed by Stripe, yet is no snapshot event that we can read."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What must be known of an event before it is stored."""

    id: str
    type: str
    livemode: bool
    api_version: str
    occurred_at: datetime


def read_envelope(body: bytes) -> tuple[Envelope, dict[str, Any]]:
    """The envelope of an event and all of it, decoded. Raises Unreadable."""
    try:
        event = _DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Unreadable("not JSON") from error
    if not isinstance(event, dict):
        raise Unreadable("not an object")
    return envelope_of(event), event


def envelope_of(event: dict[str, Any]) -> Envelope:
    """The envelope of a decoded event. Raises Unreadable."""
    event_id, kind, created, livemode = (event.get(key) for key in ("id", "type", "created", "livemode"))
    data = event.get("data")
    if (
        event.get("object") != "event"
        or not isinstance(data, dict)
        or not isinstance(data.get("object"), dict)
    ):
        raise Unreadable("not a snapshot event")  # thin events have no data.object
    if not (
        isinstance(event_id, str)
        and 1 <= len(event_id) <= 255
        and event_id.isascii()
        and event_id.isprintable()
    ):
        raise Unreadable("without an id")
    if not (
        isinstance(kind, str) and 1 <= len(kind) <= 120 and kind.isascii() and kind.isprintable()
    ) or not isinstance(livemode, bool):
        raise Unreadable("without a type or mode")
    if not isinstance(created, int) or isinstance(created, bool):
        raise Unreadable("without a time")
    try:
        occurred_at = datetime.fromtimestamp(created, tz=UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise Unreadable("with a time that is none") from error
    version = event.get("api_version")
    version = version[:40] if isinstance(version, str) else ""
    if not (version.isascii() and version.isprintable()):
        raise Unreadable("with a version that is none")
    return Envelope(event_id, kind, livemode, version, occurred_at)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse_constant(_name: str) -> Any:
    raise ValueError("NaN and Infinity are not JSON")


# Made once: json.loads would make one for each event.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)


def receive(*, body: bytes, signature: str, now: datetime) -> bool:
    """
    Check who sent an event and keep it: one statement, committed when this returns.

    :returns: True if it is new, False if we had it.
    :raises gateway.InvalidSignature, Unreadable: answer 400; nothing was stored.
    :raises django.db.DatabaseError: it could not be stored; answer 503, and Stripe will send it again.
    """
    try:
        gateway.check_signature(body=body, header=signature, secrets=settings.STRIPE_WEBHOOK_SECRETS, now=now)
    except UnicodeDecodeError as error:
        raise Unreadable("not UTF-8") from error
    envelope, _ = read_envelope(body)
    return keep(envelope, body.decode("utf-8"), now=now)


def keep(envelope: Envelope, text: str, *, now: datetime) -> bool:
    """
    Store an event under its unique id. False if it was here.

    The row that `StripeEvent(...)` would make, without making one: half of what storing an event took was the
    model's work. A test holds the two together.
    """
    row: Any = _Row(envelope.id)
    values: dict[str, Any] = {
        "stripe_id": envelope.id,
        "type": envelope.type,
        "state": "RECEIVED",
        "livemode": envelope.livemode,
        "api_version": envelope.api_version,
        "occurred_at": connection.ops.adapt_datetimefield_value(envelope.occurred_at),
        "received_at": connection.ops.adapt_datetimefield_value(now),
        "payload": StripeEvent._meta.get_field("payload").seal(row, text),
        "attempts": 0,
        "waits_for": "",
        "problem": "",
    }
    with connection.cursor() as cursor:
        cursor.execute(_statement(tuple(values)), list(values.values()))
        return bool(cursor.rowcount)


class _Row(NamedTuple):
    """What the seal of a payload is bound to."""

    stripe_id: str


@lru_cache
def _statement(columns: tuple[str, ...]) -> str:
    marks = ", ".join(["%s"] * len(columns))
    table = StripeEvent._meta.db_table
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608


# --- Processing ---------------------------------------------------------------------------------


def process_waiting(*, now: datetime, limit: int | None = None) -> int:
    """
    Act on the events that wait, oldest first; how many were taken.

    Safe to run any number of times at once: each event is claimed by one caller, for a few minutes.
    """
    _wake_long_parked(now)
    taken = _set_aside_what_nobody_reads(now)
    while limit is None or taken < limit:
        batch = _claim(now=now, limit=BATCH if limit is None else min(BATCH, limit - taken))
        if not batch:
            break  # events that were woken meanwhile would have been in it
        _process_all(batch, now=now)
        taken += len(batch)
    return taken


def _set_aside_what_nobody_reads(now: datetime) -> int:
    """
    Close the events of types that have no handler; how many. One statement for all of them.

    Of an endpoint that listens to everything they are half of what comes, and one by one they would cost half of
    the time.
    """
    unread = _waiting(now).filter(livemode=settings.STRIPE_LIVEMODE).exclude(type__in=handlers.HANDLERS)
    return int(
        unread.update(
            state=State.IGNORED,
            processed_at=now,
            leased_until=None,
            next_attempt_at=None,
            attempts=F("attempts") + 1,
            problem="",
        )
    )


def _waiting(now: datetime) -> Any:
    return StripeEvent.objects.filter(
        Q(next_attempt_at=None) | Q(next_attempt_at__lte=now),
        Q(leased_until=None) | Q(leased_until__lte=now),
        state=State.RECEIVED,
    )


def process(*, event_id: int, now: datetime) -> bool:
    """Act on one event if it waits and nobody else has it. False if there was nothing to do."""
    batch = _claim(now=now, limit=1, event_id=event_id)
    return _process_all(batch, now=now) == 1


def _claim(*, now: datetime, limit: int, event_id: int | None = None) -> list[StripeEvent]:
    """
    Take the oldest events that wait, or the one that is named, for LEASE; in the order in which to act on them.

    Claiming and reading is one statement for all of them: one by one, they took a third of the time of an event.
    """
    moment, until = (connection.ops.adapt_datetimefield_value(at) for at in (now, now + LEASE))
    found = StripeEvent.objects.raw(
        _claim_statement(connection.vendor, event_id is not None),
        [until, moment, moment, *([] if event_id is None else [event_id]), limit],
    )
    return sorted(found, key=lambda event: (event.occurred_at, event.pk))


@lru_cache
def _claim_statement(vendor: str, is_one: bool) -> str:
    meta = StripeEvent._meta
    columns = ", ".join(str(field.column) for field in meta.concrete_fields)
    one = "AND id = %s" if is_one else ""
    unlocked = "FOR UPDATE SKIP LOCKED" if vendor == "postgresql" else ""  # SQLite has one writer at a time
    return f"""
        UPDATE {meta.db_table} SET leased_until = %s
        WHERE id IN (
            SELECT id FROM {meta.db_table}
            WHERE state = 'RECEIVED' AND (next_attempt_at IS NULL OR next_attempt_at <= %s)
              AND (leased_until IS NULL OR leased_until <= %s) {one}
            ORDER BY occurred_at, id LIMIT %s {unlocked})
        RETURNING {columns}"""  # noqa: S608 - names of our own table


def _process_all(batch: list[StripeEvent], *, now: datetime) -> int:
    """Act on events that this caller has claimed; on how many of them nobody else did."""
    done = 0
    for place, event in enumerate(batch):
        try:
            done += _process(event, now=now)
        except BaseException:  # we are stopped: what we had not begun need not wait until the lease is over
            behind = [other.pk for other in batch[place + 1 :]]
            StripeEvent.objects.filter(pk__in=behind, state=State.RECEIVED, leased_until=now + LEASE).update(
                leased_until=None
            )
            raise
    return done


def _process(event: StripeEvent, *, now: datetime) -> bool:
    """
    Act on an event. False if somebody else was quicker.

    A failure is written on the row: Stripe out of reach means again later; what is unknown is parked; what
    contradicts us, or fails five times, waits for a person.
    """
    try:
        known = _act(event, now=now)
        # After the commit, so that what was parked meanwhile, and could not see it yet, is woken as well. Should we
        # die here, those that wait look again by themselves.
        _wake(known)
    except _DoneByOther:
        return False
    except ledger.Unmatched as parked:
        _finish(
            event, State.PARKED, now=now, waits_for=parked.waits_for, problem="waits for something unknown"
        )
        _wake_if_known_by_now(event, parked.waits_for)
    except ledger.NotOurs as reason:
        _finish(event, State.IGNORED, now=now, problem=str(reason))
    except (ledger.Mismatch, facts.Malformed) as reason:
        _log.error("event quarantined", stripe_event=event.stripe_id, type=event.type, why=str(reason))
        _finish(event, State.QUARANTINED, now=now, problem=str(reason))
    except PaymentsUnavailable:
        _try_again(event, now=now, problem="Stripe cannot be reached", is_ours=False)
    except Exception as bug:  # one event that we cannot digest must not hold up the others
        _log.exception("event failed", stripe_event=event.stripe_id, type=event.type)
        _try_again(event, now=now, problem=type(bug).__name__, is_ours=True)
    return True


def _act(event: StripeEvent, *, now: datetime) -> Collection[str]:
    """
    Write all that an event means, in one transaction, and that it is done; the ids that are known from now on.

    Whoever is overtaken by another event about the same thing looks anew, at once.
    """
    payload = json.loads(event.payload)
    for tries_left in reversed(range(MAX_ATTEMPTS)):
        work = handlers.prepare(event.type, payload, now=now)
        try:
            with transaction.atomic():
                if event.livemode != settings.STRIPE_LIVEMODE:
                    raise ledger.NotOurs("an event of the other mode, live or test")
                known = work(now) if work else ()
                if not _finish(event, State.PROCESSED if work else State.IGNORED, now=now):
                    raise _DoneByOther  # our lease ran out and somebody else was quicker: undo it all
                return known
        except handlers.Overtaken:
            if not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


class _DoneByOther(Exception):
    """Another worker acted on the event while we did."""


def _finish(event: StripeEvent, state: str, *, now: datetime, waits_for: str = "", problem: str = "") -> bool:
    """Take the step out of RECEIVED. False if somebody was here before."""
    moved = StripeEvent.objects.filter(pk=event.pk, state=State.RECEIVED).update(
        state=state,
        processed_at=None if state in (State.PARKED, State.QUARANTINED) else now,
        leased_until=None,
        next_attempt_at=now + _as_long_again(event, PARKED_RETRY, now=now) if state == State.PARKED else None,
        attempts=event.attempts if state == State.PARKED else event.attempts + 1,
        waits_for=waits_for,
        problem=problem[:200],
    )
    return moved == 1


def _try_again(event: StripeEvent, *, now: datetime, problem: str, is_ours: bool) -> None:
    """
    Later, with growing gaps. A fault of ours is tried five times at most, and `attempts` counts these alone; an
    outage of Stripe lasts as long as it lasts.
    """
    attempts = event.attempts + 1 if is_ours else event.attempts
    if is_ours and attempts >= MAX_ATTEMPTS:
        _finish(event, State.QUARANTINED, now=now, problem=f"failed {attempts} times: {problem}")
        return
    gap = timedelta(seconds=10 * 2**attempts) if is_ours else _as_long_again(event, OUTAGE_RETRY, now=now)
    StripeEvent.objects.filter(pk=event.pk, state=State.RECEIVED).update(
        leased_until=None, next_attempt_at=now + gap, attempts=attempts, problem=problem[:200]
    )


def _as_long_again(event: StripeEvent, limits: tuple[timedelta, timedelta], *, now: datetime) -> timedelta:
    """The time that an event has waited so far, within limits."""
    shortest, longest = limits
    return min(max(now - event.received_at, shortest), longest)


def _wake(known: Collection[str]) -> None:
    """Let parked events that wait for one of these ids be tried again."""
    wanted = [name for name in known if name]
    if wanted:
        StripeEvent.objects.filter(state=State.PARKED, waits_for__in=wanted).update(
            state=State.RECEIVED, next_attempt_at=None, waits_for=""
        )


def _wake_if_known_by_now(event: StripeEvent, waits_for: str) -> None:
    """What we wait for may have arrived while we were parking, and found nobody to wake."""
    if handlers.is_known(waits_for):
        StripeEvent.objects.filter(pk=event.pk, state=State.PARKED).update(
            state=State.RECEIVED, next_attempt_at=None, waits_for=""
        )


def _wake_long_parked(now: datetime) -> None:
    """Try parked events again now and then while Stripe would still tell of them; then they stay for a person."""
    StripeEvent.objects.filter(
        state=State.PARKED, next_attempt_at__lte=now, occurred_at__gt=now - PARKED_FOR
    ).update(state=State.RECEIVED, next_attempt_at=None)


def replay(*, event_id: int, now: datetime) -> bool:
    """Let an event that is parked, ignored or in quarantine be acted on again. False if it is not one of these."""
    found = StripeEvent.objects.filter(pk=event_id).exclude(state__in=[State.RECEIVED, State.PROCESSED])
    return bool(
        found.exclude(payload=b"").update(
            state=State.RECEIVED,
            next_attempt_at=None,
            leased_until=None,
            attempts=0,
            waits_for="",
            problem="",
        )
    )


def purge_payloads(*, now: datetime) -> int:
    """Forget the bodies of events that are dealt with and older than the retention time; how many were."""
    old = StripeEvent.objects.filter(
        state__in=[State.PROCESSED, State.IGNORED], processed_at__lte=now - settings.EVENT_PAYLOAD_RETENTION
    ).exclude(payload=b"")
    return int(old.update(payload=b""))


@dataclass(frozen=True, slots=True)
class Backlog:
    """How the inbox stands; `oldest_waiting_at` is UTC."""

    waiting: int
    oldest_waiting_at: datetime | None
    parked: int
    quarantined: int


def get_backlog() -> Backlog:
    """For health and for staff, in one query."""
    found = StripeEvent.objects.exclude(state__in=[State.PROCESSED, State.IGNORED]).aggregate(
        waiting=Count("pk", filter=Q(state=State.RECEIVED)),
        oldest=Min("received_at", filter=Q(state=State.RECEIVED)),
        parked=Count("pk", filter=Q(state=State.PARKED)),
        quarantined=Count("pk", filter=Q(state=State.QUARANTINED)),
    )
    return Backlog(found["waiting"], found["oldest"], found["parked"], found["quarantined"])
