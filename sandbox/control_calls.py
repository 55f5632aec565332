"""
The script's door: what ``Controls`` can do, over HTTP under ``/_sandbox/``, JSON in and JSON out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from sandbox import later, settings, spans
from sandbox.account import Account, Obj
from sandbox.control import Controls, move_clock
from sandbox.errors import StripeError, invalid
from sandbox.faults import Faults
from sandbox.webhooks import Listening

Body = dict[str, tuple[type, ...]]

TEXT = (str,)
WHOLE = (int,)
NUMBER = (int, float)
EXPIRY: Body = {"exp_month": WHOLE, "exp_year": WHOLE}
WHEN: Body = {"at": TEXT, "in": TEXT}
"""Every call about one object can be planned: for a moment, or for so long from now."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """``act(controls, *ids, **body)`` answers ``method`` on ``/_sandbox/<path>``; a body holds what ``known`` says."""

    method: str
    path: str
    act: Callable[..., Obj]
    known: Body = field(default_factory=dict)
    needed: tuple[str, ...] = ()

    @property
    def can_wait(self) -> bool:
        """Whether it can be planned for later."""
        return self.method == "POST" and "<id>" in self.path


def _get(path: str, act: Callable[..., Obj]) -> Call:
    return Call("GET", path, act)


def _post(path: str, act: Callable[..., Obj], known: Body | None = None, *needed: str) -> Call:
    return Call("POST", path, act, known or {}, needed)


CALLS: tuple[Call, ...] = (
    _post(
        "sessions/<id>/pay",
        Controls.pay,
        dict.fromkeys(("card", "email", "name", "method", "three_d_secure"), TEXT) | EXPIRY,
    ),
    _post("sessions/<id>/expire", Controls.expire),
    _post("sessions/<id>/recover", Controls.recover),
    _post("payments/<id>/settle", Controls.settle),
    _post("payments/<id>/fail", lambda controls, id: controls.settle(id, paid=False)),
    _post("invoices/<id>/pay", Controls.pay_invoice, {"card": TEXT, "three_d_secure": TEXT} | EXPIRY, "card"),
    _post("subscriptions/<id>/card", Controls.change_card, {"card": TEXT} | EXPIRY, "card"),
    _post("cards/<id>/decline", Controls.decline, {"code": TEXT}),
    _post("cards/<id>/accept", lambda controls, id: controls.decline(id, None)),
    _post("cards/<id>/replace", Controls.replace_card, {"number": TEXT} | EXPIRY),
    _post("charges/<id>/refund", Controls.refund, {"amount": WHOLE}),
    _post("refunds/<id>/settle", Controls.settle_refund),
    _post("refunds/<id>/fail", Controls.fail_refund, {"reason": TEXT}),
    _post("charges/<id>/dispute", Controls.dispute, {"reason": TEXT, "inquiry": (bool,)}),
    _post("disputes/<id>/answer", Controls.answer_dispute, {"text": TEXT}),
    _post("disputes/<id>/escalate", Controls.escalate_dispute),
    _post("disputes/<id>/withdraw", Controls.withdraw_dispute),
    _post("disputes/<id>/close", Controls.close_dispute, {"status": TEXT}, "status"),
    _post("payouts/<id>/fail", Controls.fail_payout, {"code": TEXT}),
    _post("events/<id>/resend", Controls.resend),
    _get("later", Controls.planned),
    _get("clock", Controls.clock),
    _post("clock", move_clock, {"advance": TEXT, "to": TEXT}),
    _get("settings", Controls.settings),
    _post("settings", Controls.change_settings, dict.fromkeys(settings.KNOWN, (dict,))),
    _get("books", Controls.books),
    _get("statement", Controls.statement),
    _get("deliveries", Controls.deliveries),
    _get("deliveries/waiting", Controls.waiting),
    _post(
        "webhooks",
        Controls.deliver,
        {"mode": TEXT, "seed": WHOLE, "shuffle": WHOLE}
        | dict.fromkeys(("drop", "duplicate", "delay", "delay_hours"), NUMBER),
        "mode",
    ),
    _get("faults", Controls.waiting_faults),
    _post(
        "faults",
        Controls.fault,
        {"call": TEXT, "kind": TEXT}
        | dict.fromkeys(("times", "seed", "retry_after"), WHOLE)
        | dict.fromkeys(("share", "seconds"), NUMBER),
        "call",
        "kind",
    ),
    _post("faults/clear", Controls.clear_faults),
    _post("reset", Controls.reset),
)

ROUTES = Map([Rule(f"/_sandbox/{call.path}", methods=[call.method], endpoint=call) for call in CALLS])


def _match(method: str, path: str) -> tuple[Call, list[str]]:
    """The call on a path after ``/_sandbox/``, and the ids in it. Raises 404 and 405."""
    try:
        call, ids = ROUTES.bind("sandbox").match(f"/_sandbox/{path}", method)
    except HTTPException as problem:
        message = f"Unrecognized request URL ({method}: /_sandbox/{path})."
        raise invalid(message, status=problem.code or 404) from None
    return call, list(ids.values())


def _checked(given: object, known: Body, needed: tuple[str, ...]) -> Obj:
    """
    A body, of which only known keys of the right type are let through; null is as good as nothing. Raises 400.
    """
    if not isinstance(given, dict):
        raise invalid("The body must be a JSON object.")
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        if name not in known:
            raise invalid(f"Received unknown parameter: {name}", param=name, code="parameter_unknown")
        if not isinstance(value, known[name]) or (isinstance(value, bool) and bool not in known[name]):
            raise invalid(f"Invalid {name}: {value!r}", param=name)
    for name in needed:
        if name not in given:
            raise invalid(f"Missing required param: {name}.", param=name, code="parameter_missing")
    return given


# Calls that wait


def _check_later(path: str, body: Obj) -> None:
    call, _ = _match("POST", path)
    if not call.can_wait:
        raise invalid(f"This cannot be planned: {path}.", param="call")
    _checked(body, call.known, call.needed)


def _make_later(account: Account, path: str, body: Obj) -> Obj:
    call, ids = _match("POST", path)
    return call.act(Controls(account, Listening(), Faults()), *ids, **body)


later.CHECK.append(_check_later)
later.MAKE.append(_make_later)


def _moment(controls: Controls, at: str | None, length: str | None) -> datetime:
    """The moment that ``at`` or ``in`` speaks of. Raises 400 for both, and for what is neither."""
    if at is not None and length is not None:
        raise invalid("Say either at or in.", param="at")
    if at is not None:
        return spans.moment(at, param="at")
    now = controls.account.now()
    return datetime.fromtimestamp(now, UTC) + spans.span(str(length), since=now, param="in")


# HTTP


def _answer(controls: Controls, request: Request) -> Obj:
    path = request.path.removeprefix("/_sandbox/")
    call, ids = _match(request.method, path)
    try:
        given = json.loads(request.get_data() or b"{}")
    except ValueError:
        raise invalid("The body must be JSON.") from None
    body = _checked(given, call.known | (WHEN if call.can_wait else {}), call.needed)
    if call.can_wait:
        at, length = body.pop("at", None), body.pop("in", None)
        if at is not None or length is not None:
            return controls.later(_moment(controls, at, length), path, **body)
    return call.act(controls, *ids, **body)


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
        return _json(_answer(controls, request))
    except StripeError as error:
        return _json(error.body(), error.status)


def _json(body: Obj, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")
