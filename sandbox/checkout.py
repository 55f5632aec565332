"""
Checkout Sessions: created by a program, completed by a reader on a page of Stripe's, or left until they
expire.
"""

from __future__ import annotations

from sandbox import (
    billing,
    cards,
    catalogue,
    collection,
    customers,
    methods,
    money,
    payments,
    shapes,
    shapes_billing,
)
from sandbox.account import Account, Obj, change, copied, merge_metadata
from sandbox.agenda import DAY, HOUR, does
from sandbox.checkout_fields import CREATE, refuse_contradictions
from sandbox.errors import StripeError, declined, invalid
from sandbox.events import tell, tell_updated
from sandbox.params import CREATED, PAGE, Group, Metadata, OneOf, Text
from sandbox.routes import get, post
from sandbox.wire import included, listed, page, within

OPEN_FOR = DAY
RECOVERABLE_FOR = 30 * DAY
_OWN = (
    "id", "created", "expires_at", "url", "status", "payment_intent", "setup_intent", "client_secret", "customer",
    "after_expiration",
)  # fmt: skip
"""What a recovered session does not have in common with the one that expired."""

SOMEBODY = "reader@example.org"
"""Who pays when neither the program nor the script gave an address: a page would have asked for one."""

ECHOED = (
    "after_expiration", "allow_promotion_codes", "billing_address_collection", "cancel_url",
    "client_reference_id", "consent_collection", "customer", "customer_email", "locale", "metadata",
    "payment_method_collection", "submit_type", "success_url", "return_url", "redirect_on_completion",
    "ui_mode", "integration_identifier", )  # fmt: skip


@post("/v1/checkout/sessions", CREATE, needed=("mode",))
def create(account: Account, given: Obj) -> Obj:
    """A new open session. Raises 400 for what Stripe refuses; nothing is stored then."""
    mode = given["mode"]
    refuse_contradictions(given)
    if given.get("customer"):
        account.find("customer", given["customer"], param="customer")
    expires_at = given.get("expires_at") or account.now() + OPEN_FOR
    if not account.now() + HOUR // 2 <= expires_at <= account.now() + DAY:
        message = "expires_at must be between 30 minutes and 24 hours after the Checkout Session is created."
        raise invalid(message, param="expires_at")
    session = shapes_billing.session(account, mode=mode, expires_at=expires_at)
    items = _line_items(account, given)
    currency = items[0]["currency"] if items else given.get("currency") and given["currency"].lower()
    if currency:
        money.check_currency(currency, param="currency")
    session |= {key: given[key] for key in ECHOED if given.get(key) is not None}
    if items:
        total = sum(item["amount_total"] for item in items)
        money.check_amount(
            total, items[0]["currency"], param="line_items", zero_allowed=mode == "subscription"
        )
        change(
            session,
            amount_subtotal=total,
            amount_total=total,
            total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        )
    change(session, currency=currency, payment_method_types=_types(given, currency))
    if given.get("adaptive_pricing"):
        session["adaptive_pricing"] = {"enabled": bool(given["adaptive_pricing"].get("enabled"))}
    if session["after_expiration"]:
        recovery = {
            "allow_promotion_codes": False,
            "enabled": False,
            **session["after_expiration"]["recovery"],
        }
        session["after_expiration"] = {"recovery": {**recovery, "expires_at": None, "url": None}}
    if mode != "subscription" and not given.get("customer"):
        session["customer_creation"] = given.get("customer_creation") or "if_required"
    if session["ui_mode"] != "hosted_page":
        change(session, client_secret=f"{session['id']}_secret_{account.new_id('request')[4:]}", url=None)
    if mode == "setup":
        session["payment_status"] = "no_payment_required"
    known = account.objects[session["customer"]] if session["customer"] else {}
    if known.get("email") or session["customer_email"]:
        email = known.get("email") or session["customer_email"]
        session["customer_details"] = shapes_billing.customer_details(email, known.get("name"))
    account.keep(
        session,
        line_items=items,
        **{
            key: given.get(key) or {}
            for key in ("payment_intent_data", "subscription_data", "setup_intent_data")
        },
    )
    account.plan(expires_at, "session.expire", session["id"])
    return session


def _types(given: Obj, currency: str | None) -> list[str]:
    possible = ["card"] + ([cards.BANK_DEBITS[currency]] if currency in cards.BANK_DEBITS else [])
    allowed = given.get("allowed_payment_method_types") or possible
    return [type for type in allowed if type not in (given.get("excluded_payment_method_types") or [])]


def _line_items(account: Account, given: Obj) -> list[Obj]:
    """
    The session's lines with their prices. Raises 400 for mixed currencies or intervals that do not fit the
    mode.
    """
    mode, items = given["mode"], []
    for number, line in enumerate(given.get("line_items") or []):
        at = f"line_items[{number}]"
        price = catalogue.price_of(account, line, param=at)
        if price["recurring"] and mode == "payment":
            raise invalid("You specified payment mode but passed a recurring price.", param=at)
        name = account.objects[price["product"]]["name"]
        quantity = line.get("quantity") or 1
        items.append(
            shapes_billing.line_item(account, price=copied(price), quantity=quantity, description=name)
        )
    if mode == "subscription" and not any(item["price"]["recurring"] for item in items):
        raise invalid(
            "You must provide at least one recurring price in subscription mode.", param="line_items"
        )
    if len({item["currency"] for item in items}) > 1:
        raise invalid("All line items must have the same currency.", param="line_items")
    rhythms = {
        (item["price"]["recurring"]["interval"], item["price"]["recurring"]["interval_count"])
        for item in items
        if item["price"]["recurring"]
    }
    if len(rhythms) > 1:
        raise invalid("All recurring prices must have the same interval.", param="line_items")
    return items


def pay(
    account: Account,
    id: str,
    *,
    card: str = "4242424242424242",
    email: str | None = None,
    name: str | None = None,
    method: str = "card",
    three_d_secure: str | None = None,
    exp_month: int | None = None,
    exp_year: int | None = None,
) -> Obj:
    """
    Do what a reader does on the session's page, and return the session afterwards.

    ``method`` is "card" or "bank_debit" (``card`` then holds the account's number, and any card number means
    an account that pays). A card is good until the end of ``exp_month`` in ``exp_year``, or for years.
    ``three_d_secure`` is the reader's answer to a challenge: "pass" or "fail". Raises
    402 when the bank declines or asks for a challenge (``authentication_required``), after which the session
    is still open; 404 for an unknown session and 400 for one that is not open.
    """
    session = account.find("checkout.session", id)
    if session["status"] != "open":
        raise invalid(f"This Checkout Session is {session['status']}.", code="checkout_session_not_open")
    if method not in ("card", "bank_debit"):
        raise invalid("Invalid method: must be one of card, bank_debit", param="method")
    if three_d_secure not in (None, "pass", "fail"):
        raise invalid("Invalid three_d_secure: must be one of pass, fail", param="three_d_secure")
    given = session["customer"] and not account.secret(id).get("made_customer")
    known = account.objects[session["customer"]] if given else {}
    email = known.get("email") or session["customer_email"] or email or SOMEBODY
    name = name or known.get("name")
    expires = {"exp_month": exp_month, "exp_year": exp_year}
    paying = _method(account, session, card, method, email, name, expires)
    if session["mode"] == "setup":
        return _set_up(account, session, paying, email, name, three_d_secure)
    total = session["amount_total"]
    intent = None
    if total:
        intent = _intent(account, session, email, name)
        status = payments.attempt(account, intent, paying, challenge=three_d_secure)
        if status in ("requires_action", "requires_payment_method"):
            raise payments.failure(intent)
    _complete(account, session, intent, paying, email, name)
    return session


def _method(
    account: Account, session: Obj, card: str, method: str, email: str, name: str | None, expires: Obj
) -> Obj:
    """
    The payment method for this try; a second try with the same number (after a challenge) uses the first one.
    """
    hidden = account.secret(session["id"])
    tried = [method, card, *expires.values()]
    if hidden.get("tried") == tried:
        found: Obj = account.objects[hidden["method"]]
        found["billing_details"] |= {"email": email, "name": name}
        return found
    if method == "bank_debit":
        currency = session["currency"] or ""
        if cards.bank_debit(currency) not in session["payment_method_types"]:
            raise invalid("This Checkout Session does not take bank debits.", param="method")
        paying = methods.new_debit(account, currency, cards.number(card), email=email, name=name)
    else:
        if "card" not in session["payment_method_types"]:
            raise invalid("This Checkout Session does not take cards.", param="method")
        paying = methods.new_card(account, card, email=email, name=name, **expires)
    hidden |= {"tried": tried, "method": paying["id"]}
    return paying


def _customer(account: Account, session: Obj, email: str, name: str | None) -> str | None:
    """
    The session's customer, made now if the session makes one. After a failed try the reader may have
    corrected name and address, so the customer that this session made is corrected too.
    """
    hidden = account.secret(session["id"])
    if session["customer"] is None and session["customer_creation"] != "if_required":
        session["customer"] = customers.new(account, email=email, name=name)["id"]
        hidden["made_customer"] = True
    elif hidden.get("made_customer"):
        customer = account.objects[session["customer"]]
        tell_updated(account, "customer.updated", customer, change(customer, email=email, name=name))
    found: str | None = session["customer"]
    return found


def _intent(account: Account, session: Obj, email: str, name: str | None) -> Obj:
    """The one intent of a session, made at the first try and used again by the next."""
    hidden = account.secret(session["id"])
    customer = _customer(account, session, email, name)
    if "intent" not in hidden:
        wish = hidden["payment_intent_data"]
        subscribing = session["mode"] == "subscription"
        intent = payments.new_intent(
            account,
            amount=session["amount_total"],
            currency=session["currency"],
            customer=customer,
            types=list(session["payment_method_types"]),
            setup_future_usage="off_session" if subscribing else wish.get("setup_future_usage"),
            description="Subscription creation" if subscribing else wish.get("description"),
            metadata=dict(wish.get("metadata") or {}),
            receipt_email=wish.get("receipt_email"),
            statement_descriptor=wish.get("statement_descriptor"),
            statement_descriptor_suffix=wish.get("statement_descriptor_suffix"),
        )
        hidden["intent"] = intent["id"]
        account.secret(intent["id"])["session"] = session["id"]
        if not subscribing:
            session["payment_intent"] = intent["id"]
    found: Obj = account.objects[hidden["intent"]]
    return found


def _complete(
    account: Account, session: Obj, intent: Obj | None, paying: Obj, email: str, name: str | None
) -> None:
    """The reader is done: what the session promised comes into being, then the session tells."""
    customer = _customer(account, session, email, name)
    saves = session["mode"] == "subscription" or (intent and intent["setup_future_usage"])
    if customer and saves:
        methods.attach(account, paying, customer)
    if session["mode"] == "subscription" and customer:
        _subscribe(account, session, intent, paying, customer)
    status = "paid" if intent else "no_payment_required"
    if intent and intent["status"] == "processing":
        status = "unpaid"
    _close(account, session, email, name, payment_status=status)


def _subscribe(account: Account, session: Obj, intent: Obj | None, paying: Obj, customer: str) -> None:
    hidden = account.secret(session["id"])
    wish = hidden["subscription_data"]
    lines = [(item["price"], item["quantity"]) for item in hidden["line_items"] if item["price"]["recurring"]]
    subscription = billing.begin(
        account,
        customer=customer,
        lines=lines,
        method=paying["id"],
        metadata=dict(wish.get("metadata") or {}),
        description=wish.get("description"),
    )
    extra = [item for item in hidden["line_items"] if not item["price"]["recurring"]]
    invoice = collection.first_invoice(account, subscription, intent=intent, extra=extra)
    account.objects[customer]["currency"] = session["currency"]
    tell(account, "customer.subscription.created", subscription)
    change(session, subscription=subscription["id"], invoice=invoice["id"])


def _set_up(
    account: Account, session: Obj, paying: Obj, email: str, name: str | None, challenge: str | None
) -> Obj:
    hidden = account.secret(session["id"])
    customer = _customer(account, session, email, name)
    if session["setup_intent"] is None:
        wish = hidden["setup_intent_data"]
        intent = shapes.setup_intent(account, customer=customer, types=list(session["payment_method_types"]))
        change(intent, metadata=dict(wish.get("metadata") or {}), description=wish.get("description"))
        session["setup_intent"] = account.keep(intent)["id"]
        tell(account, "setup_intent.created", intent)
    intent = account.objects[session["setup_intent"]]
    status = methods.save(account, intent, paying, customer=customer, challenge=challenge)
    if status != "succeeded":
        raise setup_failure(intent)
    _close(account, session, email, name, payment_status="no_payment_required")
    return session


def setup_failure(intent: Obj) -> StripeError:
    """The 402 for a setup intent that was declined or has to be authenticated."""
    error = intent["last_setup_error"]
    if error is None:
        return declined(
            "Your card requires authentication.", "authentication_required", "authentication_required"
        )
    return declined(error["message"], error["code"], error.get("decline_code"))


def _close(account: Account, session: Obj, email: str, name: str | None, *, payment_status: str) -> None:
    consent = session["consent_collection"] and {"promotions": None, "terms_of_service": None}
    change(
        session,
        status="complete",
        payment_status=payment_status,
        consent=consent,
        customer_details=shapes_billing.customer_details(email, name, country="US"),
        collected_information={"business_name": None, "individual_name": None, "shipping_details": None},
        url=None,
    )
    tell(account, "checkout.session.completed", session)


def _after_debit(account: Account, intent: Obj) -> None:
    """A bank debit that a session was waiting for has ended."""
    id = account.secret(intent["id"]).get("session")
    session = account.objects.get(id) if id else None
    if session is None or session["payment_status"] != "unpaid" or session["status"] != "complete":
        return
    if intent["status"] == "succeeded":
        change(session, payment_status="paid")
        tell(account, "checkout.session.async_payment_succeeded", session)
    else:
        tell(account, "checkout.session.async_payment_failed", session)


payments.ON_SETTLED.append(_after_debit)


def expire(account: Account, id: str) -> Obj:
    """Close an open session unpaid. Raises 400 for one that is not open."""
    session = account.find("checkout.session", id)
    if session["status"] != "open":
        message = f"Only open Checkout Sessions can be expired. This one is {session['status']}."
        raise invalid(message)
    intent_id = account.secret(id).get("intent")
    change(session, status="expired", url=None)
    recovery = (session["after_expiration"] or {}).get("recovery")
    if recovery and recovery["enabled"]:
        recovery["url"] = f"{account.public_url}/r/{id}"
        recovery["expires_at"] = account.now() + RECOVERABLE_FOR
    if intent_id and account.objects[intent_id]["status"] in payments.CONFIRMABLE:
        intent = account.objects[intent_id]
        change(
            intent,
            status="canceled",
            canceled_at=account.now(),
            cancellation_reason="expired",
            next_action=None,
        )
        tell(account, "payment_intent.canceled", intent)
    tell(account, "checkout.session.expired", session)
    return session


def recover(account: Account, id: str) -> Obj:
    """
    A new open session that is a copy of an expired one, for a reader who follows its recovery link; another one
    each time. Raises 400 when there is no link, or it is too old.
    """
    old = account.find("checkout.session", id)
    recovery = (old["after_expiration"] or {}).get("recovery")
    if not recovery or not recovery["url"] or recovery["expires_at"] <= account.now():
        raise invalid("This Checkout Session cannot be recovered.")
    hidden = account.secret(id)
    fresh = shapes_billing.session(account, mode=old["mode"], expires_at=account.now() + OPEN_FOR)
    fresh |= {key: copied(value) for key, value in old.items() if key not in _OWN}
    if not hidden.get("made_customer"):
        fresh["customer"] = old["customer"]
    # A copy that is left has a link of its own.
    fresh["after_expiration"] = {"recovery": {**recovery, "expires_at": None, "url": None}}
    change(fresh, recovered_from=id)
    kept = ("line_items", "payment_intent_data", "subscription_data", "setup_intent_data")
    account.keep(fresh, **{key: copied(hidden[key]) for key in kept})
    account.plan(fresh["expires_at"], "session.expire", fresh["id"])
    return fresh


@does("session.expire")
def _expire_when_due(account: Account, id: str) -> None:
    if account.objects[id]["status"] == "open":
        expire(account, id)


@post("/v1/checkout/sessions/<id>/expire")
def expire_session(account: Account, given: Obj, id: str) -> Obj:
    """Close an open session unpaid."""
    return expire(account, id)


@get("/v1/checkout/sessions/<id>")
def retrieve(account: Account, given: Obj, id: str) -> Obj:
    """One session."""
    return account.find("checkout.session", id)


@post("/v1/checkout/sessions/<id>", {"metadata": Metadata()})
def update(account: Account, given: Obj, id: str) -> Obj:
    """Change a session's metadata."""
    session = account.find("checkout.session", id)
    if "metadata" in given:
        change(session, metadata=merge_metadata(session, given["metadata"]))
    return session


@get(
    "/v1/checkout/sessions",
    {
        **PAGE,
        "customer": Text(),
        "customer_details": Group({"email": Text()}, needed=("email",)),
        "payment_intent": Text(),
        "subscription": Text(),
        "status": OneOf("complete", "expired", "open"),
        "created": CREATED,
    },
)
def list_sessions(account: Account, given: Obj) -> Obj:
    """Sessions, newest first."""
    email = (given.get("customer_details") or {}).get("email")
    keys = ("customer", "payment_intent", "subscription", "status")
    found = [
        session
        for session in account.all("checkout.session")
        if all(given.get(key) in (None, session[key]) for key in keys)
        and email in (None, (session["customer_details"] or {}).get("email"))
        and within(session["created"], given.get("created"))
    ]
    return page(found, given, "/v1/checkout/sessions")


@get("/v1/checkout/sessions/<id>/line_items", PAGE)
def list_line_items(account: Account, given: Obj, id: str) -> Obj:
    """What a session sells."""
    account.find("checkout.session", id)
    return page(account.secret(id)["line_items"], given, f"/v1/checkout/sessions/{id}/line_items")


@included("checkout.session", "line_items")
def _included_line_items(account: Account, session: Obj) -> Obj:
    return listed(
        account.secret(session["id"])["line_items"], f"/v1/checkout/sessions/{session['id']}/line_items"
    )
