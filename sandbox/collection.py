"""
Collecting what an invoice asks for: the first attempt, the retries, and the end when none of them succeeds.
"""

from __future__ import annotations

from collections.abc import Callable

from sandbox import billing, cards, invoices, payments, settings
from sandbox.account import Account, Obj, change
from sandbox.agenda import DAY, does
from sandbox.errors import StripeError, declined, invalid
from sandbox.events import tell, tell_updated

ON_PAID: list[Callable[[Account, Obj], None]] = []
"""Told about a subscription's invoice once it is paid, whichever way."""


def first_invoice(account: Account, subscription: Obj, *, intent: Obj | None, extra: list[Obj]) -> Obj:
    """
    The invoice of a subscription that Checkout has just made, already paid by ``intent`` or (bank debit)
    being paid by it; without an intent there is nothing to pay. ``extra`` are session items that are paid
    only this once.
    """
    invoice = invoices.draft(account, subscription, reason="subscription_create", extra=extra)
    tell(account, "invoice.created", invoice)
    invoices.finalize(account, invoice, intent=intent)
    change(invoice, attempted=True, attempt_count=1 if intent else 0)
    if intent is None or intent["status"] == "succeeded":
        invoices.mark_paid(account, invoice)
    return invoice


@does("invoice.finalize")
def _finalize_when_due(account: Account, id: str) -> None:
    invoice = account.objects[id]
    if invoice["status"] == "draft" and invoice["auto_advance"]:
        invoices.finalize(account, invoice)
        collect(account, invoice)


@does("invoice.retry")
def _retry_when_due(account: Account, id: str) -> None:
    invoice = account.objects[id]
    if invoice["status"] != "open" or invoice["next_payment_attempt"] != account.now():
        return
    method = default_method(account, invoice)
    if method and account.secret(id).get("refused") == _identity(account, method):
        _failed(account, invoice, counts=True)  # the bank is not asked again about this card: no charge
    else:
        collect(account, invoice)


def _identity(account: Account, method: Obj) -> list[object]:
    """What tells whether a method is still the one that was refused; a network may replace a card in place."""
    card = method.get("card") or {}
    number = account.secret(method["id"])["number"]
    return [method["id"], number, card.get("exp_month"), card.get("exp_year")]


def default_method(account: Account, invoice: Obj) -> Obj | None:
    """What pays an invoice when nobody says otherwise: the subscription's method, else the customer's."""
    subscription = _subscription(account, invoice)
    customer = account.objects[invoice["customer"]]
    id = subscription["default_payment_method"] if subscription else None
    id = id or customer.get("invoice_settings", {}).get(
        "default_payment_method"
    )  # a deleted customer has none
    return account.objects[id] if id else None


def collect(
    account: Account,
    invoice: Obj,
    *,
    method: Obj | None = None,
    counts: bool = True,
    on_session: bool = False,
    challenge: str | None = None,
) -> StripeError | None:
    """
    Try to get an open invoice paid, and tell what came of it. Returns the error to answer if it was not. An
    attempt that does not count (somebody asked for it) does not change when the next automatic one is.
    """
    if not invoice["amount_due"]:
        invoices.mark_paid(account, invoice)
        _settle_subscription(account, invoice)
        return None
    payment = invoices.payment_of(account, invoice)
    assert payment is not None, "an open invoice with something due has a payment"
    intent = account.objects[payment["payment"]["payment_intent"]]
    if intent["status"] == "processing":
        return invalid("The payment of this invoice is still on its way.", param="invoice")
    method = method or default_method(account, invoice)
    if method is None:
        _failed(account, invoice, counts=counts)
        return declined("This customer has no default payment method.", "missing")
    status = payments.attempt(account, intent, method, on_session=on_session, challenge=challenge)
    invoice["attempted"] = True
    if status == "succeeded":
        invoice["attempt_count"] += counts
        invoices.mark_paid(account, invoice)
        _settle_subscription(account, invoice)
        return None
    if status == "processing":
        invoice["attempt_count"] += counts
        change(invoice, next_payment_attempt=None)
        return None
    if status == "requires_action":
        change(invoice, next_payment_attempt=None)
        tell(account, "invoice.payment_action_required", invoice)
        _fall_behind(account, invoice)
    else:
        if intent["last_payment_error"].get("decline_code") in cards.HARD:
            account.secret(invoice["id"])["refused"] = _identity(account, method)
        _failed(account, invoice, counts=counts)
    return payments.failure(intent)


def _failed(account: Account, invoice: Obj, *, counts: bool) -> None:
    """An attempt failed: plan the next one, or give up, the subscription included."""
    over = False
    invoice["attempted"] = True
    subscription = _subscription(account, invoice)
    if subscription and subscription["status"] in ("incomplete", "canceled"):
        change(invoice, attempt_count=invoice["attempt_count"] + counts)
    elif counts:
        gaps: list[float] = settings.of(account, "collection")["retries"]
        tries = invoice["attempt_count"] + 1
        over = tries > len(gaps)
        next_try = None if over else account.now() + round(gaps[tries - 1] * DAY)
        change(invoice, attempt_count=tries, next_payment_attempt=next_try)
        if next_try is not None:
            account.plan(next_try, "invoice.retry", invoice["id"])
        else:
            change(invoice, auto_advance=False)
    tell(account, "invoice.payment_failed", invoice)
    _fall_behind(account, invoice)
    if over and subscription and subscription["status"] != "canceled":
        _give_up(account, subscription)


def _give_up(account: Account, subscription: Obj) -> None:
    """No try is left: do what the account's settings say becomes of the subscription then."""
    then = settings.of(account, "collection")["then"]
    if then == "cancel":
        billing.end(account, subscription, reason="payment_failed")
    elif then == "unpaid":
        tell_updated(
            account, "customer.subscription.updated", subscription, change(subscription, status="unpaid")
        )


def _subscription(account: Account, invoice: Obj) -> Obj | None:
    id = invoices.subscription_of(invoice)
    return account.objects[id] if id else None


def _fall_behind(account: Account, invoice: Obj) -> None:
    subscription = _subscription(account, invoice)
    if subscription is None or subscription["latest_invoice"] != invoice["id"]:
        return
    if subscription["status"] == "active":
        previous = change(subscription, status="past_due")
        tell(account, "customer.subscription.updated", subscription, previous)


def _settle_subscription(account: Account, invoice: Obj) -> None:
    """A paid latest invoice brings a subscription that was behind back to active."""
    subscription = _subscription(account, invoice)
    if subscription is None or subscription["latest_invoice"] != invoice["id"]:
        return
    if subscription["status"] in ("past_due", "unpaid", "incomplete"):
        previous = change(subscription, status="active")
        if not account.secret(subscription["id"]).get("starting"):
            tell(account, "customer.subscription.updated", subscription, previous)
    for told in ON_PAID:
        told(account, invoice)


def pay_out_of_band(account: Account, invoice: Obj) -> None:
    """The money came some other way."""
    invoices.mark_paid(account, invoice, out_of_band=True)
    _settle_subscription(account, invoice)


def _after_debit(account: Account, intent: Obj) -> None:
    """A bank debit for an invoice has ended."""
    id = account.secret(intent["id"]).get("invoice")
    if id is None:
        return
    invoice = account.objects[id]
    if invoice["status"] not in ("open", "uncollectible"):
        return
    if intent["status"] == "succeeded":
        invoices.mark_paid(account, invoice)
        _settle_subscription(account, invoice)
    else:
        invoice["attempt_count"] -= 1  # it was counted when the debit was sent
        _failed(account, invoice, counts=True)


payments.ON_SETTLED.append(_after_debit)
