"""
Requests that must be refused, and the answer that each of them gets.

One row is one request to the public API: the shape of a body, its encoding, methods and headers, paths,
text that must stay data, and the fields of a contribution. `bad_webhooks.py` goes on with what pretends to
come from Stripe; `test_bad_input.py` sends them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

CONTRIBUTIONS = "/api/v1/contributions/"
CAMPAIGNS = "/api/v1/campaigns/"
WEBHOOK = "/api/v1/webhooks/stripe/"

# The campaigns that the test lays out.
RUNNING, ENDED, NOT_YET = "support-us", "last-year", "next-year"

GOOD: Mapping[str, Any] = {
    "campaign": RUNNING,
    "interval": "month",
    "amount": 500,
    "currency": "USD",
    "email": "ada@example.org",
}


class Sign(Protocol):
    """Makes a Stripe-Signature header; without a secret, the one that our endpoint knows."""

    def __call__(self, body: bytes, at: datetime, secret: str | None = None) -> str: ...


Signature = Callable[[Sign, bytes, datetime], str | None]


@dataclass(frozen=True)
class BadRequest:
    """
    One request and its answer.

    `code` is the code of the error as a whole, or, where `at` names a field, the code of that field (the
    whole is then `invalid_request`). `signature` makes the Stripe-Signature header at the time of sending.
    """

    name: str
    status: int
    code: str
    at: str | None = None
    method: str = "POST"
    path: str = CONTRIBUTIONS
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    signature: Signature | None = None


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def body(name: str, raw: bytes, code: str = "malformed_json", status: int = 400) -> BadRequest:
    """A contribution whose body cannot be read at all."""
    return BadRequest(f"body: {name}", status, code, body=raw)


def wish(title: str, at: str, code: str = "invalid", /, **changes: object) -> BadRequest:
    """A readable contribution with something wrong in one field."""
    sent = {key: value for key, value in {**GOOD, **changes}.items() if value is not ...}
    return BadRequest(f"{at}: {title}", 400, code, at=at, body=as_json(sent))


def media(name: str, content_type: str, raw: bytes, headers: Mapping[str, str] | None = None) -> BadRequest:
    """A body in another format or encoding than JSON in UTF-8."""
    return BadRequest(
        f"media: {name}",
        415,
        "unsupported_media_type",
        body=raw,
        content_type=content_type,
        headers=headers or {},
    )


def _raw(**changes: str) -> bytes:
    """The good body with some values written by hand, for what json.dumps would not write."""
    pairs = {key: json.dumps(value) for key, value in GOOD.items()} | changes
    return ("{" + ", ".join(f'"{key}": {value}' for key, value in pairs.items()) + "}").encode()


_good = as_json(dict(GOOD))

BODIES = [
    BadRequest("body: empty", 400, "required", at="campaign", body=b""),
    body("only spaces", b"  \n"),
    BadRequest("body: null", 400, "invalid", at="body", body=b"null"),
    BadRequest("body: a list", 400, "invalid", at="body", body=b"[]"),
    BadRequest("body: a list of good ones", 400, "invalid", at="body", body=b"[" + _good + b"]"),
    BadRequest("body: a text", 400, "invalid", at="body", body=b'"x"'),
    BadRequest("body: a number", 400, "invalid", at="body", body=b"123"),
    BadRequest("body: an empty object", 400, "required", at="campaign", body=b"{}"),
    body("cut short", _good[:-7]),
    body("something after the end", _good + b"x"),
    body("two objects", _good + _good),
    body("a key twice", _raw()[:-1] + b', "amount": 1}', "duplicate_key"),
    body("a key twice, once escaped", _raw()[:-1] + b', "amoun\\u0074": 1}', "duplicate_key"),
    body("a key twice inside", _raw(source='{"component": "a", "component": "b"}'), "duplicate_key"),
    body("lists nested 30,000 deep", b"[" * 30_000 + b"]" * 30_000),
    body("objects nested 10,000 deep", b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    body("nested 40 deep in a field", _raw(source="[" * 40 + "]" * 40)),
    body("10,000 keys", as_json({f"k{n}": 0 for n in range(10_000)}), "too_large", 413),
    body("5,000 keys", as_json({f"k{n}": 0 for n in range(5_000)})),
    body("NaN", _raw(amount="NaN")),
    body("Infinity", _raw(amount="Infinity")),
    body("minus Infinity", _raw(amount="-Infinity")),
    body("an integer of 5,000 digits", _raw(amount="9" * 5_000)),
    body("a byte order mark", b"\xef\xbb\xbf" + _good),
    body("not UTF-8", _good.replace(b"ada", b"\xff\xfe"), "malformed_encoding"),
    body("an overlong slash", _good.replace(b"ada", b"\xc0\xaf"), "malformed_encoding"),
    body("an encoded surrogate", _good.replace(b"ada", b"\xed\xa0\x80"), "malformed_encoding"),
    body("a lone surrogate in a text", _raw(name='"\\ud800"'), "malformed_text"),
    body("a lone surrogate in a nested text", _raw(source='{"component": "\\udfff"}'), "malformed_text"),
    body("a lone surrogate in a key", _raw()[:-1] + b', "\\ud800": 1}', "malformed_text"),
    body("NUL in a text", _raw(name='"Ada\\u0000"'), "malformed_text"),
    body("NUL in a nested text", _raw(source='{"component": "a\\u0000"}'), "malformed_text"),
    body("a bare NUL", _raw(name='"Ada\x00"')),
    body("a bare newline in a text", _raw(name='"Ada\n"')),
    body("comments", b"{/* hello */" + _good[1:]),
    body("single quotes", _good.replace(b'"', b"'")),
    body("a comma too many", _good[:-1] + b",}"),
    body("a key of 1 MB", b'{"' + b"k" * 1_000_000 + b'": 1}', "too_large", 413),
    body("1 MB of text", _raw(name=json.dumps("x" * 1_000_000)), "too_large", 413),
    body("10 MB", b" " * 10_000_000 + _good, "too_large", 413),
    body("one byte over 64 KiB", _good.ljust(64 * 1024 + 1), "too_large", 413),
]

MEDIA = [
    media("no content type", "", _good),
    media("plain text", "text/plain", _good),
    media("JSON's cousin", "text/json", _good),
    media("a form", "application/x-www-form-urlencoded", b"campaign=support-us&amount=500"),
    media("a form with 2,000 fields", "application/x-www-form-urlencoded", b"a=1&" * 2_000),
    media("a form in punycode", "application/x-www-form-urlencoded; charset=punycode", b"campaign=-"),
    media("a form in parts, without a boundary", "multipart/form-data", b"--x"),
    media(
        "a file called ../../x",
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="../../x"\r\n\r\nhello\r\n--x--\r\n',
    ),
    media(
        "XML with an external entity",
        "application/xml",
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    ),
    media("UTF-7", "application/json; charset=utf-7", _good),
    media("UTF-16", "application/json; charset=utf-16", _good.decode().encode("utf-16")),
    media("unicode_escape", "application/json; charset=unicode_escape", _good),
    media("punycode", 'application/json; charset="punycode"', _good),
    media("hex", "application/json; charset=hex", _good.hex().encode()),
    media("rot13", "application/json;charset=rot13", _good),
    media("an encoding that does not exist", "application/json; charset=klingon", _good),
    media("gzip", "application/json", b"\x1f\x8b" + b"\0" * 100, {"Content-Encoding": "gzip"}),
    media("two compressions", "application/json", _good, {"Content-Encoding": "gzip, br"}),
]


def method(verb: str, path: str, raw: bytes = b"") -> BadRequest:
    return BadRequest(f"method: {verb} {path}", 405, "method_not_allowed", method=verb, path=path, body=raw)


def missing(name: str, path: str, verb: str = "GET") -> BadRequest:
    return BadRequest(f"path: {name}", 404, "not_found", method=verb, path=path)


def _header(name: str, status: int, code: str, **headers: str) -> BadRequest:
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    return BadRequest(f"header: {name}", status, code, body=_good, headers=sent)


_ID = "00000000-0000-4000-8000-000000000000"

ROUTES = [
    *(method(verb, CONTRIBUTIONS, _good) for verb in ("GET", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT")),
    *(method(verb, f"{CONTRIBUTIONS}{_ID}/", _good) for verb in ("POST", "PUT", "PATCH", "DELETE")),
    *(method(verb, CAMPAIGNS, _good) for verb in ("POST", "PUT", "DELETE")),
    *(method(verb, f"{CAMPAIGNS}{RUNNING}/", _good) for verb in ("POST", "PATCH", "DELETE")),
    *(method(verb, WEBHOOK) for verb in ("GET", "PUT", "DELETE")),
    method("BREW", CONTRIBUTIONS),
    missing("an id that nobody has", f"{CONTRIBUTIONS}{_ID}/"),
    missing("a number for an id", f"{CONTRIBUTIONS}1/"),
    missing("2⁶³ for an id", f"{CONTRIBUTIONS}{2**63}/"),
    missing("a negative id", f"{CONTRIBUTIONS}-1/"),
    missing("an id of 1,000 characters", f"{CONTRIBUTIONS}{'a' * 1_000}/"),
    missing("NUL for an id", f"{CONTRIBUTIONS}%00/"),
    missing("a newline for an id", f"{CONTRIBUTIONS}%0a/"),
    missing("an id that is not UTF-8", f"{CONTRIBUTIONS}%ff%fe/"),
    missing("an id in Arabic digits", f"{CONTRIBUTIONS}%D9%A1%D9%A2/"),
    missing("SQL for an id", f"{CONTRIBUTIONS}1'%20OR%201=1--/"),
    missing("the way up", f"{CONTRIBUTIONS}..%2f..%2fadmin/"),
    missing("two slashes", f"/api/v1//contributions/{_ID}/"),
    missing("a path parameter", f"{CONTRIBUTIONS};x=1/"),
    missing("10 kB of query", f"{CONTRIBUTIONS}{_ID}/?q={'q' * 10_000}"),
    missing("a parameter twice", f"{CONTRIBUTIONS}{_ID}/?id=1&id=2"),
    missing("another format", f"{CONTRIBUTIONS}{_ID}/?format=xml"),
    missing("another format by suffix", f"{CONTRIBUTIONS}{_ID}.xml/"),
    missing("a campaign that does not exist", f"{CAMPAIGNS}no-such-campaign/"),
    missing("a campaign called NUL", f"{CAMPAIGNS}%00/"),
    missing("a campaign of 1,000 characters", f"{CAMPAIGNS}{'a' * 1_000}/"),
    missing("the way up from campaigns", f"{CAMPAIGNS}..%2f..%2fetc%2fpasswd/"),
    missing("a version that is not there yet", "/api/v9/contributions/", "POST"),
    _header("somebody else's Host", 400, "invalid_request", Host="evil.example"),
    _header("a Host with a user", 400, "invalid_request", Host="testserver@evil.example"),
    _header("an empty Idempotency-Key", 400, "invalid_idempotency_key", Idempotency_Key=""),
    _header("a blank Idempotency-Key", 400, "invalid_idempotency_key", Idempotency_Key="   "),
    _header("an Idempotency-Key of 256", 400, "invalid_idempotency_key", Idempotency_Key="k" * 256),
    _header("a tab in the Idempotency-Key", 400, "invalid_idempotency_key", Idempotency_Key="a\tb"),
    _header("an Idempotency-Key beyond ASCII", 400, "invalid_idempotency_key", Idempotency_Key="ключ"),
]

_NOT_A_TEXT: list[object] = [True, 1, 1.5, [], {}, ["x"], {"x": 1}]
_NOT_A_FLAG: list[object] = ["yes", "true", "", 1, 0, [], {}]

AMOUNTS = [
    *(
        wish(f"{value!r}", "amount", amount=value)
        for value in (
            None,
            True,
            False,
            "5",
            "500",
            "5.00",
            "",
            " 500 ",
            "1_000",
            "١٢",
            "+5",
            [500],
            {"a": 1},
        )
    ),
    wish("missing", "amount", "required", amount=...),
    wish("a float", "amount", amount=500.5),
    wish("a float without a fraction", "amount", amount=500.0),
    BadRequest("amount: 5e2", 400, "invalid", at="amount", body=_raw(amount="5e2")),
    BadRequest("amount: 1e400", 400, "invalid", at="amount", body=_raw(amount="1e400")),
    BadRequest("amount: -0.0", 400, "invalid", at="amount", body=_raw(amount="-0.0")),
    wish("zero", "amount", "amount_too_small", amount=0),
    wish("minus one", "amount", "amount_too_small", amount=-1),
    wish("minus the good one", "amount", "amount_too_small", amount=-500),
    wish("one cent below the campaign's least", "amount", "amount_too_small", amount=199),
    wish("one cent", "amount", "amount_too_small", amount=1),
    wish("one more than Stripe takes", "amount", "amount_too_large", amount=100_000_000),
    wish("10¹²", "amount", "amount_too_large", amount=10**12),
    wish("2⁶³", "amount", "amount_too_large", amount=2**63),
    wish("10⁴⁰⁰⁰", "amount", "amount_too_large", amount=10**4_000),
    wish("yen as if they had cents", "amount", "amount_too_large", currency="JPY", amount=10**9),
    wish("a dinar off the grid", "amount", "amount_not_chargeable", currency="KWD", amount=5_125),
]

FIELDS = [
    *(
        wish(f"{value!r}", "currency", currency=value)
        for value in ("usd", "Usd", "USD ", "US", "", "$", "ＵＳＤ")
    ),
    *(wish(f"{value!r}", "currency", currency=value) for value in [None, *_NOT_A_TEXT]),
    wish("missing", "currency", "required", currency=...),
    wish("no currency at all", "currency", "currency_not_offered", currency="XXX"),
    wish("one that this campaign does not take", "currency", "currency_not_offered", currency="RUB"),
    *(wish(f"{value!r}", "interval", interval=value) for value in ("week", "MONTH", "month ", "", "monthly")),
    *(wish(f"{value!r}", "interval", interval=value) for value in [None, *_NOT_A_TEXT]),
    wish("missing", "interval", "required", interval=...),
    wish("not offered in shillings", "interval", "interval_not_offered", currency="UGX", amount=400_000),
    *(wish(f"{value!r}", "campaign", campaign=value) for value in [None, *_NOT_A_TEXT]),
    wish("missing", "campaign", "required", campaign=...),
    wish("unknown", "campaign", "unknown_campaign", campaign="no-such-campaign"),
    wish("ended", "campaign", "campaign_ended", campaign=ENDED),
    wish("not yet begun", "campaign", "unknown_campaign", campaign=NOT_YET),
    *(
        wish(f"{text[:12]!r}", "campaign", "unknown_campaign", campaign=text)
        for text in (
            "a" * 1_000,
            "support-us\n",
            "SUPPORT-US",
            "../support-us",
            "' OR 1=1--",
            "support-us%00",
        )
    ),
    *(wish(f"{value!r}", "email", email=value) for value in _NOT_A_TEXT),
    *(
        wish(f"{text[:30]!r}", "email", email=text)
        for text in (
            "ada",
            "ada@",
            "@of-nobody.example",
            "ada@localhost",
            "ada@[127.0.0.1]",
            "ada%0a@example.org",
            "ada@example.org, grace@example.org",
            "ada@example.org;grace@example.org",
            "Ada <ada@example.org>",
            '"ada lovelace"@example.org',
            "ada@example.org.",
            "ada@example..org",
            "аda@example.org",  # the first letter is Cyrillic
            "ada@example.org\r\nBcc: grace@example.org",
            "ada\u200b@example.org",
            "a" * 250 + "@example.org",
            "b" * 65 + "@example.org",
        )
    ),
    *(wish(f"{value!r}", "name", name=value) for value in _NOT_A_TEXT),
    wish("CR and LF with a header", "name", name="Ada\r\nBcc: grace@example.org"),
    wish("a tab", "name", name="Ada\tLovelace"),
    wish("a right-to-left override", "name", name="Ada \u202eecalevoL"),
    wish("a bidirectional isolate", "name", name="\u2066Ada\u2069"),
    wish("a zero-width space", "name", name="A\u200bda"),
    wish("10,000 combining marks", "name", name="A" + "\u0301" * 10_000),
    wish("5,000 letters", "name", name="a" * 5_000),
    *(
        wish(f"a card number, {how}", "name", name=text)
        for how, text in {
            "in groups": "4242 4242 4242 4242",
            "with dashes": "Ada 4242-4242-4242-4242",
            "in one piece": "x4242424242424242x",
            "of 15 digits": "378282246310005",
            "after another number": "Ada 7 4242 4242 4242 4242",
            "in full-width digits": "４２４２４２４２４２４２４２４２",
        }.items()
    ),
    *(wish(f"{value!r}", "cover_fees", cover_fees=value) for value in _NOT_A_FLAG),
    *(wish(f"{value!r}", "newsletter_consent", newsletter_consent=value) for value in _NOT_A_FLAG),
    *(wish(f"{value!r}", "locale", locale=value) for value in _NOT_A_TEXT),
    wish("a way up", "locale", locale="../../etc/passwd"),
    wish("5,000 characters", "locale", locale="xx-" + "a" * 5_000),
    *(wish(f"{value!r}", "return_url", return_url=value) for value in _NOT_A_TEXT),
    *(
        wish(f"{text[:45]!r}", "return_url", "return_url_not_allowed", return_url=text)
        for text in (
            "https://evil.example/",
            "http://news.example/",
            "//news.example/",
            "/thanks",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://news.example@evil.example/",
            "https://ada:secret@news.example/",
            "https://news.example\\@evil.example/",
            "https://news.example.evil.example/",
            "https://news.example:8443/",
            "https://evil.example/https://news.example/",
            "https://news.example/\r\nSet-Cookie: a=b",
            "https://news.example/ x",
            "https:///news.example/",
            "https://news.example/" + "a" * 5_000,
            "",
        )
    ),
    *(wish(f"{value!r}", "source", source=value) for value in ("x", 1, True, [], ["x"])),
    wish("an address that is none", "source.page_url", source={"page_url": "javascript:alert(1)"}),
    wish("a number", "source.page_url", source={"page_url": 1}),
    wish("a list", "source.component", source={"component": ["x"]}),
    wish("5,000 characters", "source.component", source={"component": "x" * 5_000}),
    wish("a card number", "source.component", source={"component": "4242424242424242"}),
    *(
        wish(how, "source.campaign_tags", source={"campaign_tags": tags})
        for how, tags in {
            "a text": "spring",
            "a number": 1,
            "too many": ["x"] * 100,
            "lists in a list": [["x"]],
            "objects in an object": {"a": {"b": "c"}},
            "numbers": [1],
            "5,000 characters": ["x" * 5_000],
            "a name with spaces": {"a b": "c"},
            "a name of 5,000 characters": {"a" * 5_000: "c"},
            "a card number": {"a": "4242424242424242"},
        }.items()
    ),
]

UNKNOWN_FIELDS = [
    wish("not ours", name, "unknown_field", **{name: "x"})
    for name in (
        "id",
        "status",
        "fee_cover",
        "checkout_url",
        "created_at",
        "is_staff",
        "stripe_customer_id",
        "customer",
        "price",
        "metadata",
        "success_url",
        "next",
        "__proto__",
        "constructor",
        "Amount",
    )
] + [wish("not ours", "source.referrer", "unknown_field", source={"referrer": "x"})]


TABLE = [*BODIES, *MEDIA, *ROUTES, *AMOUNTS, *FIELDS, *UNKNOWN_FIELDS]
