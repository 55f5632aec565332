"""
The calls that a program makes about invoices and what pays them.
"""

from __future__ import annotations

from sandbox import billing, collection, invoices, methods
from sandbox.account import Account, Obj, change, merge_metadata
from sandbox.agenda import HOUR
from sandbox.errors import invalid
from sandbox.events import tell_updated
from sandbox.params import CREATED, PAGE, Flag, Group, Metadata, OneOf, Text
from sandbox.routes import get, post
from sandbox.wire import page, within


@get(
    "/v1/invoices",
    {
        **PAGE,
        "customer": Text(),
        "subscription": Text(),
        "status": OneOf("draft", "open", "paid", "uncollectible", "void"),
        "collection_method": OneOf("charge_automatically", "send_invoice"),
        "created": CREATED,
    },
)
def list_invoices(account: Account, given: Obj) -> Obj:
    """Invoices, newest first."""
    wanted = given.get("subscription")
    every = account.all("invoice") if wanted is None else invoices.of_subscription(account, wanted)
    found = [
        invoice
        for invoice in every
        if all(given.get(key) in (None, invoice[key]) for key in ("customer", "status", "collection_method"))
        and within(invoice["created"], given.get("created"))
    ]
    return page(found, given, "/v1/invoices")


@get("/v1/invoices/<id>")
def retrieve(account: Account, given: Obj, id: str) -> Obj:
    """One invoice."""
    return account.find("invoice", id)


@get("/v1/invoices/<id>/lines", PAGE)
def list_lines(account: Account, given: Obj, id: str) -> Obj:
    """The lines of an invoice."""
    return page(account.find("invoice", id)["lines"]["data"], given, f"/v1/invoices/{id}/lines")


@post("/v1/invoices/<id>", {"auto_advance": Flag(), "description": Text(1500), "metadata": Metadata()})
def update(account: Account, given: Obj, id: str) -> Obj:
    """Change what an invoice says about itself, or whether it goes on by itself."""
    invoice = account.find("invoice", id)
    if "metadata" in given:
        given["metadata"] = merge_metadata(invoice, given["metadata"])
    if given.get("auto_advance") and invoice["status"] == "draft" and not invoice["auto_advance"]:
        change(invoice, automatically_finalizes_at=account.now() + HOUR)
        account.plan(account.now() + HOUR, "invoice.finalize", id)
    tell_updated(account, "invoice.updated", invoice, change(invoice, **given))
    return invoice


@post("/v1/invoices/<id>/finalize", {"auto_advance": Flag()})
def finalize(account: Account, given: Obj, id: str) -> Obj:
    """Open a draft. If it goes on by itself it is tried within the hour."""
    invoice = account.find("invoice", id)
    invoices.finalize(account, invoice)
    if given.get("auto_advance", invoice["auto_advance"]):
        change(invoice, auto_advance=True, next_payment_attempt=account.now() + HOUR)
        account.plan(account.now() + HOUR, "invoice.retry", id)
    return invoice


@post(
    "/v1/invoices/<id>/pay",
    {"payment_method": Text(), "off_session": Flag(), "paid_out_of_band": Flag(), "forgive": Flag()},
)
def pay(account: Account, given: Obj, id: str) -> Obj:
    """Try to collect an open invoice now. A decline answers 402."""
    invoice = account.find("invoice", id)
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] == "draft":
        invoices.finalize(account, invoice)
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid(f"This invoice is {invoice['status']} and cannot be paid.", code="invoice_not_editable")
    if given.get("paid_out_of_band"):
        collection.pay_out_of_band(account, invoice)
        return invoice
    method = methods.obtain(account, given["payment_method"]) if given.get("payment_method") else None
    if method and method["customer"] not in (None, invoice["customer"]):
        raise invalid("The payment method belongs to another customer.", param="payment_method")
    error = collection.collect(account, invoice, method=method, counts=False)
    if error:
        raise error
    return invoice


@post("/v1/invoices/<id>/void")
def void(account: Account, given: Obj, id: str) -> Obj:
    """Declare an open invoice void."""
    invoice = account.find("invoice", id)
    invoices.void(account, invoice)
    return invoice


@post("/v1/invoices/<id>/mark_uncollectible")
def mark_uncollectible(account: Account, given: Obj, id: str) -> Obj:
    """Write an open invoice off."""
    invoice = account.find("invoice", id)
    invoices.mark_uncollectible(account, invoice)
    return invoice


@post("/v1/invoices/create_preview", {"subscription": Text(), "customer": Text()})
def preview(account: Account, given: Obj) -> Obj:
    """What the next renewal of a subscription will ask for; nothing is stored."""
    if not given.get("subscription"):
        raise invalid("The sandbox previews renewals of a subscription only.", param="subscription")
    subscription = account.find("subscription", given["subscription"], param="subscription")
    if not billing.renews(subscription):
        raise invalid("No upcoming invoices for this subscription.", code="invoice_upcoming_none", status=404)
    return invoices.upcoming(account, subscription, preview=True)


@get(
    "/v1/invoice_payments",
    {
        **PAGE,
        "invoice": Text(),
        "status": OneOf("canceled", "open", "paid"),
        "payment": Group({"type": OneOf("payment_intent"), "payment_intent": Text()}, needed=("type",)),
        "created": CREATED,
    },
)
def list_payments(account: Account, given: Obj) -> Obj:
    """What pays invoices, newest first, by invoice, status and payment intent."""
    intent = (given.get("payment") or {}).get("payment_intent")
    found = [
        payment
        for payment in account.all("invoice_payment")
        if all(given.get(key) in (None, payment[key]) for key in ("invoice", "status"))
        and intent in (None, payment["payment"]["payment_intent"])
        and within(payment["created"], given.get("created"))
    ]
    return page(found, given, "/v1/invoice_payments")


@get("/v1/invoice_payments/<id>")
def retrieve_payment(account: Account, given: Obj, id: str) -> Obj:
    """One invoice payment."""
    return account.find("invoice_payment", id)
