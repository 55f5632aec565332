"""
Moving money: payment intents, the charges that try to fulfil them, and what a bank answers.
"""

from __future__ import annotations

from collections.abc import Callable

from sandbox import balance, cards, methods, money, shapes
from sandbox.account import Account, Obj, change, copied, merge_metadata
from sandbox.agenda import DAY, does
from sandbox.errors import StripeError, declined, invalid
from sandbox.events import tell, tell_updated
from sandbox.params import CREATED, PAGE, Email, Fields, Flag, Group, Many, Metadata, OneOf, Text, Whole
from sandbox.routes import get, post
from sandbox.wire import page, within

DEBIT_TAKES = 5 * DAY
"""How long a bank debit is on its way, in seconds."""

ON_SETTLED: list[Callable[[Account, Obj], None]] = []
"""Told about an intent once a bank debit that was on its way has ended, paid or not."""

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


def new_intent(
    account: Account,
    *,
    amount: int,
    currency: str,
    customer: str | None,
    types: list[str] | None = None,
    **more: object,
) -> Obj:
    """A stored and announced intent, with further attributes in ``more``."""
    intent = shapes.payment_intent(account, amount=amount, currency=currency, customer=customer, types=types)
    intent |= {key: value for key, value in more.items() if value is not None}
    account.keep(intent)
    tell(account, "payment_intent.created", intent)
    return intent


def attempt(
    account: Account, intent: Obj, method: Obj, *, on_session: bool = True, challenge: str | None = None
) -> str:
    """
    Try to take the money with this method, and return the intent's status afterwards: ``succeeded``,
    ``processing`` (a bank debit on its way), ``requires_action`` (3-D Secure, not answered yet) or
    ``requires_payment_method`` (declined; ``last_payment_error`` says why).

    ``challenge`` is the reader's answer to 3-D Secure, "pass" or "fail"; without ``on_session`` nobody is
    there to answer.
    """
    change(intent, payment_method=method["id"], next_action=None, last_payment_error=None)
    if method["type"] != "card":
        return _debit(account, intent, method)
    card = methods.behaviour(account, method)
    challenged = card.challenge == "always" or (
        card.challenge == "once" and not account.secret(method["id"]).get("set_up")
    )
    if challenged and (challenge is None or not on_session):
        return _ask(account, intent)
    if challenged and challenge == "fail":
        return _fail(
            account,
            intent,
            method,
            code="payment_intent_authentication_failure",
            message="We could not authenticate your payment method. Please choose another one and try again.",
        )
    charge = account.keep(shapes.charge(account, intent, method, challenged=challenged))
    intent["latest_charge"] = charge["id"]
    if card.decline:
        _refuse(account, charge, card.decline)
        return _fail(account, intent, method, charge=charge)
    account.secret(method["id"])["set_up"] = True
    _succeed(account, intent, charge, at_once=card.at_once)
    if card.dispute:
        account.plan(account.now(), "dispute.open", charge["id"])
    if card.fraud_warning:
        account.plan(account.now(), "dispute.warn", charge["id"])
    return str(intent["status"])


def _ask(account: Account, intent: Obj) -> str:
    action = {
        "redirect_to_url": {"return_url": None, "url": f"{account.public_url}/3ds/{intent['id']}"},
        "type": "redirect_to_url",
    }
    change(intent, status="requires_action", next_action=action)
    tell(account, "payment_intent.requires_action", intent)
    return "requires_action"


def _debit(account: Account, intent: Obj, method: Obj) -> str:
    charge = account.keep(shapes.charge(account, intent, method))
    change(intent, latest_charge=charge["id"], status="processing")
    tell(account, "charge.pending", charge)
    tell(account, "payment_intent.processing", intent)
    account.plan(account.now() + DEBIT_TAKES, "payment.settle", intent["id"])
    return "processing"


@does("payment.settle")
def _settle_when_due(account: Account, id: str) -> None:
    intent = account.objects[id]
    if intent["status"] == "processing":
        number = account.secret(intent["payment_method"])["number"]
        settle(account, intent, paid=number not in cards.FAILING_ACCOUNTS)


def settle(account: Account, intent: Obj, *, paid: bool) -> None:
    """End a bank debit that is on its way. Raises 400 for an intent that is not ``processing``."""
    if intent["status"] != "processing":
        raise invalid(
            f"This PaymentIntent is {intent['status']}, not processing.",
            code="payment_intent_unexpected_state",
        )
    charge = account.objects[intent["latest_charge"]]
    if paid:
        _succeed(account, intent, charge)
    else:
        _refuse(account, charge, cards.RETURNED)
        _fail(account, intent, account.objects[intent["payment_method"]], charge=charge)
    for told in ON_SETTLED:
        told(account, intent)


def _succeed(account: Account, intent: Obj, charge: Obj, *, at_once: bool = False) -> None:
    """The money came. As in live mode the fee is known a moment later, and told in ``charge.updated``."""
    type = charge["payment_method_details"]["type"]
    change(
        charge,
        amount_captured=charge["amount"],
        captured=True,
        outcome=shapes.outcome(method_type=type),
        paid=True,
        status="succeeded",
    )
    tell(account, "charge.succeeded", charge)
    change(intent, amount_received=intent["amount"], status="succeeded")
    tell(account, "payment_intent.succeeded", intent)
    currency = balance.settlement_currency(account, charge["currency"])
    fee = money.charge_fee(money.converted(charge["amount"], charge["currency"], currency), currency)
    row = balance.book(
        account,
        charge,
        type="charge" if type == "card" else "payment",
        category="charge",
        amount=charge["amount"],
        currency=charge["currency"],
        fee=fee,
        at_once=at_once,
    )
    receipt = f"{account.public_url}/receipts/{charge['id']}"
    tell(
        account, "charge.updated", charge, change(charge, balance_transaction=row["id"], receipt_url=receipt)
    )


def _refuse(account: Account, charge: Obj, reason: cards.Decline) -> None:
    type = charge["payment_method_details"]["type"]
    change(
        charge,
        failure_code=reason.code,
        failure_message=reason.message,
        outcome=shapes.outcome(declined=reason.decline_code, method_type=type),
        status="failed",
    )
    account.secret(charge["id"])["decline_code"] = reason.decline_code
    tell(account, "charge.failed", charge)


def _fail(
    account: Account,
    intent: Obj,
    method: Obj,
    *,
    charge: Obj | None = None,
    code: str | None = None,
    message: str | None = None,
) -> str:
    error: Obj = {"type": "invalid_request_error" if charge is None else "card_error"}
    if charge is not None:
        code, message = charge["failure_code"], charge["failure_message"]
        error |= {"charge": charge["id"], "decline_code": account.secret(charge["id"])["decline_code"]}
    error |= {
        "code": code,
        "doc_url": f"https://docs.stripe.com/error-codes/{str(code).replace('_', '-')}",
        "message": message,
        "payment_method": copied(method),
    }
    change(intent, last_payment_error=error, payment_method=None, status="requires_payment_method")
    tell(account, "payment_intent.payment_failed", intent)
    return "requires_payment_method"


def failure(intent: Obj, *, with_intent: bool = True) -> StripeError:
    """The 402 that Stripe answers for an intent whose attempt was declined or has to be authenticated."""
    error = intent["last_payment_error"]
    more = {"payment_intent": copied(intent)} if with_intent else {}
    if error is None:
        message = "Your card was declined. This transaction requires authentication."
        return declined(message, "authentication_required", "authentication_required", **more)
    return declined(
        error["message"], error["code"], error.get("decline_code"), charge=error.get("charge"), **more
    )


INTENT_FIELDS: Fields = {
    "customer": Text(),
    "description": Text(1000),
    "metadata": Metadata(),
    "payment_method": Text(),
    "receipt_email": Email(),
    "setup_future_usage": OneOf("off_session", "on_session"),
    "statement_descriptor_suffix": Text(22, r"[^<>\\'\"*]*"),
}


@post(
    "/v1/payment_intents",
    {
        **INTENT_FIELDS,
        "amount": Whole(),
        "currency": Text(),
        "confirm": Flag(),
        "off_session": Flag(),
        "return_url": Text(),
        "allowed_payment_method_types": Many(OneOf(*methods.TYPES)),
        "automatic_payment_methods": Group(
            {"enabled": Flag(), "allow_redirects": OneOf("always", "never")}, needed=("enabled",)
        ),
    },
    needed=("amount", "currency"),
)
def create_intent(account: Account, given: Obj) -> Obj:
    """A new intent, confirmed at once if asked to. A decline answers 402 and leaves the intent behind."""
    currency = money.check_currency(given["currency"], param="currency")
    money.check_amount(given["amount"], currency, param="amount")
    if given.get("customer"):
        account.find("customer", given["customer"], param="customer")
    method = methods.obtain(account, given["payment_method"]) if given.get("payment_method") else None
    allowed = given.get("allowed_payment_method_types")
    intent = new_intent(
        account,
        amount=given["amount"],
        currency=currency,
        customer=given.get("customer"),
        types=allowed,
        allowed_payment_method_types=allowed,
        metadata=given.get("metadata") or {},
        automatic_payment_methods=given.get("automatic_payment_methods")
        and {"allow_redirects": "always", **given["automatic_payment_methods"]},
        **{
            key: given.get(key)
            for key in INTENT_FIELDS
            if key not in ("customer", "metadata", "payment_method")
        },
    )
    if method:
        change(intent, payment_method=method["id"], status="requires_confirmation")
    return (
        _confirm(account, intent, on_session=not given.get("off_session")) if given.get("confirm") else intent
    )


def _confirm(account: Account, intent: Obj, *, on_session: bool) -> Obj:
    if intent["status"] not in CONFIRMABLE:
        message = f"This PaymentIntent is {intent['status']} and cannot be confirmed."
        raise invalid(message, code="payment_intent_unexpected_state")
    if not intent["payment_method"]:
        raise invalid(
            "A payment method is missing.", code="payment_intent_unexpected_state", param="payment_method"
        )
    method = account.find("payment_method", intent["payment_method"])
    status = attempt(account, intent, method, on_session=on_session)
    if status == "requires_payment_method" or (status == "requires_action" and not on_session):
        raise failure(intent)
    if intent["setup_future_usage"] and intent["customer"]:
        methods.attach(account, method, intent["customer"])
    return intent


@post(
    "/v1/payment_intents/<id>/confirm",
    {"payment_method": Text(), "off_session": Flag(), "return_url": Text()},
)
def confirm_intent(account: Account, given: Obj, id: str) -> Obj:
    """Try to take the money now."""
    intent = account.find("payment_intent", id)
    if given.get("payment_method"):
        intent["payment_method"] = methods.obtain(account, given["payment_method"])["id"]
    return _confirm(account, intent, on_session=not given.get("off_session"))


@post(
    "/v1/payment_intents/<id>/cancel",
    {"cancellation_reason": OneOf("abandoned", "duplicate", "fraudulent", "requested_by_customer")},
)
def cancel_intent(account: Account, given: Obj, id: str) -> Obj:
    """
    Give an unpaid intent up. One that a Checkout Session made belongs to the session: expire that instead.
    """
    intent = account.find("payment_intent", id)
    if account.secret(id).get("session"):
        raise invalid(
            "You cannot cancel a PaymentIntent made by Checkout: expire the Checkout Session instead."
        )
    if intent["status"] not in CONFIRMABLE:
        message = f"This PaymentIntent is {intent['status']} and cannot be canceled."
        raise invalid(message, code="payment_intent_unexpected_state")
    reason = given.get("cancellation_reason")
    change(intent, canceled_at=account.now(), cancellation_reason=reason, next_action=None, status="canceled")
    tell(account, "payment_intent.canceled", intent)
    return intent


@post("/v1/payment_intents/<id>", INTENT_FIELDS)
def update_intent(account: Account, given: Obj, id: str) -> Obj:
    """Change what an intent says about itself."""
    intent = account.find("payment_intent", id)
    if "metadata" in given:
        given["metadata"] = merge_metadata(intent, given["metadata"])
    if given.get("payment_method"):
        given["payment_method"] = methods.obtain(account, given["payment_method"])["id"]
    change(intent, **given)
    return intent


@get("/v1/payment_intents", {**PAGE, "customer": Text(), "created": CREATED})
def list_intents(account: Account, given: Obj) -> Obj:
    """Intents, newest first, by customer and time."""
    found = [
        intent
        for intent in account.all("payment_intent")
        if given.get("customer") in (None, intent["customer"])
        and within(intent["created"], given.get("created"))
    ]
    return page(found, given, "/v1/payment_intents")


@get("/v1/payment_intents/<id>", {"client_secret": Text()})
def retrieve_intent(account: Account, given: Obj, id: str) -> Obj:
    """One intent."""
    return account.find("payment_intent", id)


@get("/v1/charges", {**PAGE, "customer": Text(), "payment_intent": Text(), "created": CREATED})
def list_charges(account: Account, given: Obj) -> Obj:
    """Charges, newest first, by customer, intent and time."""
    found = [
        charge
        for charge in account.all("charge")
        if all(given.get(key) in (None, charge[key]) for key in ("customer", "payment_intent"))
        and within(charge["created"], given.get("created"))
    ]
    return page(found, given, "/v1/charges")


@get("/v1/charges/<id>")
def retrieve_charge(account: Account, given: Obj, id: str) -> Obj:
    """One charge."""
    return account.find("charge", id)


@post("/v1/charges/<id>", {"metadata": Metadata(), "description": Text(), "receipt_email": Email()})
def update_charge(account: Account, given: Obj, id: str) -> Obj:
    """Change what a charge says about itself."""
    charge = account.find("charge", id)
    if "metadata" in given:
        given["metadata"] = merge_metadata(charge, given["metadata"])
    tell_updated(account, "charge.updated", charge, change(charge, **given))
    return charge
