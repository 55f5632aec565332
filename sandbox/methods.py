"""
Payment methods and the intents that save them.
"""

from __future__ import annotations

from sandbox import cards, expiry, shapes
from sandbox.account import Account, Obj, change, copied, merge_metadata
from sandbox.errors import declined, invalid
from sandbox.events import tell, tell_updated
from sandbox.params import PAGE, Address, Email, Fields, Flag, Group, Many, Metadata, OneOf, Text, Whole
from sandbox.routes import get, post
from sandbox.wire import page


def new_card(
    account: Account,
    card: str,
    *,
    email: str | None = None,
    name: str | None = None,
    exp_month: int | None = None,
    exp_year: int | None = None,
) -> Obj:
    """
    A stored payment method for a card number (or one of Stripe's named test cards). Without a date it is good for
    years. Raises 402 ``invalid_expiry_month`` or ``invalid_expiry_year`` for a date that no form lets through.
    """
    number = cards.number(card)
    method = shapes.card_method(account, number, email=email, name=name)
    method["card"] |= expiry.read(account, exp_month, exp_year)
    return account.keep(method, number=number)


def behaviour(account: Account, method: Obj) -> cards.Card:
    """
    How a method behaves when it is charged now: as the bank was told to, as an expired card, or as its number does.
    """
    hidden = account.secret(method["id"])
    if method["type"] != "card":
        return cards.PLAIN
    if hidden.get("declines"):
        return cards.Card(cards.DECLINES[hidden["declines"]])
    if expiry.is_over(account, method):
        return cards.Card(cards.EXPIRED)
    return cards.behaviour(hidden["number"])


def new_debit(
    account: Account, currency: str, number: str, *, email: str | None = None, name: str | None = None
) -> Obj:
    """A stored payment method for the currency's bank debit. Raises 400 where there is none."""
    type = cards.bank_debit(currency)
    if number not in cards.FAILING_ACCOUNTS and cards.behaviour(number).decline is None:
        number = cards.GOOD_ACCOUNTS[type]  # a card number stands for "any account"
    return account.keep(shapes.bank_method(account, type, number, email=email, name=name), number=number)


def obtain(account: Account, id: str, *, param: str = "payment_method") -> Obj:
    """The payment method with this id; Stripe's ``pm_card_visa`` and friends come into being when named."""
    if id in cards.NAMED:
        return new_card(account, id)
    return account.find("payment_method", id, param=param)


def check_attachable(account: Account, method: Obj, customer: str) -> None:
    """
    Raises 402 for a card that a bank does not let anybody save, and 400 for a method of somebody else.
    """
    if method["customer"] == customer:
        return
    if method["customer"]:
        raise invalid("The payment method is already attached to a customer.", param="payment_method")
    card = behaviour(account, method)
    if card.decline and not card.attaches:
        raise declined(card.decline.message, card.decline.code, card.decline.decline_code)


def attach(account: Account, method: Obj, customer: str) -> Obj:
    """Save a method with a customer, and return it. Raises as ``check_attachable``."""
    check_attachable(account, method, customer)
    if method["customer"] != customer:
        method["customer"] = customer
        tell(account, "payment_method.attached", method)
        expiry.expect(account, method)
    return method


TYPES = (
    "amazon_pay", "bacs_debit", "bancontact", "card", "cashapp", "ideal", "klarna", "link", "paypal", "sepa_debit",
    "us_bank_account",
)  # fmt: skip
"""The payment methods that a program may ask for; readers here can pay by card and bank debit."""

UNAUTHENTICATED = "We could not authenticate your payment method."

METHOD_FIELDS: Fields = {
    "billing_details": Group({"email": Email(), "name": Text(), "phone": Text(), "address": Address()}),
    "metadata": Metadata(),
    "allow_redisplay": OneOf("always", "limited", "unspecified"),
}


@post(
    "/v1/payment_methods",
    {
        **METHOD_FIELDS,
        "type": OneOf("card", "sepa_debit", "us_bank_account", "bacs_debit"),
        "card": Group(
            {"number": Text(), "exp_month": Whole(1), "exp_year": Whole(), "cvc": Text(), "token": Text()}
        ),
        "sepa_debit": Group({"iban": Text()}, needed=("iban",)),
        "us_bank_account": Group(
            {
                "account_number": Text(),
                "routing_number": Text(),
                "account_holder_type": Text(),
                "account_type": Text(),
            }
        ),
        "bacs_debit": Group({"account_number": Text(), "sort_code": Text()}),
    },
    needed=("type",),
)
def create_method(account: Account, given: Obj) -> Obj:
    """A payment method that belongs to nobody yet."""
    type = given["type"]
    details = given.get(type)
    if not details:
        raise invalid(f"Missing required param: {type}.", param=type, code="parameter_missing")
    billing = given.get("billing_details") or {}
    number = details.get("number") or details.get("iban") or details.get("account_number")
    if not number:
        raise invalid(f"The sandbox needs the number of the {type}.", param=type, code="parameter_missing")
    if type == "card":
        method = new_card(
            account, number, exp_month=details.get("exp_month"), exp_year=details.get("exp_year")
        )
    else:
        method = account.keep(shapes.bank_method(account, type, number), number=number)
    method["billing_details"] |= billing
    change(method, metadata=given.get("metadata") or {})
    return method


@get("/v1/payment_methods", {**PAGE, "customer": Text(), "type": Text()})
def list_methods(account: Account, given: Obj) -> Obj:
    """Methods, newest first, by customer and type."""
    found = [
        method
        for method in account.all("payment_method")
        if all(given.get(key) in (None, method[key]) for key in ("customer", "type"))
    ]
    return page(found, given, "/v1/payment_methods")


@get("/v1/customers/<customer>/payment_methods", {**PAGE, "type": Text()})
def list_customer_methods(account: Account, given: Obj, customer: str) -> Obj:
    """The methods that a customer saved."""
    account.find("customer", customer)
    return list_methods(account, {**given, "customer": customer})


@get("/v1/payment_methods/<id>")
def retrieve_method(account: Account, given: Obj, id: str) -> Obj:
    """One payment method."""
    return account.find("payment_method", id)


@post(
    "/v1/payment_methods/<id>",
    {**METHOD_FIELDS, "card": Group({"exp_month": Whole(1), "exp_year": Whole()})},
)
def update_method(account: Account, given: Obj, id: str) -> Obj:
    """Change what a method says about its owner, or until when its card is good."""
    method = account.find("payment_method", id)
    values: Obj = {}
    if "metadata" in given:
        values["metadata"] = merge_metadata(method, given["metadata"])
    if given.get("billing_details"):
        values["billing_details"] = method["billing_details"] | given["billing_details"]
    if given.get("allow_redisplay"):
        values["allow_redisplay"] = given["allow_redisplay"]
    if given.get("card"):
        if method["type"] != "card":
            raise invalid("This payment method is no card.", param="card")
        date = {key: given["card"].get(key) or method["card"][key] for key in ("exp_month", "exp_year")}
        values["card"] = method["card"] | expiry.read(account, **date)
    tell_updated(account, "payment_method.updated", method, change(method, **values))
    return method


@post("/v1/payment_methods/<id>/attach", {"customer": Text()}, needed=("customer",))
def attach_method(account: Account, given: Obj, id: str) -> Obj:
    """Save a method with a customer."""
    account.find("customer", given["customer"], param="customer")
    return attach(account, obtain(account, id), given["customer"])


@post("/v1/payment_methods/<id>/detach")
def detach_method(account: Account, given: Obj, id: str) -> Obj:
    """Take a method away from its customer, and from what it paid by default."""
    method = account.find("payment_method", id)
    owner = method["customer"]
    if not owner:
        raise invalid("The payment method is not attached to a customer.", param="payment_method")
    tell(account, "payment_method.detached", method, change(method, customer=None))
    settings = account.objects[owner].get("invoice_settings") or {}
    if settings.get("default_payment_method") == id:
        settings["default_payment_method"] = None
    for subscription in account.all("subscription"):
        if subscription["default_payment_method"] == id:
            subscription["default_payment_method"] = None
    return method


def save(
    account: Account, intent: Obj, method: Obj, *, customer: str | None, challenge: str | None = None
) -> str:
    """
    Fulfil a setup intent with this method and return its status: ``succeeded``, ``requires_action`` (3-D
    Secure not answered yet) or ``requires_payment_method`` (``last_setup_error`` says why).
    """
    card = behaviour(account, method)
    change(intent, payment_method=method["id"], customer=customer, last_setup_error=None, next_action=None)
    if card.challenge != "never" and challenge is None:
        url = f"{account.public_url}/3ds/{intent['id']}"
        action = {"redirect_to_url": {"return_url": None, "url": url}, "type": "redirect_to_url"}
        change(intent, status="requires_action", next_action=action)
        tell(account, "setup_intent.requires_action", intent)
        return "requires_action"
    error: Obj | None = None
    if card.challenge != "never" and challenge == "fail":
        code = "setup_intent_authentication_failure"
        error = {
            "code": code,
            "message": UNAUTHENTICATED,
            "type": "card_error",
        }
    elif card.decline and not card.attaches:
        error = {
            "code": card.decline.code,
            "decline_code": card.decline.decline_code,
            "message": card.decline.message,
            "type": "card_error",
        }
    if error:
        error["payment_method"] = copied(method)
        change(intent, last_setup_error=error, payment_method=None, status="requires_payment_method")
        tell(account, "setup_intent.setup_failed", intent)
        return "requires_payment_method"
    account.secret(method["id"])["set_up"] = True
    if customer:
        attach(account, method, customer)
    change(intent, status="succeeded")
    tell(account, "setup_intent.succeeded", intent)
    return "succeeded"


@post(
    "/v1/setup_intents",
    {
        "customer": Text(),
        "payment_method": Text(),
        "confirm": Flag(),
        "description": Text(1000),
        "metadata": Metadata(),
        "usage": OneOf("off_session", "on_session"),
        "allowed_payment_method_types": Many(OneOf(*TYPES)),
        "automatic_payment_methods": Group({"enabled": Flag(), "allow_redirects": OneOf("always", "never")}),
        "return_url": Text(),
    },
)
def create_setup_intent(account: Account, given: Obj) -> Obj:
    """A new setup intent, confirmed at once if asked to."""
    if given.get("customer"):
        account.find("customer", given["customer"], param="customer")
    intent = shapes.setup_intent(
        account, customer=given.get("customer"), types=given.get("allowed_payment_method_types")
    )
    change(intent, description=given.get("description"), metadata=given.get("metadata") or {})
    change(intent, usage=given.get("usage") or "off_session")
    account.keep(intent)
    tell(account, "setup_intent.created", intent)
    if given.get("payment_method"):
        method = obtain(account, given["payment_method"])
        change(intent, payment_method=method["id"], status="requires_confirmation")
    return _confirm_setup(account, intent) if given.get("confirm") else intent


def _confirm_setup(account: Account, intent: Obj) -> Obj:
    if intent["status"] not in ("requires_payment_method", "requires_confirmation", "requires_action"):
        message = f"This SetupIntent is {intent['status']} and cannot be confirmed."
        raise invalid(message, code="setup_intent_unexpected_state")
    if not intent["payment_method"]:
        raise invalid(
            "A payment method is missing.", code="setup_intent_unexpected_state", param="payment_method"
        )
    method = account.find("payment_method", intent["payment_method"])
    if save(account, intent, method, customer=intent["customer"]) == "requires_payment_method":
        error = intent["last_setup_error"]
        raise declined(
            error["message"], error["code"], error.get("decline_code"), setup_intent=copied(intent)
        )
    return intent


@post("/v1/setup_intents/<id>/confirm", {"payment_method": Text(), "return_url": Text()})
def confirm_setup_intent(account: Account, given: Obj, id: str) -> Obj:
    """Save the method now."""
    intent = account.find("setup_intent", id)
    if given.get("payment_method"):
        intent["payment_method"] = obtain(account, given["payment_method"])["id"]
    return _confirm_setup(account, intent)


@post(
    "/v1/setup_intents/<id>/cancel",
    {"cancellation_reason": OneOf("abandoned", "duplicate", "requested_by_customer")},
)
def cancel_setup_intent(account: Account, given: Obj, id: str) -> Obj:
    """Give a setup intent up that has not succeeded."""
    intent = account.find("setup_intent", id)
    if intent["status"] in ("succeeded", "canceled"):
        message = f"This SetupIntent is {intent['status']} and cannot be canceled."
        raise invalid(message, code="setup_intent_unexpected_state")
    change(intent, status="canceled", cancellation_reason=given.get("cancellation_reason"), next_action=None)
    tell(account, "setup_intent.canceled", intent)
    return intent


@get("/v1/setup_intents", {**PAGE, "customer": Text(), "payment_method": Text()})
def list_setup_intents(account: Account, given: Obj) -> Obj:
    """Setup intents, newest first, by customer and method."""
    found = [
        intent
        for intent in account.all("setup_intent")
        if all(given.get(key) in (None, intent[key]) for key in ("customer", "payment_method"))
    ]
    return page(found, given, "/v1/setup_intents")


@get("/v1/setup_intents/<id>", {"client_secret": Text()})
def retrieve_setup_intent(account: Account, given: Obj, id: str) -> Obj:
    """One setup intent."""
    return account.find("setup_intent", id)
