"""
What a script can do that Stripe has no call for: be the reader, be the bank, move the clock, break the post.

``Controls`` has one method per power; ``respond`` translates HTTP (JSON in, JSON out) under ``/_sandbox/``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from sandbox import (
    agenda,
    balance,
    checkout,
    collection,
    disputes,
    events,
    methods,
    payments,
    refunds,
    webhooks,
)
from sandbox.account import Account, Obj, change, copied
from sandbox.errors import StripeError, invalid
from sandbox.faults import Faults
from sandbox.periods import period_start

UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}


class Controls:
    """The powers over one account. Each method locks it, and leaves what is due now done."""

    def __init__(self, account: Account, listening: webhooks.Listening, faults: Faults) -> None:
        self.account = account
        self.listening = listening
        self.faults = faults

    def _done(self, answer: Obj) -> Obj:
        agenda.play(self.account)
        self.account.changes += 1
        found: Obj = copied(answer)
        return found

    # The reader

    def pay(self, session_id: str, **how: Any) -> Obj:
        """Pay on a session's page (see ``checkout.pay``). Returns the session."""
        with self.account.lock:
            agenda.play(self.account)
            try:
                return self._done(checkout.pay(self.account, session_id, **how))
            finally:
                self._done({})

    def expire(self, session_id: str) -> Obj:
        """Let an open session expire now. Returns it."""
        with self.account.lock:
            return self._done(checkout.expire(self.account, session_id))

    # The bank

    def settle(self, intent_id: str, *, paid: bool = True) -> Obj:
        """End a bank debit that is on its way, paid or unpaid. Returns the payment intent."""
        with self.account.lock:
            intent = self.account.find("payment_intent", intent_id)
            payments.settle(self.account, intent, paid=paid)
            return self._done(intent)

    def refund(self, charge_id: str, amount: int | None = None) -> Obj:
        """Refund a charge as from the dashboard, all that is left or this much. Returns the refund."""
        with self.account.lock:
            charge = self.account.find("charge", charge_id)
            made = refunds.refund(self.account, charge, amount=amount, reason=None, metadata={})
            return self._done(made)

    def dispute(self, charge_id: str, reason: str = "fraudulent") -> Obj:
        """Let the reader ask the bank for a charge's money back. Returns the dispute."""
        with self.account.lock:
            charge = self.account.find("charge", charge_id)
            return self._done(disputes.open_dispute(self.account, charge, reason=reason))

    def close_dispute(self, dispute_id: str, status: str) -> Obj:
        """Let the bank decide a dispute: "won" or "lost". Returns it."""
        with self.account.lock:
            dispute = self.account.find("dispute", dispute_id)
            return self._done(disputes.close(self.account, dispute, status=status))

    def change_card(self, subscription_id: str, card: str) -> Obj:
        """Let a subscription's renewals be paid by another card. Returns the subscription."""
        with self.account.lock:
            subscription = self.account.find("subscription", subscription_id)
            owner = self.account.objects[subscription["customer"]]
            method = methods.new_card(self.account, card, email=owner["email"], name=owner["name"])
            methods.attach(self.account, method, owner["id"])
            previous = change(subscription, default_payment_method=method["id"])
            events.tell(self.account, "customer.subscription.updated", subscription, previous)
            return self._done(subscription)

    def pay_invoice(self, invoice_id: str, card: str, three_d_secure: str | None = None) -> Obj:
        """Let the reader pay an open invoice on its page, with any card. Returns the invoice."""
        with self.account.lock:
            invoice = self.account.find("invoice", invoice_id)
            if invoice["status"] not in ("open", "uncollectible"):
                raise invalid(f"This invoice is {invoice['status']} and cannot be paid.", param="id")
            method = methods.new_card(self.account, card, email=invoice["customer_email"])
            error = collection.collect(
                self.account, invoice, method=method, counts=False, on_session=True, challenge=three_d_secure
            )
            answer = self._done(invoice)
            if error:
                raise error
            return answer

    def recover(self, session_id: str) -> Obj:
        """Let the reader come back through an expired session's recovery link. Returns the new session."""
        with self.account.lock:
            return self._done(checkout.recover(self.account, session_id))

    # The clock

    def clock(self) -> Obj:
        """The sandbox's time, and how many seconds it is ahead of the system's."""
        offset = self.account.offset  # without the lock: who asks for the time shall not wait for a long move
        now = datetime.fromtimestamp(self.account.system_time() + offset, UTC)
        return {"now": now.isoformat(), "offset_seconds": offset}

    def advance(self, by: timedelta) -> Obj:
        """Move the clock forward by this much, playing what is due in between. Returns the clock."""
        with self.account.lock:
            agenda.move(self.account, self.account.system_time() + self.account.offset + by.total_seconds())
            events.forget(self.account)
            return self.clock()

    def set_clock(self, to: datetime) -> Obj:
        """Move the clock forward to an aware moment. Raises 400 if that has passed. Returns the clock."""
        with self.account.lock:
            agenda.move(self.account, to.timestamp())
            events.forget(self.account)
            return self.clock()

    # The post

    def deliver(self, mode: str, seed: int | None = None) -> Obj:
        """
        Deliver webhooks "normal", "shuffle"d (drawn by ``seed``), "duplicate"d, later ("hold") or never
        ("drop").
        """
        self.listening.set_mode(mode, seed)
        return {"mode": mode}

    def deliveries(self) -> Obj:
        """All deliveries of webhooks: event, type, endpoint, status, tries, and when the next try is due."""
        with self.account.lock:
            return {"mode": self.listening.mode, "data": copied(self.account.deliveries)}

    # The network

    def fault(self, call: str, kind: str, times: int = 1) -> Obj:
        """Let the next ``times`` calls that match fail in a certain way (see ``faults``)."""
        self.faults.plan(call, kind, times)
        return {"call": call, "kind": kind, "times": times}

    # The whole

    def books(self) -> Obj:
        """See ``balance.books``."""
        with self.account.lock:
            agenda.play(self.account)
            return balance.books(self.account)

    def reset(self) -> Obj:
        """Forget everything, the clock included."""
        with self.account.lock:
            self.account.empty()
            self.listening.set_mode("normal")
            self.faults.clear()
            return self.clock()


def duration(text: str) -> timedelta | tuple[int, str]:
    """
    ``"31 days"``, ``"2 hours"``: a length of time. Months and years, which have none, as a count and a unit.
    """
    match = re.fullmatch(r"\s*(\d{1,6})\s*(second|minute|hour|day|week|month|year)s?\s*", text)
    if not match:
        raise invalid(f"Not a length of time: {text!r}. Try '31 days' or '1 month'.", param="advance")
    count, unit = int(match[1]), match[2]
    return UNITS[unit] * count if unit in UNITS else (count, unit)


def move_clock(controls: Controls, *, advance: str | None = None, to: str | None = None) -> Obj:
    """Move the clock by words: ``advance`` ("31 days", "1 year") or ``to`` (ISO time, UTC unless it says)."""
    if (advance is None) == (to is None):
        raise invalid("Say either how far to advance the clock or where to move it to.", param="advance")
    if to is not None:
        try:
            moment = datetime.fromisoformat(to)
        except ValueError:
            raise invalid(f"Not an ISO time: {to!r}.", param="to") from None
        return controls.set_clock(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    length = duration(str(advance))
    if isinstance(length, tuple):
        count, unit = length
        now = controls.account.now()
        later = period_start(now, {"interval": unit, "interval_count": 1}, count)
        length = timedelta(seconds=later - now)
    try:
        return controls.advance(length)
    except OverflowError:
        raise invalid("That is beyond the end of the calendar.", param="advance") from None


Call = Callable[..., Obj]

TEXT = (str,)
CALLS: tuple[tuple[str, str, dict[str, tuple[type, ...]], tuple[str, ...], Call], ...] = (
    (
        "POST",
        "sessions/<id>/pay",
        dict.fromkeys(("card", "email", "name", "method", "three_d_secure"), TEXT),
        (),
        lambda controls, id, **how: controls.pay(id, **how),
    ),
    ("POST", "sessions/<id>/expire", {}, (), lambda controls, id: controls.expire(id)),
    ("POST", "sessions/<id>/recover", {}, (), lambda controls, id: controls.recover(id)),
    ("POST", "payments/<id>/settle", {}, (), lambda controls, id: controls.settle(id)),
    ("POST", "payments/<id>/fail", {}, (), lambda controls, id: controls.settle(id, paid=False)),
    (
        "POST",
        "charges/<id>/refund",
        {"amount": (int,)},
        (),
        lambda controls, id, amount=None: controls.refund(id, amount),
    ),
    (
        "POST",
        "charges/<id>/dispute",
        {"reason": TEXT},
        (),
        lambda controls, id, reason="fraudulent": controls.dispute(id, reason),
    ),
    (
        "POST",
        "disputes/<id>/close",
        {"status": TEXT},
        ("status",),
        lambda controls, id, status: controls.close_dispute(id, status),
    ),
    (
        "POST",
        "subscriptions/<id>/card",
        {"card": TEXT},
        ("card",),
        lambda controls, id, card: controls.change_card(id, card),
    ),
    (
        "POST",
        "invoices/<id>/pay",
        {"card": TEXT, "three_d_secure": TEXT},
        ("card",),
        lambda controls, id, **how: controls.pay_invoice(id, **how),
    ),
    ("GET", "clock", {}, (), lambda controls: controls.clock()),
    ("POST", "clock", {"advance": TEXT, "to": TEXT}, (), move_clock),
    ("GET", "books", {}, (), lambda controls: controls.books()),
    ("GET", "deliveries", {}, (), lambda controls: controls.deliveries()),
    (
        "POST",
        "webhooks",
        {"mode": TEXT, "seed": (int,)},
        ("mode",),
        lambda controls, mode, seed=None: controls.deliver(mode, seed),
    ),
    (
        "POST",
        "faults",
        {"call": TEXT, "kind": TEXT, "times": (int,)},
        ("call", "kind"),
        lambda controls, call, kind, times=1: controls.fault(call, kind, times),
    ),
    ("POST", "reset", {}, (), lambda controls: controls.reset()),
)
"""Method, path under ``/_sandbox/``, what the body may hold and what it must, and what is done."""

ROUTES = Map(
    [
        Rule(f"/_sandbox/{path}", methods=[method], endpoint=number)
        for number, (method, path, *_) in enumerate(CALLS)
    ]
)


def _read(request: Request, known: dict[str, tuple[type, ...]], needed: tuple[str, ...]) -> Obj:
    """
    The JSON body, of which only known keys of the right type are let through; null is as good as nothing.
    """
    try:
        given = json.loads(request.get_data() or b"{}")
    except ValueError:
        raise invalid("The body must be JSON.") from None
    if not isinstance(given, dict):
        raise invalid("The body must be a JSON object.")
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        if name not in known:
            raise invalid(f"Received unknown parameter: {name}", param=name, code="parameter_unknown")
        if not isinstance(value, known[name]) or isinstance(value, bool):
            raise invalid(f"Invalid {name}: {value!r}", param=name)
    for name in needed:
        if name not in given:
            raise invalid(f"Missing required param: {name}.", param=name, code="parameter_missing")
    return given


def respond(controls: Controls, request: Request) -> Response:
    """
    The answer to a request under ``/_sandbox/``; refusals and declines have Stripe's error body. A page of
    another origin, which some reader's browser happens to show, may not use the powers (403).
    """
    origin = request.headers.get("Origin")
    ours = (None, request.host_url.rstrip("/"), controls.account.public_url)
    if request.method != "GET" and origin not in ours:
        return _json(invalid("Pages of another origin may not do this.").body(), 403)
    try:
        number, ids = ROUTES.bind("sandbox").match(request.path, request.method)
    except HTTPException as problem:
        error = invalid(
            f"Unrecognized request URL ({request.method}: {request.path}).", status=problem.code or 404
        )
        return _json(error.body(), error.status)
    _, _, known, needed, act = CALLS[number]
    try:
        return _json(act(controls, **ids, **_read(request, known, needed)))
    except StripeError as error:
        return _json(error.body(), error.status)


def _json(body: Obj, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")
