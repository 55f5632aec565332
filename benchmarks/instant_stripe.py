"""
The house as gunicorn loads it, with a Stripe that answers at once, from memory.

Only the SDK's HTTP client is replaced. What the SDK itself does (writing the request, reading the answer) is
ours to pay for and stays in; the network's and Stripe's own time is out.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from config.wsgi import application
from donations import gateway

__all__ = ["application"]


class Instant(gateway.stripe.HTTPClient):  # type: ignore[name-defined,misc]  # the SDK, by way of the only module that may import it
    """Answers each call with a new Checkout Session."""

    name = "instant"

    def __init__(self, **_: Any) -> None:
        super().__init__()

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[str, int, Mapping[str, str]]:
        session = _SESSION | {"id": f"cs_test_{secrets.token_hex(16)}", "expires_at": int(time.time()) + 3600}
        session["url"] = f"https://checkout.stripe.com/c/pay/{session['id']}"
        return json.dumps(session), 200, {"Request-Id": "req_benchmark"}

    def close(self) -> None:
        """There is nothing to close."""


# About as large as what Stripe answers (some 3 KB).
_SESSION: dict[str, Any] = {
    "object": "checkout.session",
    "adaptive_pricing": {"enabled": False},
    "after_expiration": None,
    "allow_promotion_codes": None,
    "amount_subtotal": 2500,
    "amount_total": 2500,
    "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
    "billing_address_collection": None,
    "cancel_url": "https://give.gazette.example/support/support-us/?back=1",
    "client_reference_id": "00000000-0000-0000-0000-000000000000",
    "collected_information": {"business_name": None, "individual_name": None, "shipping_details": None},
    "consent": None,
    "consent_collection": None,
    "created": 1_780_000_000,
    "currency": "usd",
    "currency_conversion": None,
    "custom_fields": [],
    "custom_text": {"after_submit": None, "shipping_address": None, "submit": None},
    "customer": None,
    "customer_creation": "always",
    "customer_details": {
        "address": None,
        "email": "ada@example.org",
        "name": None,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": None,
    },
    "customer_email": "ada@example.org",
    "discounts": [],
    "expires_at": 0,
    "invoice": None,
    "invoice_creation": {
        "enabled": False,
        "invoice_data": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": None,
            "metadata": {},
            "rendering_options": None,
        },
    },
    "livemode": False,
    "locale": "en",
    "metadata": {"contribution": "00000000-0000-0000-0000-000000000000"},
    "mode": "payment",
    "origin_context": None,
    "payment_intent": None,
    "payment_link": None,
    "payment_method_collection": "if_required",
    "payment_method_configuration_details": {"id": "pmc_benchmark", "parent": None},
    "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
    "payment_method_types": ["card", "link", "sepa_debit"],
    "payment_status": "unpaid",
    "permissions": None,
    "phone_number_collection": {"enabled": False},
    "presentment_details": None,
    "recovered_from": None,
    "saved_payment_method_options": None,
    "setup_intent": None,
    "shipping_address_collection": None,
    "shipping_cost": None,
    "shipping_options": [],
    "status": "open",
    "submit_type": "donate",
    "subscription": None,
    "success_url": "https://give.gazette.example/support/support-us/thanks/",
    "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
    "ui_mode": "hosted_page",
    "wallet_options": None,
}

gateway.stripe.RequestsClient = Instant  # type: ignore[attr-defined]  # see above
