"""
What Stripe's side says, and what follows from it for readers: computed from the offline Stripe's API alone.

Nothing of the house is asked or imported here. Where the house derives something (who is a member, which mail is
owed), this file derives it again, from Stripe's objects and from the promises that docs/ makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tests.year import promises
from tests.year.figures import Figures
from tests.year.offline import Obj, Stripe
from tests.year.post import Post


def read(stripe: Stripe, post: Post, stops: Sequence[promises.Stop], *, now: datetime) -> Figures:
    """
    Their figures at this moment.

    :param post: what was told and lost until now.
    :param stops: of the clock, so far.
    """
    figures = Figures()
    charges = list(stripe.all("charges"))
    subscriptions = list(stripe.all("subscriptions", status="all"))
    invoices = list(stripe.all("invoices"))
    movements = list(stripe.all("balance_transactions"))
    _money(figures, stripe, charges, movements)
    _subscriptions(figures, subscriptions)
    figures.owed = promises.of_account(charges, invoices, subscriptions)
    figures.owed += promises.of_dunning(post.news, stops, all_known_at=now)
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
