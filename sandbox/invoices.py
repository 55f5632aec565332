"""
Invoices: what a subscription asks for, from draft to paid, voided or written off.

How the money is fetched, and what happens when it does not come, is in ``collection``.
"""

from __future__ import annotations

from sandbox import payments, shapes_billing
from sandbox.account import Account, Obj, change
from sandbox.agenda import HOUR
from sandbox.errors import invalid
from sandbox.events import tell
from sandbox.money import shown
from sandbox.periods import period_start
from sandbox.wire import included, listed


def subscription_of(invoice: Obj) -> str | None:
    """The id of the subscription that an invoice belongs to, if any."""
    parent = invoice["parent"]
    return parent["subscription_details"]["subscription"] if parent else None


def of_subscription(account: Account, id: str) -> list[Obj]:
    """The invoices of a subscription, newest first; found without looking at those of others."""
    known = account.hidden.get(id, {}).get("invoices", [])
    return [account.objects[invoice] for invoice in reversed(known)]


def payment_of(account: Account, invoice: Obj) -> Obj | None:
    """
    The invoice payment that links a finalised invoice to its payment intent; none for an invoice of zero.
    """
    id = account.secret(invoice["id"]).get("payment")
    return account.objects[id] if id else None


def draft(
    account: Account, subscription: Obj, *, reason: str, extra: list[Obj] | None = None, is_free: bool = False
) -> Obj:
    """
    A stored draft for the period that the subscription's items are in now, and for ``extra`` items of a
    Checkout Session that are paid only this once. One that ``is_free`` is for a trial, over nothing. The caller tells
    ``invoice.created``.
    """
    invoice = _drawn_up(account, subscription, reason=reason, extra=extra or [], is_free=is_free)
    account.keep(invoice)
    account.secret(subscription["id"]).setdefault("invoices", []).append(invoice["id"])
    subscription["latest_invoice"] = invoice["id"]
    return invoice


def _drawn_up(
    account: Account,
    subscription: Obj,
    *,
    reason: str,
    extra: list[Obj],
    shift: bool = False,
    is_free: bool = False,
) -> Obj:
    customer = account.objects[subscription["customer"]]
    invoice = shapes_billing.invoice(account, subscription=subscription, customer=customer, reason=reason)
    lines = []
    for item in subscription["items"]["data"]:
        start, end = item["current_period_start"], item["current_period_end"]
        if shift:
            start, end = end, _following(account, subscription, item)
        price = item["price"]
        name = account.objects[price["product"]].get("name", "Subscription")
        every = f"at {shown(price['unit_amount'], price['currency'])} / {price['recurring']['interval']}"
        line = shapes_billing.invoice_line(
            account,
            invoice=invoice,
            item=item,
            description=f"{item['quantity']} × {name} ({every})",
            start=start,
            end=end,
        )
        if is_free:
            change(line, amount=0, subtotal=0, description=f"Trial period for {name}")
        lines.append(line)
    for item in extra:
        lines.append(shapes_billing.one_time_line(account, invoice=invoice, item=item))
    total = sum(line["amount"] for line in lines)
    change(
        invoice,
        lines=listed(lines, f"/v1/invoices/{invoice['id']}/lines"),
        amount_due=total,
        amount_remaining=total,
        subtotal=total,
        subtotal_excluding_tax=total,
        total=total,
        total_excluding_tax=total,
    )
    if reason == "subscription_cycle":
        period = account.secret(subscription["id"])["last_period"] if not shift else None
        first = subscription["items"]["data"][0]
        period = period or [first["current_period_start"], first["current_period_end"]]
        change(invoice, period_start=period[0], period_end=period[1])
    return invoice


def _following(account: Account, subscription: Obj, item: Obj) -> int:
    cycle = account.secret(subscription["id"])["cycle"]
    return period_start(subscription["billing_cycle_anchor"], item["price"]["recurring"], cycle + 2)


def upcoming(account: Account, subscription: Obj, *, preview: bool = False) -> Obj:
    """
    The invoice that the next renewal will bring, not stored. ``invoice.upcoming`` carries it without an id
    and addresses; a ``preview`` has an id by which nothing can be found.
    """
    invoice = _drawn_up(account, subscription, reason="subscription_cycle", extra=[], shift=True)
    invoice["next_payment_attempt"] = invoice["period_end"] + HOUR
    for line in invoice["lines"]["data"]:
        line["invoice"] = None
    if preview:
        invoice["id"] = f"upcoming_{invoice['id']}"
        return invoice
    for key in ("id", "auto_advance", "hosted_invoice_url", "invoice_pdf"):
        del invoice[key]
    return invoice


def finalize(account: Account, invoice: Obj, *, intent: Obj | None = None) -> None:
    """
    Open a draft: it gets its number, a page, and the payment intent that is to pay it (``intent`` if there is
    one already, as after Checkout). Raises 400 for anything but a draft.
    """
    if invoice["status"] != "draft":
        raise invalid("This invoice is already finalized, so it cannot be finalized again.")
    customer = account.objects[invoice["customer"]]
    number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}"
    customer["next_invoice_sequence"] += 1
    page = f"{account.public_url}/i/{invoice['id']}"
    now = account.now()
    invoice["status_transitions"]["finalized_at"] = now
    change(
        invoice,
        status="open",
        number=number,
        effective_at=now,
        ending_balance=0,
        automatically_finalizes_at=None,
        hosted_invoice_url=page,
        invoice_pdf=f"{page}/pdf",
    )
    if invoice["amount_due"]:
        if intent is None:
            intent = payments.new_intent(
                account,
                amount=invoice["amount_due"],
                currency=invoice["currency"],
                customer=invoice["customer"],
                description=f"Invoice {number}",
                setup_future_usage="off_session",
            )
        payment = account.keep(shapes_billing.invoice_payment(account, invoice=invoice, intent=intent["id"]))
        account.secret(invoice["id"])["payment"] = payment["id"]
        account.secret(intent["id"])["invoice"] = invoice["id"]
    tell(account, "invoice.finalized", invoice)


def mark_paid(account: Account, invoice: Obj, *, out_of_band: bool = False) -> None:
    """The invoice's money is here (or, ``out_of_band``, came some other way): close it and tell."""
    now = account.now()
    invoice["status_transitions"]["paid_at"] = now
    change(
        invoice,
        status="paid",
        status_details=None,
        attempted=True,
        auto_advance=False,
        amount_paid=0 if out_of_band else invoice["amount_due"],
        amount_paid_off_stripe=invoice["amount_due"] if out_of_band else 0,
        amount_remaining=0,
        next_payment_attempt=None,
    )
    tell(account, "invoice.paid", invoice)
    tell(account, "invoice.payment_succeeded", invoice)
    payment = payment_of(account, invoice)
    if payment and not out_of_band:
        payment["status_transitions"]["paid_at"] = now
        change(payment, status="paid", amount_paid=invoice["amount_due"])
        tell(account, "invoice_payment.paid", payment)
    elif payment:
        _drop_payment(account, invoice)


def _drop_payment(account: Account, invoice: Obj) -> None:
    """Nobody will pay this invoice through its intent any more."""
    payment = payment_of(account, invoice)
    if payment and payment["status"] == "open":
        payment["status_transitions"]["canceled_at"] = account.now()
        change(payment, status="canceled")
        intent = account.objects[payment["payment"]["payment_intent"]]
        if intent["status"] in payments.CONFIRMABLE:
            change(intent, status="canceled", canceled_at=account.now(), cancellation_reason="void_invoice")
            tell(account, "payment_intent.canceled", intent)


def void(account: Account, invoice: Obj) -> None:
    """Declare a finalised, unpaid invoice never to have been. Raises 400 for others."""
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid(f"You can only pass in open invoices. This invoice is {invoice['status']}.")
    invoice["status_transitions"]["voided_at"] = account.now()
    change(invoice, status="void", status_details=None, auto_advance=False, next_payment_attempt=None)
    _drop_payment(account, invoice)
    tell(account, "invoice.voided", invoice)


def mark_uncollectible(account: Account, invoice: Obj, *, reason: str = "user_forgiven") -> None:
    """Write an open invoice off, saying why; it may still be paid. Raises 400 for others."""
    if invoice["status"] != "open":
        raise invalid(f"You can only pass in open invoices. This invoice is {invoice['status']}.")
    invoice["status_transitions"]["marked_uncollectible_at"] = account.now()
    details = {"uncollectible": {"reason": reason}}
    change(
        invoice,
        status="uncollectible",
        status_details=details,
        auto_advance=False,
        next_payment_attempt=None,
    )
    tell(account, "invoice.marked_uncollectible", invoice)


@included("invoice", "payments")
def _payments(account: Account, invoice: Obj) -> Obj:
    found = [payment for payment in account.all("invoice_payment") if payment["invoice"] == invoice["id"]]
    return listed(found, f"/v1/invoice_payments?invoice={invoice['id']}")


@included("invoice", "confirmation_secret")
def _confirmation_secret(account: Account, invoice: Obj) -> Obj | None:
    payment = payment_of(account, invoice)
    if not payment:
        return None
    secret = account.objects[payment["payment"]["payment_intent"]]["client_secret"]
    return {"client_secret": secret, "type": "payment_intent"}
