"""Readers whom another program took to Stripe, before we were there: nothing that it made carries a word of ours."""

from __future__ import annotations

from typing import Any

import stripe

PRODUCT = {"name": "Support for the paper"}


class OtherSoftware:
    """A program of the newsroom's own, which speaks to Stripe through its SDK and remembers nothing."""

    def __init__(self, url: str) -> None:
        self.stripe = stripe.StripeClient("sk_test_other", base_addresses={"api": url})
        self.product = self.stripe.v1.products.create(PRODUCT).id

    def a_reader(self, email: str | None, *, card: str = "pm_card_visa", **more: Any) -> str:
        """A customer with a card."""
        given = {"payment_method": card, "name": "Sample Reader", **more}
        customer = self.stripe.v1.customers.create(given | ({"email": email} if email else {}))
        methods = self.stripe.v1.customers.payment_methods.list(customer.id)
        self.stripe.v1.customers.update(
            customer.id, {"invoice_settings": {"default_payment_method": methods.data[0].id}}
        )
        return customer.id

    def subscribe(
        self,
        customer: str,
        amount: int = 500,
        *,
        currency: str = "usd",
        interval: str = "month",
        every: int = 1,
        more_items: tuple[int, ...] = (),
        **more: Any,
    ) -> str:
        """A subscription of one price, or several."""
        items = [
            {
                "price_data": {
                    "currency": currency,
                    "product": self.product,
                    "recurring": {"interval": interval, "interval_count": every},
                    "unit_amount": one,
                }
            }
            for one in (amount, *more_items)
        ]
        return self.stripe.v1.subscriptions.create({"customer": customer, "items": items, **more}).id

    def charge(self, amount: int = 2500, *, currency: str = "usd", customer: str = "", **more: Any) -> str:
        """A single charge; the payment intent's id."""
        wish: dict[str, Any] = {
            "amount": amount,
            "currency": currency,
            "confirm": True,
            "payment_method": "pm_card_visa",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            **more,
        }
        if customer:
            wish["customer"] = customer
        return self.stripe.v1.payment_intents.create(wish).id

    def charge_of(self, intent: str) -> str:
        """The charge with which an intent was paid."""
        return str(self.stripe.v1.payment_intents.retrieve(intent).latest_charge)
