"""
Subscriptions from their first payment to their end, as time carries them along.

The calls that a program makes about them are in ``subscriptions``; the invoices they send are in
``invoices``.
"""

from __future__ import annotations

from sandbox import invoices, shapes_billing
from sandbox.account import Account, Obj, change, copied
from sandbox.agenda import DAY, HOUR, does
from sandbox.events import tell
from sandbox.periods import period_start

UPCOMING_BEFORE = 7 * DAY
"""How long before a renewal ``invoice.upcoming`` is told, in seconds."""


def begin(
    account: Account,
    *,
    customer: str,
    lines: list[tuple[Obj, int]],
    method: str | None,
    metadata: Obj,
    **more: object,
) -> Obj:
    """
    A stored, active subscription to these prices and quantities, its first period starting now. Its first
    invoice and the events are the caller's, because their order depends on how it was paid.
    """
    currency = lines[0][0]["currency"]
    subscription = shapes_billing.subscription(account, customer=customer, currency=currency, method=method)
    change(
        subscription, metadata=metadata, **{key: value for key, value in more.items() if value is not None}
    )
    anchor = subscription["billing_cycle_anchor"]
    for price, quantity in lines:
        subscription["items"]["data"].append(
            shapes_billing.subscription_item(
                account,
                subscription=subscription["id"],
                price=copied(price),
                quantity=quantity,
                start=anchor,
                end=period_start(anchor, price["recurring"], 1),
            )
        )
    account.keep(subscription, cycle=0)
    expect_renewal(account, subscription)
    return subscription


def recurring_of(subscription: Obj) -> Obj:
    """How often a subscription renews: interval and interval_count."""
    found: Obj = subscription["items"]["data"][0]["price"]["recurring"]
    return found


def period_end(subscription: Obj) -> int:
    """When the period that runs now ends, in unix seconds."""
    return int(subscription["items"]["data"][0]["current_period_end"])


def renews(subscription: Obj) -> bool:
    """Whether a further period follows the one that runs now, as far as anybody has asked."""
    ends: int | None = subscription["cancel_at"]
    return subscription["status"] != "canceled" and (ends is None or ends > period_end(subscription))


def expect_renewal(account: Account, subscription: Obj) -> None:
    """Plan the end of the running period, and the word that it is near."""
    end = period_end(subscription)
    account.plan(end, "subscription.renew", subscription["id"])
    notice = end - UPCOMING_BEFORE
    if notice > subscription["items"]["data"][0]["current_period_start"]:
        account.plan(notice, "subscription.upcoming", subscription["id"])


def restart(account: Account, subscription: Obj) -> None:
    """Begin a first period again, now, with today as the anchor. The invoice for it is the caller's."""
    change(subscription, billing_cycle_anchor=account.now())
    _set_cycle(account, subscription, 0)
    expect_renewal(account, subscription)


def begin_trial(account: Account, subscription: Obj, until: int) -> None:
    """
    Put a free period in, from now to ``until``; the first paid one begins there, which is the new anchor. The invoice
    over nothing that Stripe sends for it is the caller's.
    """
    now = account.now()
    change(subscription, status="trialing", trial_start=now, trial_end=until, billing_cycle_anchor=until)
    hidden = account.secret(subscription["id"])
    hidden["cycle"] = -1
    for item in subscription["items"]["data"]:
        change(item, current_period_start=now, current_period_end=until, billed_until=until)
    expect_renewal(account, subscription)


def catch_up(account: Account, subscription: Obj) -> None:
    """
    Move a subscription that was paused into the period that runs now by its old anchor, without an invoice.
    """
    while period_end(subscription) <= account.now():
        _set_cycle(account, subscription, account.secret(subscription["id"])["cycle"] + 1)
    expect_renewal(account, subscription)


def _set_cycle(account: Account, subscription: Obj, cycle: int) -> None:
    hidden = account.secret(subscription["id"])
    hidden["cycle"] = cycle
    first = subscription["items"]["data"][0]
    hidden["last_period"] = [first["current_period_start"], first["current_period_end"]]
    anchor = subscription["billing_cycle_anchor"]
    for item in subscription["items"]["data"]:
        start = period_start(anchor, item["price"]["recurring"], cycle)
        end = period_start(anchor, item["price"]["recurring"], cycle + 1)
        change(item, current_period_start=start, current_period_end=end, billed_until=end)


@does("subscription.upcoming")
def _announce(account: Account, id: str) -> None:
    subscription = account.objects[id]
    due = period_end(subscription) - UPCOMING_BEFORE == account.now()
    if subscription["status"] in ("active", "past_due", "trialing") and due and renews(subscription):
        tell(account, "invoice.upcoming", invoices.upcoming(account, subscription))


@does("subscription.renew")
def _renew(account: Account, id: str) -> None:
    subscription = account.objects[id]
    going = subscription["status"] in ("active", "past_due", "unpaid", "trialing")
    if not going or period_end(subscription) != account.now():
        return  # ended, paused, or its period was moved since this was planned
    if subscription["cancel_at"] is not None and subscription["cancel_at"] <= account.now():
        end(account, subscription)
        return
    before = copied(subscription["items"])
    _set_cycle(account, subscription, account.secret(id)["cycle"] + 1)
    latest = subscription["latest_invoice"]
    invoice = invoices.draft(account, subscription, reason="subscription_cycle")
    previous = {"items": before, "latest_invoice": latest}
    if subscription["status"] == "trialing":
        previous |= change(subscription, status="active")
    tell(account, "customer.subscription.updated", subscription, previous)
    tell(account, "invoice.created", invoice)
    expect_renewal(account, subscription)
    pause = subscription["pause_collection"]
    if subscription["status"] == "unpaid":
        change(invoice, auto_advance=False)  # nobody tries to collect it; a program may
    elif pause is None:
        change(invoice, automatically_finalizes_at=account.now() + HOUR)
        account.plan(account.now() + HOUR, "invoice.finalize", invoice["id"])
    elif pause["behavior"] == "void":
        invoices.finalize(account, invoice)
        invoices.void(account, invoice)
    elif pause["behavior"] == "mark_uncollectible":
        invoices.finalize(account, invoice)
        invoices.mark_uncollectible(account, invoice, reason="subscription_paused")
    else:
        change(invoice, auto_advance=False)


@does("subscription.collect")
def _collect_again(account: Account, id: str) -> None:
    subscription = account.objects[id]
    pause = subscription["pause_collection"]
    if pause and pause["resumes_at"] is not None and pause["resumes_at"] <= account.now():
        previous = change(subscription, pause_collection=None)
        tell(account, "customer.subscription.updated", subscription, previous)


@does("subscription.cancel")
def _cancel_when_due(account: Account, id: str) -> None:
    subscription = account.objects[id]
    wanted = subscription["cancel_at"]
    if subscription["status"] != "canceled" and wanted is not None and wanted <= account.now():
        end(account, subscription)


def end(account: Account, subscription: Obj, *, reason: str | None = None) -> None:
    """End a subscription now, for good. An invoice that is still open stays open, but is not tried again."""
    now = account.now()
    details = subscription["cancellation_details"]
    if reason:
        details = {**details, "reason": reason}
    change(
        subscription,
        status="canceled",
        ended_at=now,
        canceled_at=subscription["canceled_at"] or now,
        cancellation_details=details,
    )
    for invoice in account.all("invoice"):
        mine = invoices.subscription_of(invoice) == subscription["id"]
        if mine and invoice["status"] in ("draft", "open"):
            change(invoice, auto_advance=False, next_payment_attempt=None)
    tell(account, "customer.subscription.deleted", subscription)
