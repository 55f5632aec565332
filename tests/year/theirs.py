"""
What Stripe's side says, and what follows from it for readers: computed from the offline Stripe's API alone.

Nothing of the house is asked or imported here. Where the house derives something (who is a member, which mail is
owed), this file derives it again, from Stripe's objects and from the promises that docs/ makes.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from tests.year.figures import Figures
from tests.year.offline import Obj, Stripe


def read(stripe: Stripe, *, now: datetime) -> Figures:
    """Their figures at this moment."""
    figures = Figures()
    charges = list(stripe.all("charges"))
    subscriptions = list(stripe.all("subscriptions", status="all"))
    invoices = list(stripe.all("invoices"))
    movements = list(stripe.all("balance_transactions"))
    _money(figures, stripe, charges, movements)
    _subscriptions(figures, subscriptions)
    _mails(figures, charges, invoices, subscriptions)
    return figures


def _money(figures: Figures, stripe: Stripe, charges: list[Obj], movements: list[Obj]) -> None:
    for charge in charges:
        if charge["status"] == "succeeded":
            figures.add(charge["currency"], "payments")
            figures.add(charge["currency"], "gross", charge["amount"])
    for refund in stripe.all("refunds"):
        if refund["status"] in ("succeeded", "pending"):
            figures.add(refund["currency"], "refunded")
            figures.add(refund["currency"], "refunds", refund["amount"])
    for dispute in stripe.all("disputes"):
        if sum(movement["amount"] for movement in dispute["balance_transactions"]) < 0:
            figures.add(dispute["currency"], "disputed")
            figures.add(dispute["currency"], "disputes", dispute["amount"])
    for movement in movements:
        figures.add(movement["currency"], "fees", movement["fee"])
        figures.add(movement["currency"], "net", movement["net"])


def _subscriptions(figures: Figures, subscriptions: list[Obj]) -> None:
    for subscription in subscriptions:
        status = subscription["status"]
        if status == "active" and subscription["pause_collection"]:
            status = "paused"
        column = {"active": "active", "past_due": "past due", "paused": "paused"}.get(status)
        if column:
            figures.add(subscription["currency"], column)


def _mails(figures: Figures, charges: list[Obj], invoices: list[Obj], subscriptions: list[Obj]) -> None:
    figures.owed["receipt"] = sum(charge["status"] == "succeeded" for charge in charges)
    of_subscription: dict[str, list[Obj]] = defaultdict(list)
    for invoice in invoices:
        of_subscription[invoice["parent"]["subscription_details"]["subscription"]].append(invoice)
    for subscription in subscriptions:
        own = of_subscription[subscription["id"]]
        figures.owed["welcome"] += any(
            invoice["status"] == "paid" and invoice["billing_reason"] == "subscription_create"
            for invoice in own
        )
