"""Webhooks that must be refused: forged, out of date, or signed and yet no event that we can keep."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.donations.bad_requests import WEBHOOK, BadRequest, Sign, Signature, as_json

EVENT = {
    "id": "evt_1BadInput",
    "object": "event",
    "type": "customer.updated",
    "api_version": "2026-10-28.endive",
    "created": 1_700_000_000,
    "livemode": False,
    "pending_webhooks": 1,
    "request": {"id": None, "idempotency_key": None},
    "data": {"object": {"id": "cus_1", "object": "customer"}},
}
_event = as_json(EVENT)
OTHER_SECRET = "whsec_of_another_endpoint"


def _well(sign: Sign, body: bytes, now: datetime) -> str:
    return sign(body, now)


def _shifted(**offset: int) -> Signature:
    return lambda sign, body, now: sign(body, now + timedelta(**offset))


def _changed(change: Callable[[str], str]) -> Signature:
    return lambda sign, body, now: change(sign(body, now))


def _a_second_later(header: str) -> str:
    stamp, _, rest = header.removeprefix("t=").partition(",")
    return f"t={int(stamp) + 1},{rest}"


def _said(header: str | None) -> Signature:
    return lambda sign, body, now: header


def forged(
    name: str, signature: Signature, raw: bytes = _event, code: str = "invalid_signature"
) -> BadRequest:
    """A webhook whose signature is missing, wrong or out of date."""
    return BadRequest(f"webhook: {name}", 400, code, path=WEBHOOK, body=raw, signature=signature)


def signed(name: str, raw: bytes, code: str = "malformed_event", status: int = 400) -> BadRequest:
    """A webhook that is signed as it should be, and is no event that we can keep."""
    return BadRequest(f"webhook: {name}", status, code, path=WEBHOOK, body=raw, signature=_well)


TABLE = [
    forged("no signature", _said(None)),
    forged("an empty signature", _said("")),
    forged("junk for a signature", _said("hello")),
    forged("commas and equals signs", _said(",=,=,t=,v1=")),
    forged("a signature of 100 kB", _said("v1=" + "a" * 100_000)),
    forged(
        "10,000 signatures",
        _changed(lambda header: header.replace("v1=", "v1=0" + ",v1=0" * 10_000 + ",v2=")),
    ),
    forged("only a v0 signature", _changed(lambda header: header.replace("v1=", "v0="))),
    forged("no time", _changed(lambda header: header.partition(",")[2])),
    forged("a time that is no number", _changed(lambda header: "t=now," + header.partition(",")[2])),
    forged("a time in Arabic digits", _changed(lambda header: "t=١٢," + header.partition(",")[2])),
    forged("a time of 5,000 digits", _changed(lambda header: f"t={'9' * 5_000}," + header.partition(",")[2])),
    forged("a time that was not signed", _changed(_a_second_later)),
    forged("half a signature", _changed(lambda header: header[:-32])),
    forged("a signature beyond ASCII", _changed(lambda header: header[:-1] + "é")),
    forged("301 seconds old", _shifted(seconds=-301)),
    forged("a day old", _shifted(days=-1)),
    forged("310 seconds in the future", _shifted(seconds=310)),
    forged("10 years in the future", _shifted(days=3_653)),
    forged("before 1970", _changed(lambda header: "t=-1," + header.partition(",")[2])),
    forged("another endpoint's secret", lambda sign, body, now: sign(body, now, OTHER_SECRET)),
    forged("an empty secret", lambda sign, body, now: sign(body, now, "")),
    forged("the signature of another body", lambda sign, body, now: sign(body + b" ", now)),
    forged(
        "the same JSON, written anew",
        lambda sign, body, now: sign(json.dumps(json.loads(body), indent=1).encode(), now),
    ),
    forged("not UTF-8 and not signed", _said("t=1,v1=00"), b"\xff\xfe"),
    forged("no body and no signature", _said(None), b""),
    signed("not UTF-8, but signed", _event.replace(b"cus_1", b"\xff")),
    signed("empty, but signed", b""),
    signed("null, but signed", b"null"),
    signed("a list, but signed", b"[]"),
    signed("a number, but signed", b"123"),
    signed("a text, but signed", b'"evt_1"'),
    signed("cut short before signing", _event[:-5]),
    signed("nothing in it", b"{}"),
    signed("without an id", as_json({key: value for key, value in EVENT.items() if key != "id"})),
    signed("without a type", as_json({key: value for key, value in EVENT.items() if key != "type"})),
    signed("without data", as_json({key: value for key, value in EVENT.items() if key != "data"})),
    signed("a number for an id", as_json(EVENT | {"id": 1})),
    signed("an id of 5,000 characters", as_json(EVENT | {"id": "evt_" + "x" * 5_000})),
    signed("NUL in the id", as_json(EVENT | {"id": "evt_\0"})),
    signed("NUL in the type", as_json(EVENT | {"type": "customer.updated\0"})),
    signed("a lone surrogate in the type", as_json(EVENT | {"type": "customer.\ud800"})),
    signed("a type of 5,000 characters", as_json(EVENT | {"type": "x" * 5_000})),
    signed("NUL in the version", as_json(EVENT | {"api_version": "2026\0"})),
    signed("a lone surrogate in the version", as_json(EVENT | {"api_version": "\ud800"})),
    signed("a list for a type", as_json(EVENT | {"type": ["customer.updated"]})),
    signed("a text for the time", as_json(EVENT | {"created": "yesterday"})),
    signed("a time beyond the calendar", as_json(EVENT | {"created": 10**18})),
    signed("a list for data", as_json(EVENT | {"data": []})),
    signed("no object in data", as_json(EVENT | {"data": {"object": None}})),
    signed("a key twice", _event[:-1] + b', "id": "evt_2"}'),
    signed("NaN", _event.replace(b"1700000000", b"NaN")),
    signed("nested 30,000 deep", _event[:-1] + b', "a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
    signed(
        "a thin event", as_json({"id": "evt_1", "object": "v2.core.event", "type": "v1.billing.meter.error"})
    ),
    signed("a text for the mode", as_json(EVENT | {"livemode": "false"})),
    signed("a byte more than 1 MiB", _event.ljust(1024 * 1024 + 1), "too_large", 413),
]
