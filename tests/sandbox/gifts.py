"""
Sample gifts: Ada gives once, Grace every month (or year). Charlie never does.
"""

from __future__ import annotations

from typing import Any

import stripe
from stripe.checkout import Session

ADA = "ada@example.org"
GRACE = "grace@example.org"


def once(client: stripe.StripeClient, amount: int = 1500, currency: str = "eur", **more: Any) -> Session:
    """A session in which Ada gives once."""
    wish: dict[str, Any] = {
        "mode": "payment",
        "submit_type": "donate",
        "success_url": "https://news.example.org/thanks?session_id={CHECKOUT_SESSION_ID}",
        "customer_creation": "always",
        "client_reference_id": "gift-1",
        "metadata": {"contribution": "gift-1"},
        "payment_intent_data": {"metadata": {"contribution": "gift-1"}, "receipt_email": ADA},
        "line_items": [line(amount, currency)],
    }
    return client.v1.checkout.sessions.create({**wish, **more})


def regularly(
    client: stripe.StripeClient,
    amount: int = 1000,
    currency: str = "eur",
    interval: str = "month",
    **more: Any,
) -> Session:
    """A session in which Grace begins to give every month, or year."""
    wish: dict[str, Any] = {
        "mode": "subscription",
        "success_url": "https://news.example.org/thanks?session_id={CHECKOUT_SESSION_ID}",
        "client_reference_id": "gift-2",
        "metadata": {"contribution": "gift-2"},
        "subscription_data": {"metadata": {"contribution": "gift-2"}, "description": "Contribution"},
        "line_items": [line(amount, currency, interval)],
    }
    return client.v1.checkout.sessions.create({**wish, **more})


def line(amount: int, currency: str, interval: str | None = None) -> dict[str, Any]:
    """A line item with an inline price."""
    price: dict[str, Any] = {
        "currency": currency,
        "unit_amount": amount,
        "product_data": {"name": "Contribution"},
    }
    if interval:
        price["recurring"] = {"interval": interval}
    return {"quantity": 1, "price_data": price}
