"""What is sent: the requests of each kind of load, byte for byte, made before the clock runs. No Django here."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

WEBHOOK_SECRET = "whsec_benchmark"  # noqa: S105  (made up, for this run only)
EVENT_BYTES = 5_000

_COMMON = (
    "Host: give.gazette.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.1\r\n"
    "User-Agent: benchmarks\r\nAccept: */*\r\n"
)


def build(kind: str, count: int) -> list[bytes]:
    """That many requests of a kind, each different where a real one would be."""
    make = KINDS[kind]()
    return [make() for _ in range(count)]


def _nothing() -> Callable[[], bytes]:
    return lambda: _get("/nothing/")


def _insert() -> Callable[[], bytes]:
    event = _event()
    return lambda: _post("/insert/", event("evt_" + secrets.token_hex(12)))


def _webhook() -> Callable[[], bytes]:
    event = _event()

    def make() -> bytes:
        body = event("evt_" + secrets.token_hex(12))
        stamp = str(int(time.time())).encode()
        digest = hmac.new(WEBHOOK_SECRET.encode(), stamp + b"." + body, hashlib.sha256).hexdigest()
        return _post(
            "/api/v1/webhooks/stripe/", body, f"Stripe-Signature: t={stamp.decode()},v1={digest}\r\n"
        )

    return make


def _create() -> Callable[[], bytes]:
    wish = {
        "campaign": "support-us",
        "interval": "once",
        "amount": 2500,
        "currency": "USD",
        "email": "ada@example.org",
        "cover_fees": True,
        "locale": "en",
        "source": {"page_url": "https://gazette.example/2026/11/a-long-read", "component": "article-end"},
    }
    body = json.dumps(wish).encode()
    return lambda: _post("/api/v1/contributions/", body, f"Idempotency-Key: {secrets.token_hex(16)}\r\n")


def _campaign() -> Callable[[], bytes]:
    return lambda: _get("/api/v1/campaigns/support-us/")


KINDS: dict[str, Callable[[], Callable[[], bytes]]] = {
    "nothing": _nothing,
    "insert": _insert,
    "webhook": _webhook,
    "create": _create,
    "campaign": _campaign,
}


def not_modified(etag: str) -> bytes:
    """A widget that has the campaign already."""
    return _get("/api/v1/campaigns/support-us/", f"If-None-Match: {etag}\r\n")


def _get(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\n{_COMMON}{headers}\r\n".encode()


def _post(path: str, body: bytes, headers: str = "") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\n{_COMMON}Content-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n{headers}\r\n"
    )
    return head.encode() + body


def _event() -> Callable[[str], bytes]:
    """A maker of `invoice.paid` events: of 5 KB, indented as Stripe indents them, each with an id of its own."""
    mark = "evt_" + "0" * 24
    event = {
        "id": mark,
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": int(time.time()),
        "data": {"object": _invoice()},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "invoice.paid",
    }
    text = json.dumps(event, indent=2)
    missing = EVENT_BYTES - len(text)
    assert missing >= 0, "the sample invoice is larger than the events that we measure with"
    event["data"] = {"object": _invoice(footer="." * missing)}
    before, _, after = json.dumps(event, indent=2).encode().partition(mark.encode())
    return lambda event_id: before + event_id.encode() + after


def _invoice(*, footer: str = "") -> dict[str, Any]:
    return {
        "id": "in_1Benchmark",
        "object": "invoice",
        "account_country": "NL",
        "account_name": "The Sample Gazette",
        "amount_due": 500,
        "amount_overpaid": 0,
        "amount_paid": 500,
        "amount_remaining": 0,
        "attempt_count": 1,
        "attempted": True,
        "auto_advance": False,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None, "status": None},
        "automatically_finalizes_at": None,
        "billing_reason": "subscription_cycle",
        "collection_method": "charge_automatically",
        "created": 1_780_000_000,
        "currency": "usd",
        "custom_fields": None,
        "customer": "cus_1Benchmark",
        "customer_address": None,
        "customer_email": "grace@example.org",
        "customer_name": "Grace",
        "customer_phone": None,
        "customer_tax_exempt": "none",
        "default_payment_method": None,
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": 1_780_000_000,
        "ending_balance": 0,
        "footer": footer,
        "hosted_invoice_url": "https://invoice.stripe.com/i/acct_1/test_" + "a" * 80,
        "invoice_pdf": "https://pay.stripe.com/invoice/acct_1/test_" + "a" * 80 + "/pdf",
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "lines": {
            "object": "list",
            "data": [
                {
                    "id": "il_1Benchmark",
                    "object": "line_item",
                    "amount": 500,
                    "currency": "usd",
                    "description": "1 × Contribution (at $5.00 / month)",
                    "invoice": "in_1Benchmark",
                    "livemode": False,
                    "metadata": {"contribution": "7d3c3b1e-0000-4000-8000-000000000000"},
                    "parent": {
                        "subscription_item_details": {
                            "proration": False,
                            "subscription": "sub_1Benchmark",
                            "subscription_item": "si_1Benchmark",
                        },
                        "type": "subscription_item_details",
                    },
                    "period": {"end": 1_782_592_000, "start": 1_780_000_000},
                    "pricing": {
                        "price_details": {"price": "price_1Benchmark", "product": "prod_1Benchmark"},
                        "type": "price_details",
                        "unit_amount_decimal": "500",
                    },
                    "quantity": 1,
                    "taxes": [],
                }
            ],
            "has_more": False,
            "total_count": 1,
            "url": "/v1/invoices/in_1Benchmark/lines",
        },
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": "BENCHMARK-0001",
        "parent": {
            "subscription_details": {
                "metadata": {"contribution": "7d3c3b1e-0000-4000-8000-000000000000"},
                "subscription": "sub_1Benchmark",
            },
            "type": "subscription_details",
        },
        "payment_settings": {"default_mandate": None, "payment_method_options": None},
        "period_end": 1_780_000_000,
        "period_start": 1_777_408_000,
        "receipt_number": None,
        "starting_balance": 0,
        "status": "paid",
        "status_transitions": {"finalized_at": 1_780_000_000, "paid_at": 1_780_000_000, "voided_at": None},
        "subtotal": 500,
        "total": 500,
        "total_taxes": [],
        "webhooks_delivered_at": None,
    }
