"""
The script's door: what ``Controls`` can do, over HTTP under ``/_sandbox/``, JSON in and JSON out.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from sandbox import settings
from sandbox.account import Obj
from sandbox.control import Controls, move_clock
from sandbox.errors import StripeError, invalid

Call = Callable[..., Obj]

TEXT = (str,)
EXPIRY: dict[str, tuple[type, ...]] = {"exp_month": (int,), "exp_year": (int,)}
CALLS: tuple[tuple[str, str, dict[str, tuple[type, ...]], tuple[str, ...], Call], ...] = (
    (
        "POST",
        "sessions/<id>/pay",
        dict.fromkeys(("card", "email", "name", "method", "three_d_secure"), TEXT) | EXPIRY,
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
        {"card": TEXT} | EXPIRY,
        ("card",),
        lambda controls, id, card, **expires: controls.change_card(id, card, **expires),
    ),
    (
        "POST",
        "cards/<id>/decline",
        {"code": TEXT},
        (),
        lambda controls, id, code="generic_decline": controls.decline(id, code),
    ),
    ("POST", "cards/<id>/accept", {}, (), lambda controls, id: controls.decline(id, None)),
    (
        "POST",
        "cards/<id>/replace",
        {"number": TEXT} | EXPIRY,
        (),
        lambda controls, id, **new: controls.replace_card(id, **new),
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
    (
        "POST",
        "payouts/<id>/fail",
        {"code": TEXT},
        (),
        lambda controls, id, code="account_closed": controls.fail_payout(id, code),
    ),
    ("GET", "settings", {}, (), lambda controls: controls.settings()),
    (
        "POST",
        "settings",
        dict.fromkeys(settings.KNOWN, (dict,)),
        (),
        lambda controls, **groups: controls.change_settings(**groups),
    ),
    ("GET", "books", {}, (), lambda controls: controls.books()),
    ("GET", "statement", {}, (), lambda controls: controls.statement()),
    ("GET", "deliveries", {}, (), lambda controls: controls.deliveries()),
    ("GET", "deliveries/waiting", {}, (), lambda controls: controls.waiting()),
    (
        "POST",
        "webhooks",
        {
            "mode": TEXT,
            "seed": (int,),
            "shuffle": (int,),
            **dict.fromkeys(("drop", "duplicate", "delay", "delay_hours"), (int, float)),
        },
        ("mode",),
        lambda controls, mode, **how: controls.deliver(mode, **how),
    ),
    ("POST", "events/<id>/resend", {}, (), lambda controls, id: controls.resend(id)),
    (
        "POST",
        "faults",
        {
            "call": TEXT,
            "kind": TEXT,
            **dict.fromkeys(("times", "seed", "retry_after"), (int,)),
            **dict.fromkeys(("share", "seconds"), (int, float)),
        },
        ("call", "kind"),
        lambda controls, call, kind, times=None, **how: controls.fault(call, kind, times, **how),
    ),
    ("GET", "faults", {}, (), lambda controls: controls.waiting_faults()),
    ("POST", "faults/clear", {}, (), lambda controls: controls.clear_faults()),
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
