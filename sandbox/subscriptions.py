"""
The calls that a program makes about subscriptions: start, change, pause, resume, cancel.
"""

from __future__ import annotations

from sandbox import billing, catalogue, collection, invoices, payments
from sandbox.account import Account, Obj, change, copied, merge_metadata
from sandbox.agenda import HOUR, does
from sandbox.errors import invalid, missing
from sandbox.events import tell, tell_updated
from sandbox.params import CREATED, PAGE, Either, Fields, Flag, Group, Many, Metadata, OneOf, Text, Whole
from sandbox.routes import delete, get, post
from sandbox.shapes_billing import plan, subscription_item
from sandbox.wire import page, within

INCOMPLETE_FOR = 23 * HOUR
"""How long a first payment may be missing before the subscription expires, in seconds."""

FEEDBACK = (
    "customer_service", "low_quality", "missing_features", "other", "switched_service", "too_complex",
    "too_expensive", "unused",
)  # fmt: skip
CANCELLATION = Group({"comment": Text(), "feedback": OneOf(*FEEDBACK)})
PRORATION = OneOf("always_invoice", "create_prorations", "none")
ITEM: Fields = {
    "price": Text(),
    "price_data": catalogue.PRICE_DATA,
    "quantity": Whole(1),
    "metadata": Metadata(),
}


@post(
    "/v1/subscriptions",
    {
        "customer": Text(),
        "items": Many(Group(ITEM), 20),
        "default_payment_method": Text(),
        "description": Text(500),
        "metadata": Metadata(),
        "payment_behavior": OneOf("allow_incomplete", "default_incomplete", "error_if_incomplete"),
        "off_session": Flag(),
        "proration_behavior": PRORATION,
        "collection_method": OneOf("charge_automatically"),
    },
    needed=("customer", "items"),
)
def create(account: Account, given: Obj) -> Obj:
    """
    A new subscription and its first invoice. If that is not paid at once the subscription is ``incomplete``
    (or, under ``error_if_incomplete``, there is none and the answer is 402).
    """
    customer = account.find("customer", given["customer"], param="customer")
    lines = _lines(account, given["items"])
    id = given.get("default_payment_method")
    chosen = id or customer["invoice_settings"]["default_payment_method"]
    behaviour = given.get("payment_behavior") or "allow_incomplete"
    method = None
    if chosen:
        method = account.find("payment_method", chosen, param="default_payment_method")
        if method["customer"] != customer["id"]:
            message = "The payment method does not belong to this customer."
            raise invalid(message, param="default_payment_method")
    elif behaviour != "default_incomplete":
        message = "This customer has no attached payment source or default payment method."
        raise invalid(message, code="resource_missing")
    intent = None
    amount = sum(price["unit_amount"] * quantity for price, quantity in lines)
    if behaviour == "error_if_incomplete" and amount and method:
        intent = payments.new_intent(
            account, amount=amount, currency=lines[0][0]["currency"], customer=customer["id"]
        )
        if payments.attempt(account, intent, method, on_session=False) not in ("succeeded", "processing"):
            raise payments.failure(intent)
    subscription = billing.begin(
        account,
        customer=customer["id"],
        lines=lines,
        method=id,
        metadata=given.get("metadata") or {},
        description=given.get("description"),
    )
    if intent is None:
        _first_payment(account, subscription, wait=behaviour == "default_incomplete")
    else:
        collection.first_invoice(account, subscription, intent=intent, extra=[])
    tell(account, "customer.subscription.created", subscription)
    return subscription


def _first_payment(account: Account, subscription: Obj, *, wait: bool) -> None:
    """Send the first invoice and try to collect it, or ``wait`` for somebody to pay it."""
    invoice = invoices.draft(account, subscription, reason="subscription_create")
    tell(account, "invoice.created", invoice)
    invoices.finalize(account, invoice)
    subscription["status"] = "incomplete"
    hidden = account.secret(subscription["id"])
    hidden["starting"] = True  # nothing is told about it before it is told that it exists
    if wait and invoice["amount_due"]:
        change(invoice, auto_advance=False)
    elif collection.collect(account, invoice) is None:
        subscription["status"] = "active"
    del hidden["starting"]
    if subscription["status"] == "incomplete":
        account.plan(account.now() + INCOMPLETE_FOR, "subscription.give_up", subscription["id"])


@does("subscription.give_up")
def _give_up(account: Account, id: str) -> None:
    subscription = account.objects[id]
    if subscription["status"] != "incomplete":
        return
    invoice = account.objects[subscription["latest_invoice"]]
    if invoice["status"] == "open":
        invoices.void(account, invoice)
    previous = change(subscription, status="incomplete_expired", ended_at=account.now())
    tell(account, "customer.subscription.updated", subscription, previous)


def _lines(account: Account, items: list[Obj]) -> list[tuple[Obj, int]]:
    lines = []
    for number, item in enumerate(items):
        price = catalogue.price_of(account, item, param=f"items[{number}]", products_too=False)
        lines.append((_recurring(price, f"items[{number}]"), item.get("quantity") or 1))
    rhythms = {tuple(sorted(_rhythm(price).items())) for price, _ in lines}
    if len(rhythms) > 1 or len({price["currency"] for price, _ in lines}) > 1:
        raise invalid("All items must have the same currency and the same interval.", param="items")
    return lines


def _recurring(price: Obj, param: str) -> Obj:
    if not price["recurring"]:
        raise invalid(f"The price {price['id']} is not recurring.", param=f"{param}[price]")
    return price


def _rhythm(price: Obj) -> Obj:
    return {key: price["recurring"][key] for key in ("interval", "interval_count")}


@post(
    "/v1/subscriptions/<id>",
    {
        "items": Many(Group({**ITEM, "id": Text(), "deleted": Flag()}), 20),
        "proration_behavior": PRORATION,
        "billing_cycle_anchor": Group({"type": OneOf("now", "unchanged")}, needed=("type",)),
        "cancel_at": Either(Group({}), Text()),
        "cancel_at_period_end": Flag(),
        "cancellation_details": CANCELLATION,
        "default_payment_method": Text(),
        "description": Text(500),
        "metadata": Metadata(),
        "off_session": Flag(),
        "trial_end": Whole(),
        "pause_collection": Group(
            {"behavior": OneOf("keep_as_draft", "mark_uncollectible", "void"), "resumes_at": Whole()},
            needed=("behavior",),
        ),
        "payment_behavior": OneOf("allow_incomplete", "error_if_incomplete", "default_incomplete"),
    },
)
def update(account: Account, given: Obj, id: str) -> Obj:
    """
    Change a subscription. An ended one takes only metadata and cancellation details. New amounts count from
    the next renewal; another interval starts a new period now and is billed now, unless ``trial_end`` puts a free
    period before it.
    """
    subscription = account.find("subscription", id)
    if subscription["status"] in ("canceled", "incomplete_expired"):
        refused = set(given) - {"metadata", "cancellation_details"}
        if refused:
            message = "A canceled subscription can only update its cancellation_details and metadata."
            raise invalid(message, param=sorted(refused)[0])
    if (given.get("billing_cycle_anchor") or {}).get("type") == "now":
        message = "The sandbox moves the anchor only when the interval changes."
        raise invalid(message, param="billing_cycle_anchor")
    values: Obj = {}
    before = copied(subscription)
    if "metadata" in given:
        values["metadata"] = merge_metadata(subscription, given["metadata"])
    if "description" in given:
        values["description"] = given["description"]
    if "default_payment_method" in given:
        values["default_payment_method"] = _own_method(account, subscription, given["default_payment_method"])
    if "pause_collection" in given:
        values["pause_collection"] = _pause_of(account, id, given["pause_collection"])
    values |= _ending(account, subscription, given)
    rebill = _set_items(account, subscription, given) if given.get("items") else False
    change(subscription, **values)
    if "trial_end" in given:
        invoice: Obj | None = _trial(account, subscription, given)
    else:
        invoice = _restart(account, subscription) if rebill else None
    previous = {key: value for key, value in before.items() if subscription[key] != value}
    tell_updated(account, "customer.subscription.updated", subscription, previous)
    if invoice:
        _bill(account, invoice)
    return subscription


def _own_method(account: Account, subscription: Obj, id: str | None) -> str | None:
    if id:
        method = account.find("payment_method", id, param="default_payment_method")
        if method["customer"] != subscription["customer"]:
            message = "The customer does not have a payment method with this id."
            raise invalid(message, param="default_payment_method", code="resource_missing")
    return id


def _pause_of(account: Account, id: str, wish: Obj | None) -> Obj | None:
    if wish is None:
        return None
    resumes_at = wish.get("resumes_at")
    if resumes_at is not None:
        if resumes_at <= account.now():
            raise invalid("resumes_at must be in the future.", param="pause_collection[resumes_at]")
        account.plan(resumes_at, "subscription.collect", id)
    return {"behavior": wish["behavior"], "resumes_at": resumes_at}


def _ending(account: Account, subscription: Obj, given: Obj) -> Obj:
    """What a wish to end (or not to end) changes."""
    values: Obj = {}
    details = {**subscription["cancellation_details"], **(given.get("cancellation_details") or {})}
    if given.get("cancel_at_period_end") and given.get("cancel_at"):
        raise invalid("Say only one of cancel_at and cancel_at_period_end.", param="cancel_at")
    at: int | None = None
    if given.get("cancel_at_period_end"):
        at = billing.period_end(subscription)
    elif given.get("cancel_at"):
        words = ("max_period_end", "min_period_end")
        text = given["cancel_at"]
        at = billing.period_end(subscription) if text in words else Whole().read(text, "cancel_at")
        if at <= account.now():
            raise invalid("cancel_at must be in the future.", param="cancel_at")
        account.plan(at, "subscription.cancel", subscription["id"])
    if at is not None:
        values |= {"cancel_at": at, "canceled_at": account.now()}
        values["cancel_at_period_end"] = bool(given.get("cancel_at_period_end"))
        details["reason"] = "cancellation_requested"
    elif given.get("cancel_at_period_end") is False or ("cancel_at" in given and given["cancel_at"] is None):
        values |= {"cancel_at": None, "canceled_at": None, "cancel_at_period_end": False}
        details["reason"] = None
    return {**values, "cancellation_details": details}


def _set_items(account: Account, subscription: Obj, given: Obj) -> bool:
    """
    Change, add and remove items. Returns whether the interval changed, so that a new period has to start.
    """
    items: list[Obj] = copied(subscription["items"]["data"])
    wishes = given["items"]
    priced = any(wish.get(key) for wish in wishes for key in ("price", "price_data", "deleted"))
    if priced and subscription["status"] != "paused" and given.get("proration_behavior") != "none":
        message = "The sandbox does not compute prorations: send proration_behavior=none."
        raise invalid(message, param="proration_behavior")
    for number, wish in enumerate(wishes):
        _set_item(account, subscription, items, wish, f"items[{number}]")
    if not items:
        raise invalid("A subscription must have at least one item.", param="items")
    rhythms = {tuple(sorted(_rhythm(item["price"]).items())) for item in items}
    if len(rhythms) > 1:
        raise invalid("All items must have the same interval.", param="items")
    before = _rhythm(subscription["items"]["data"][0]["price"])
    subscription["items"]["data"] = items
    return _rhythm(items[0]["price"]) != before


def _set_item(account: Account, subscription: Obj, items: list[Obj], wish: Obj, param: str) -> None:
    """Carry out one wish: change or remove the item that ``id`` names, or add one if it names none."""
    item = next((item for item in items if item["id"] == wish.get("id")), None)
    if wish.get("id") and item is None:
        raise missing("subscription_item", wish["id"], param=f"{param}[id]")
    if item and wish.get("deleted"):
        items.remove(item)
        return
    price = item["price"] if item else None
    if price is None or wish.get("price") or wish.get("price_data"):
        price = _recurring(catalogue.price_of(account, wish, param=param, products_too=False), param)
        if price["currency"] != subscription["currency"]:
            message = f"The price is in {price['currency']}, the subscription in {subscription['currency']}."
            raise invalid(message, param=f"{param}[price]")
    if item is None:
        first = subscription["items"]["data"][0]
        item = subscription_item(
            account,
            subscription=subscription["id"],
            price=copied(price),
            quantity=1,
            start=first["current_period_start"],
            end=first["current_period_end"],
        )
        items.append(item)
    unchanged = price["id"] == item["price"]["id"]
    quantity = wish.get("quantity") or (item["quantity"] if unchanged else 1)
    change(item, plan=plan(price), price=copied(price), quantity=quantity)
    if "metadata" in wish:
        item["metadata"] = merge_metadata(item, wish["metadata"])


def _restart(account: Account, subscription: Obj) -> Obj:
    """Start a new period now, and draft its invoice."""
    billing.restart(account, subscription)
    return invoices.draft(account, subscription, reason="subscription_update")


def _trial(account: Account, subscription: Obj, given: Obj) -> Obj:
    """Put a free period in, and draft the invoice over nothing that Stripe sends for it."""
    if subscription["status"] not in ("active", "trialing"):
        message = f"The sandbox begins no trial of a subscription that is {subscription['status']}."
        raise invalid(message, param="trial_end")
    if given["trial_end"] <= account.now():
        raise invalid("trial_end must be in the future.", param="trial_end")
    if given.get("proration_behavior") != "none":
        message = "The sandbox does not compute prorations: send proration_behavior=none."
        raise invalid(message, param="proration_behavior")
    billing.begin_trial(account, subscription, given["trial_end"])
    return invoices.draft(account, subscription, reason="subscription_update", is_free=True)


def _bill(account: Account, invoice: Obj) -> bool:
    """
    Send a drafted invoice at once and try to collect it. Returns whether it was paid (or is on its way).
    """
    tell(account, "invoice.created", invoice)
    invoices.finalize(account, invoice)
    return collection.collect(account, invoice) is None


@delete(
    "/v1/subscriptions/<id>", {"cancellation_details": CANCELLATION, "invoice_now": Flag(), "prorate": Flag()}
)
def cancel(account: Account, given: Obj, id: str) -> Obj:
    """End a subscription now. One that has ended already is not found (404)."""
    subscription = account.find("subscription", id)
    if subscription["status"] in ("canceled", "incomplete_expired"):
        raise missing("subscription", id)
    if given.get("prorate"):
        raise invalid("The sandbox does not compute prorations.", param="prorate")
    details = {**subscription["cancellation_details"], **(given.get("cancellation_details") or {})}
    change(subscription, cancellation_details=details)
    billing.end(account, subscription, reason="cancellation_requested")
    return subscription


UNUSED_TIME = Group({"type": OneOf("item_current_period_start", "none", "now")}, needed=("type",))


@post(
    "/v1/subscriptions/<id>/pause",
    {
        "type": OneOf("subscription"),
        "invoicing_behavior": OneOf("invoice", "pending_invoice_item"),
        "bill_for": Group({"unused_time_from": UNUSED_TIME, "outstanding_usage_through": UNUSED_TIME}),
    },
)
def pause(account: Account, given: Obj, id: str) -> Obj:
    """Stop a subscription until it is resumed: no periods, no invoices meanwhile."""
    subscription = account.find("subscription", id)
    if subscription["status"] not in ("active", "past_due"):
        raise invalid(f"A subscription that is {subscription['status']} cannot be paused.")
    unused = ((given.get("bill_for") or {}).get("unused_time_from") or {}).get("type")
    if unused != "none":
        message = "The sandbox does not credit unused time: send bill_for[unused_time_from][type]=none."
        raise invalid(message, param="bill_for[unused_time_from][type]")
    details = {
        "paused": {
            "subscription": {"type": "pause_requested"},
            "transitioned_at": account.now(),
            "type": "subscription",
        }
    }
    previous = change(subscription, status="paused", status_details=details)
    tell(account, "customer.subscription.updated", subscription, previous)
    tell(account, "customer.subscription.paused", subscription)
    return subscription


@post(
    "/v1/subscriptions/<id>/resume",
    {
        "billing_cycle_anchor": Group({"type": OneOf("now", "unchanged")}, needed=("type",)),
        "payment_behavior": OneOf("resume_on_payment_attempt", "resume_on_payment_success"),
        "proration_behavior": PRORATION,
    },
)
def resume(account: Account, given: Obj, id: str) -> Obj:
    """
    Go on after a pause. With the anchor ``now`` (the default) a new period starts and is billed now;
    ``unchanged`` keeps the old dates and bills nothing before the next one.
    """
    subscription = account.find("subscription", id)
    if subscription["status"] != "paused":
        raise invalid(f"Only a paused subscription can be resumed. This one is {subscription['status']}.")
    anchor = (given.get("billing_cycle_anchor") or {}).get("type") or "now"
    if anchor == "unchanged" and given.get("proration_behavior") != "none":
        message = "The sandbox does not compute prorations: send proration_behavior=none."
        raise invalid(message, param="proration_behavior")
    only_if_paid = given.get("payment_behavior") == "resume_on_payment_success"
    if anchor == "unchanged":
        billing.catch_up(account, subscription)
        _resumed(account, subscription)
        return subscription
    invoice = _restart(account, subscription)
    if not only_if_paid:
        _resumed(account, subscription)
        _bill(account, invoice)
    elif _bill(account, invoice):
        _resumed(account, subscription)
    else:
        account.secret(invoice["id"])["resumes"] = True
    return subscription


def _resumed(account: Account, subscription: Obj) -> None:
    previous = change(subscription, status="active", status_details=None)
    tell_updated(account, "customer.subscription.updated", subscription, previous)
    tell(account, "customer.subscription.resumed", subscription)


def _resume_when_paid(account: Account, invoice: Obj) -> None:
    """The invoice that a resumption waited for was paid after all."""
    subscription = account.objects[str(invoices.subscription_of(invoice))]
    if account.secret(invoice["id"]).pop("resumes", False) and subscription["status"] == "paused":
        _resumed(account, subscription)


collection.ON_PAID.append(_resume_when_paid)


@get(
    "/v1/subscriptions",
    {
        **PAGE,
        "customer": Text(),
        "price": Text(),
        "status": OneOf(
            "active", "all", "canceled", "ended", "incomplete", "incomplete_expired", "past_due", "paused",
            "trialing", "unpaid",
        ),
        "collection_method": OneOf("charge_automatically", "send_invoice"),
        "created": CREATED,
        "current_period_end": CREATED,
        "current_period_start": CREATED,
    },
)  # fmt: skip
def list_subscriptions(account: Account, given: Obj) -> Obj:
    """
    Subscriptions, newest first; without ``status`` those that have not been cancelled. A filter by period looks at
    the period that runs now.
    """
    wanted = given.get("status")

    def fits(subscription: Obj) -> bool:
        status = subscription["status"]
        if wanted == "ended":
            return status in ("canceled", "incomplete_expired")
        return wanted == "all" or (status == wanted if wanted else status != "canceled")

    def runs(subscription: Obj) -> bool:
        first = subscription["items"]["data"][0]
        return all(
            within(first[key], given.get(key)) for key in ("current_period_start", "current_period_end")
        )

    def sells(subscription: Obj) -> bool:
        return any(item["price"]["id"] == given["price"] for item in subscription["items"]["data"])

    found = [
        subscription
        for subscription in account.all("subscription")
        if fits(subscription)
        and all(given.get(key) in (None, subscription[key]) for key in ("customer", "collection_method"))
        and runs(subscription)
        and (not given.get("price") or sells(subscription))
        and within(subscription["created"], given.get("created"))
    ]
    return page(found, given, "/v1/subscriptions")


@get("/v1/subscriptions/<id>")
def retrieve(account: Account, given: Obj, id: str) -> Obj:
    """One subscription, ended ones too."""
    return account.find("subscription", id)


@get("/v1/subscription_items", {**PAGE, "subscription": Text()}, needed=("subscription",))
def list_items(account: Account, given: Obj) -> Obj:
    """The items of a subscription."""
    subscription = account.find("subscription", given["subscription"], param="subscription")
    return page(subscription["items"]["data"], given, "/v1/subscription_items")


@get("/v1/subscription_items/<id>")
def retrieve_item(account: Account, given: Obj, id: str) -> Obj:
    """One item."""
    for subscription in account.all("subscription"):
        for item in subscription["items"]["data"]:
            if item["id"] == id:
                found: Obj = item
                return found
    raise missing("subscription_item", id)
