"""
New Stripe objects about money and readers, with every attribute that the API declares for them.

Each function returns a fresh object as the wire carries it; what a caller does not say is what Stripe answers
when a feature is not used (mostly null). ``shapes_billing`` has the objects of Checkout and subscriptions.
"""

from __future__ import annotations

from sandbox import cards
from sandbox.account import Account, Obj

NO_ADDRESS: Obj = {
    "city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None
}  # fmt: skip


def billing_details(email: str | None = None, name: str | None = None, address: Obj | None = None) -> Obj:
    """Who pays, as a payment method and its charges carry it."""
    return {
        "address": address or dict(NO_ADDRESS),
        "email": email,
        "name": name,
        "phone": None,
        "tax_id": None,
    }


def customer(account: Account, *, email: str | None = None, name: str | None = None) -> Obj:
    """A customer without a payment method."""
    id = account.new_id("customer")
    return {
        "id": id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": account.now(),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": email,
        "invoice_prefix": id[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": name,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def product(account: Account, *, name: str, id: str | None = None) -> Obj:
    """An active product."""
    return {
        "id": id or account.new_id("product"),
        "object": "product",
        "active": True,
        "created": account.now(),
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": name,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": account.now(),
        "url": None,
    }


def price(
    account: Account,
    *,
    product: str,
    currency: str,
    unit_amount: int,
    recurring: Obj | None,
    active: bool = True,
) -> Obj:
    """A price per unit, once or recurring; ``recurring`` has interval and interval_count."""
    return {
        "id": account.new_id("price"),
        "object": "price",
        "active": active,
        "billing_scheme": "per_unit",
        "created": account.now(),
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product,
        "recurring": recurring
        and {
            "interval": recurring["interval"],
            "interval_count": recurring.get("interval_count") or 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        },
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": unit_amount,
        "unit_amount_decimal": str(unit_amount),
    }


def card_method(account: Account, number: str, *, email: str | None = None, name: str | None = None) -> Obj:
    """A payment method for a card, not attached to anybody."""
    brand = cards.brand(number)
    return {
        **_method_head(account, email, name),
        "type": "card",
        "card": {
            "brand": brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": "US",
            "display_brand": brand,
            "exp_month": None,
            "exp_year": None,
            "fingerprint": cards.fingerprint(number),
            "funding": "credit",
            "generated_from": None,
            "last4": number[-4:],
            "networks": {"available": [brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
    }


def bank_method(
    account: Account, type: str, number: str, *, email: str | None = None, name: str | None = None
) -> Obj:
    """A payment method for a bank debit: ``sepa_debit``, ``us_bank_account`` or ``bacs_debit``."""
    common = {"fingerprint": cards.fingerprint(number), "last4": number[-4:]}
    details: dict[str, Obj] = {
        "sepa_debit": {
            **common,
            "bank_code": number[4:12],
            "branch_code": "",
            "country": number[:2],
            "generated_from": {"charge": None, "setup_attempt": None},
        },
        "us_bank_account": {
            **common,
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": "STRIPE TEST BANK",
            "financial_connections_account": None,
            "networks": {"preferred": "ach", "supported": ["ach"]},
            "routing_number": "110000000",
            "status_details": {},
        },
        "bacs_debit": {**common, "sort_code": "108800"},
    }
    return {**_method_head(account, email, name), "type": type, type: details[type]}


def _method_head(account: Account, email: str | None, name: str | None) -> Obj:
    return {
        "id": account.new_id("payment_method"),
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": billing_details(email, name),
        "created": account.now(),
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
    }


def method_details(method: Obj, *, challenged: bool) -> Obj:
    """How a charge describes the payment method it used; ``challenged`` if 3-D Secure was passed."""
    type = method["type"]
    given = method[type]
    if type == "card":
        secure = {
            "authentication_flow": "challenge",
            "electronic_commerce_indicator": "05",
            "exemption_indicator": None,
            "result": "authenticated",
            "result_reason": None,
            "transaction_id": cards.fingerprint(method["id"]),
            "version": "2.2.0",
        }
        kept = (
            "brand",
            "checks",
            "country",
            "exp_month",
            "exp_year",
            "fingerprint",
            "funding",
            "last4",
            "wallet",
        )
        details = {key: given[key] for key in kept} | {
            "amount_authorized": None,
            "authorization_code": None,
            "installments": None,
            "mandate": None,
            "network": given["brand"],
            "network_token": {"used": False},
            "network_transaction_id": None,
            "regulated_status": "unregulated",
            "three_d_secure": secure if challenged else None,
            "transaction_link_id": None,
        }
    elif type == "sepa_debit":
        details = {key: given[key] for key in ("bank_code", "branch_code", "country", "fingerprint", "last4")}
        details["mandate"] = None
    elif type == "us_bank_account":
        shown = ("account_holder_type", "account_type", "bank_name", "fingerprint", "last4", "routing_number")
        details = {key: given[key] for key in shown} | {"payment_reference": None}
    else:
        details = {**given, "mandate": None}
    return {"type": type, type: details}


def payment_intent(
    account: Account,
    *,
    amount: int,
    currency: str,
    customer: str | None = None,
    types: list[str] | None = None,
) -> Obj:
    """An intent that waits for a payment method."""
    id = account.new_id("payment_intent")
    return {
        "id": id,
        "object": "payment_intent",
        "allowed_payment_method_types": None,
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{id}_secret_{account.new_id('request')[4:]}",
        "confirmation_method": "automatic",
        "created": account.now(),
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "managed_payments": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": types or ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def charge(account: Account, intent: Obj, method: Obj, *, challenged: bool = False) -> Obj:
    """One attempt to move an intent's money, not yet decided."""
    id = account.new_id("charge")
    return {
        "id": id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": dict(method["billing_details"]),
        "calculated_statement_descriptor": _descriptor(intent),
        "captured": False,
        "created": account.now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": method_details(method, challenged=challenged),
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "pending",
        "transfer_data": None,
        "transfer_group": None,
    }


def _descriptor(intent: Obj) -> str:
    suffix = intent["statement_descriptor_suffix"]
    return f"SANDBOX* {suffix}"[:22] if suffix else "SANDBOX"


def outcome(*, declined: str | None = None, method_type: str = "card") -> Obj:
    """What the networks said; ``declined`` is the decline code, if there is one."""
    if declined is None:
        message = "Payment complete." if method_type == "card" else "Payment authorized."
        verdict: Obj = {"network_status": "approved_by_network", "reason": None, "type": "authorized"}
    else:
        message = "The bank returned the decline code `" + declined + "`."
        verdict = {"network_status": "declined_by_network", "reason": declined, "type": "issuer_declined"}
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        **verdict,
        "risk_level": "normal" if method_type == "card" else "not_assessed",
        "seller_message": message,
    }


def setup_intent(account: Account, *, customer: str | None = None, types: list[str] | None = None) -> Obj:
    """An intent to save a payment method for later."""
    id = account.new_id("setup_intent")
    return {
        "id": id,
        "object": "setup_intent",
        "allowed_payment_method_types": None,
        "application": None,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": f"{id}_secret_{account.new_id('request')[4:]}",
        "created": account.now(),
        "customer": customer,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "managed_payments": None,
        "mandate": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": types or ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": "off_session",
    }


def refund(account: Account, charge: Obj, *, amount: int, reason: str | None) -> Obj:
    """A refund of a charge, not yet decided."""
    type = charge["payment_method_details"]["type"]
    card = {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
    return {
        "id": account.new_id("refund"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": account.now(),
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {"type": type, "card": card} if type == "card" else {"type": type},
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending",
        "transfer_reversal": None,
    }
