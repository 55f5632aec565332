"""
What a call that creates a Checkout Session may say, and which of it contradicts itself.
"""

from __future__ import annotations

from sandbox.account import Obj
from sandbox.catalogue import PRICE_DATA
from sandbox.errors import invalid
from sandbox.methods import TYPES
from sandbox.params import Email, Fields, Flag, Group, Many, Metadata, OneOf, Text, Url, Whole

# fmt: off
LOCALES = (
    "auto", "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr",
    "fr-CA", "hi-IN", "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl",
    "pt", "pt-BR", "ro", "ru", "sk", "sl", "sv", "th", "tr", "vi", "zh", "zh-HK", "zh-TW",
)
# fmt: on
"""The languages that Stripe's page speaks."""

CREATE: Fields = {
    "mode": OneOf("payment", "setup", "subscription"),
    "ui_mode": OneOf("hosted_page", "embedded_page", "elements", "form"),
    "success_url": Url(),
    "cancel_url": Url(),
    "return_url": Url(),
    "redirect_on_completion": OneOf("always", "if_required", "never"),
    "client_reference_id": Text(200, r"[A-Za-z0-9_-]*"),
    "metadata": Metadata(),
    "locale": OneOf(*LOCALES),
    "expires_at": Whole(),
    "after_expiration": Group(
        {"recovery": Group({"enabled": Flag(), "allow_promotion_codes": Flag()}, needed=("enabled",))}
    ),
    "adaptive_pricing": Group({"enabled": Flag()}),
    "allow_promotion_codes": Flag(),
    "submit_type": OneOf("auto", "book", "donate", "pay", "subscribe"),
    "customer": Text(),
    "customer_email": Email(),
    "customer_creation": OneOf("always", "if_required"),
    "customer_update": Group({key: OneOf("auto", "never") for key in ("address", "name", "shipping")}),
    "currency": Text(),
    "line_items": Many(
        Group({"price": Text(), "price_data": PRICE_DATA, "quantity": Whole(1), "metadata": Metadata()}), 100
    ),
    "payment_intent_data": Group(
        {
            "description": Text(1000),
            "metadata": Metadata(),
            "receipt_email": Email(),
            "setup_future_usage": OneOf("off_session", "on_session"),
            "statement_descriptor": Text(22),
            "statement_descriptor_suffix": Text(22, r"[^<>\\'\"*]*"),
        }
    ),
    "subscription_data": Group({"description": Text(500), "metadata": Metadata()}),
    "setup_intent_data": Group({"description": Text(1000), "metadata": Metadata()}),
    "allowed_payment_method_types": Many(OneOf(*TYPES)),
    "excluded_payment_method_types": Many(OneOf(*TYPES)),
    "payment_method_collection": OneOf("always", "if_required"),
    "billing_address_collection": OneOf("auto", "required"),
    "consent_collection": Group(
        {"promotions": OneOf("auto", "none"), "terms_of_service": OneOf("none", "required")}
    ),
    "integration_identifier": Text(200),
}
"""
The parameters; a feature that the sandbox does not have (taxes, shipping, discounts, trials) is unknown to
it.
"""

ONLY_IN = {
    "payment_intent_data": ("payment",),
    "subscription_data": ("subscription",),
    "setup_intent_data": ("setup",),
    "customer_creation": ("payment", "setup"),
    "submit_type": ("payment", "subscription"),
    "payment_method_collection": ("subscription",),
}
"""Parameters that only make sense in some modes."""


def refuse_contradictions(given: Obj) -> None:
    """Raises 400 for combinations of parameters that Stripe refuses and that types cannot express."""
    mode = given["mode"]
    for key, modes in ONLY_IN.items():
        if given.get(key) is not None and mode not in modes:
            raise invalid(f"You can not pass `{key}` in `{mode}` mode.", param=key)
    if mode == "subscription" and given.get("submit_type") and given.get("subscription_data"):
        message = "You may only specify one of these parameters: submit_type, subscription_data."
        raise invalid(message, param="submit_type")
    if given.get("customer") and given.get("customer_email"):
        message = "You may only specify one of these parameters: customer, customer_email."
        raise invalid(message, param="customer_email")
    if given.get("customer") and given.get("customer_creation"):
        message = "You may only specify one of these parameters: customer, customer_creation."
        raise invalid(message, param="customer_creation")
    if given.get("customer_update") and not given.get("customer"):
        raise invalid("`customer_update` can only be used with `customer`.", param="customer_update")
    _check_addresses(given)
    if mode == "setup":
        if given.get("line_items"):
            raise invalid("You can not pass `line_items` in `setup` mode.", param="line_items")
        if not given.get("currency") and not given.get("allowed_payment_method_types"):
            message = "`currency` is required in `setup` mode unless allowed_payment_method_types is sent."
            raise invalid(message, param="currency", code="parameter_missing")
    elif not given.get("line_items"):
        message = f"`line_items` is required in `{mode}` mode."
        raise invalid(message, param="line_items", code="parameter_missing")


def _check_addresses(given: Obj) -> None:
    if given.get("ui_mode", "hosted_page") == "hosted_page":
        if not given.get("success_url"):
            message = "Missing required param: success_url."
            raise invalid(message, param="success_url", code="parameter_missing")
        for key in ("return_url", "redirect_on_completion"):
            if given.get(key):
                raise invalid(f"`{key}` is not allowed with the ui_mode hosted_page.", param=key)
        return
    for key in ("success_url", "cancel_url"):
        if given.get(key):
            raise invalid(f"`{key}` is only allowed with the ui_mode hosted_page.", param=key)
    never = given.get("redirect_on_completion") == "never"
    if not never and not given.get("return_url"):
        raise invalid("Missing required param: return_url.", param="return_url", code="parameter_missing")
    if given.get("ui_mode") == "elements" and given.get("after_expiration"):
        raise invalid(
            "`after_expiration` is not allowed with the ui_mode elements.", param="after_expiration"
        )
