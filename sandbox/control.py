"""
What a script can do that Stripe has no call for: be the reader, be the bank, move the clock, break the post.

``Controls`` has one method per power; ``respond`` translates HTTP (JSON in, JSON out) under ``/_sandbox/``.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from sandbox import agenda, balance, checkout, payments, webhooks
from sandbox.account import Account, Obj, copied
from sandbox.errors import StripeError, invalid

UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}


class Controls:
    """The powers over one account. Each method locks it, and leaves what is due now done."""

    def __init__(self, account: Account, listening: webhooks.Listening) -> None:
        self.account = account
        self.listening = listening

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

    # The clock

    def clock(self) -> Obj:
        """The sandbox's time, and how many seconds it is ahead of the system's."""
        with self.account.lock:
            now = self.account.system_time() + self.account.offset
            return {
                "now": datetime.fromtimestamp(now, UTC).isoformat(),
                "offset_seconds": self.account.offset,
            }

    def advance(self, by: timedelta) -> Obj:
        """Move the clock forward by this much, playing what is due in between. Returns the clock."""
        with self.account.lock:
            agenda.move(self.account, self.account.system_time() + self.account.offset + by.total_seconds())
            return self.clock()

    def set_clock(self, to: datetime) -> Obj:
        """Move the clock forward to an aware moment. Raises 400 if that has passed. Returns the clock."""
        with self.account.lock:
            agenda.move(self.account, to.timestamp())
            return self.clock()

    # The post

    def webhooks(self, mode: str, seed: int | None = None) -> Obj:
        """Deliver webhooks normally, shuffled, twice, later (hold) or never (drop)."""
        self.listening.set_mode(mode, seed)
        return {"mode": mode}

    def deliveries(self) -> Obj:
        """All deliveries of webhooks: event, type, endpoint, status, tries, and when the next try is due."""
        with self.account.lock:
            return {"mode": self.listening.mode, "data": copied(self.account.deliveries)}

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
            return self.clock()


def duration(text: str) -> timedelta | tuple[int, str]:
    """``"31 days"``, ``"2 hours"``: a length of time. Months and years, which have none, as a count and a unit."""
    match = re.fullmatch(r"\s*(\d{1,6})\s*(second|minute|hour|day|week|month|year)s?\s*", text)
    if not match:
        raise invalid(f"Not a length of time: {text!r}. Try '31 days' or '1 month'.", param="advance")
    count, unit = int(match[1]), match[2]
    return UNITS[unit] * count if unit in UNITS else (count, unit)


def _set_clock(controls: Controls, given: Obj) -> Obj:
    from sandbox.periods import period_start

    if ("advance" in given) == ("to" in given):
        raise invalid("Say either how far to advance the clock or where to move it to.", param="advance")
    if "advance" in given:
        length = duration(str(given["advance"]))
        if isinstance(length, timedelta):
            return controls.advance(length)
        count, unit = length
        now = controls.account.now()
        later = period_start(now, {"interval": unit, "interval_count": 1}, count)
        return controls.advance(timedelta(seconds=later - now))
    try:
        to = datetime.fromisoformat(str(given["to"]))
    except ValueError:
        raise invalid(f"Not an ISO time: {given['to']!r}.", param="to") from None
    return controls.set_clock(to if to.tzinfo else to.replace(tzinfo=UTC))


ROUTES = Map(
    [
        Rule(f"/_sandbox/{path}", methods=[method], endpoint=answer)
        for method, path, answer in (
            (
                "POST",
                "sessions/<id>/pay",
                lambda c, g, id: c.pay(id, **_only(g, "card", "email", "name", "method", "three_d_secure")),
            ),
            ("POST", "sessions/<id>/expire", lambda c, g, id: c.expire(id)),
            ("POST", "payments/<id>/settle", lambda c, g, id: c.settle(id)),
            ("POST", "payments/<id>/fail", lambda c, g, id: c.settle(id, paid=False)),
            ("GET", "clock", lambda c, g: c.clock()),
            ("POST", "clock", _set_clock),
            ("GET", "books", lambda c, g: c.books()),
            ("POST", "reset", lambda c, g: c.reset()),
            ("GET", "deliveries", lambda c, g: c.deliveries()),
            ("POST", "webhooks", lambda c, g: c.webhooks(str(g.get("mode", "normal")), g.get("seed"))),
        )
    ]
)


def _only(given: Obj, *names: str) -> Obj:
    for name, value in given.items():
        if name not in names:
            raise invalid(f"Received unknown parameter: {name}", param=name, code="parameter_unknown")
        if value is not None and not isinstance(value, str):
            raise invalid(f"Invalid string: {value!r}", param=name)
    return {name: value for name, value in given.items() if value is not None}


def respond(controls: Controls, request: Request) -> Response:
    """The answer to a request under ``/_sandbox/``; refusals and declines have Stripe's error body."""
    try:
        answer, ids = ROUTES.bind("sandbox").match(request.path, request.method)
    except HTTPException as problem:
        error = invalid(
            f"Unrecognized request URL ({request.method}: {request.path}).", status=problem.code or 404
        )
        return _json(error.body(), error.status)
    try:
        given = json.loads(request.get_data() or b"{}")
        if not isinstance(given, dict):
            raise invalid("The body must be a JSON object.")
        return _json(answer(controls, given, **ids))
    except ValueError:
        return _json(invalid("The body must be JSON.").body(), 400)
    except StripeError as error:
        return _json(error.body(), error.status)


def _json(body: Obj, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")
