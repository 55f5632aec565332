"""
Customers: the people who pay, as Stripe knows them.
"""

from __future__ import annotations

from sandbox import billing, methods, shapes
from sandbox.account import Account, Obj, change, merge_metadata
from sandbox.events import tell, tell_updated
from sandbox.params import CREATED, PAGE, Address, Email, Fields, Group, Many, Metadata, Text
from sandbox.routes import delete, get, post
from sandbox.wire import page, within

FIELDS: Fields = {
    "email": Email(),
    "name": Text(256),
    "phone": Text(),
    "description": Text(),
    "address": Address(),
    "preferred_locales": Many(),
    "metadata": Metadata(),
    "invoice_settings": Group({"default_payment_method": Text()}),
}


def new(account: Account, *, email: str | None, name: str | None) -> Obj:
    """A stored and announced customer."""
    customer = account.keep(shapes.customer(account, email=email, name=name))
    tell(account, "customer.created", customer)
    return customer


def _values(account: Account, customer: Obj, given: Obj) -> Obj:
    """What the call changes. Raises for a payment method that this customer cannot have; saves none yet."""
    values = dict(given)
    if "metadata" in values:
        values["metadata"] = merge_metadata(customer, values["metadata"])
    if values.get("invoice_settings"):
        id = values["invoice_settings"].get("default_payment_method")
        if id:
            method = account.find("payment_method", id, param="invoice_settings[default_payment_method]")
            methods.check_attachable(account, method, customer["id"])
        values["invoice_settings"] = {**customer["invoice_settings"], "default_payment_method": id}
    else:
        values.pop("invoice_settings", None)
    return values


def _save_default(account: Account, customer: Obj) -> None:
    """Save the default payment method with its customer, if it is not yet."""
    id = customer["invoice_settings"]["default_payment_method"]
    if id:
        methods.attach(account, account.objects[id], customer["id"])


@post("/v1/customers", {**FIELDS, "payment_method": Text()})
def create(account: Account, given: Obj) -> Obj:
    """A new customer. Nothing keeps two from having the same address."""
    named = given.pop("payment_method", None)
    customer = shapes.customer(account)
    values = _values(account, customer, given)
    method = methods.obtain(account, named) if named else None
    if method:
        methods.check_attachable(account, method, customer["id"])
    change(customer, **values)
    account.keep(customer)
    tell(account, "customer.created", customer)
    if method:
        methods.attach(account, method, customer["id"])
    _save_default(account, customer)
    return customer


@get("/v1/customers", {**PAGE, "email": Text(), "created": CREATED})
def list_customers(account: Account, given: Obj) -> Obj:
    """Customers, newest first; ``email`` is compared exactly, case included."""
    found = [
        customer
        for customer in account.all("customer")
        if not customer.get("deleted")
        and given.get("email") in (None, customer["email"])
        and within(customer["created"], given.get("created"))
    ]
    return page(found, given, "/v1/customers")


@get("/v1/customers/<id>")
def retrieve(account: Account, given: Obj, id: str) -> Obj:
    """One customer; of a deleted one only that it was deleted."""
    return account.find("customer", id, deleted_too=True)


@post("/v1/customers/<id>", FIELDS)
def update(account: Account, given: Obj, id: str) -> Obj:
    """Change a customer."""
    customer = account.find("customer", id)
    previous = change(customer, **_values(account, customer, given))
    _save_default(account, customer)
    if "invoice_settings" in previous:
        old = previous["invoice_settings"]["default_payment_method"]
        previous["invoice_settings"] = {"default_payment_method": old}
    tell_updated(account, "customer.updated", customer, previous)
    return customer


@delete("/v1/customers/<id>")
def remove(account: Account, given: Obj, id: str) -> Obj:
    """Delete a customer for good; whatever they subscribed to ends at once."""
    customer = account.find("customer", id)
    for subscription in account.all("subscription"):
        if subscription["customer"] == id and subscription["status"] != "canceled":
            billing.end(account, subscription, reason="cancellation_requested")
    tell(account, "customer.deleted", customer)
    customer.clear()
    customer |= {"id": id, "object": "customer", "deleted": True}
    return customer
