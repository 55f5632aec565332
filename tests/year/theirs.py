"""
What Stripe's side says, and what follows from it for readers: computed from the offline Stripe's API alone.

Nothing of the house is asked or imported here. Where the house derives something (who is a member, which mail is
owed), this file derives it again, from Stripe's objects and from the promises that docs/ makes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime

from tests.year import announcements, memberships, promises
from tests.year.figures import Figures
from tests.year.offline import Obj, Stripe
from tests.year.post import News, Post


def read(stripe: Stripe, post: Post, asked: Iterable[tuple[datetime, str]], *, now: datetime) -> Figures:
    """
    Their figures at this moment.

    :param post: the record of what was told and lost until now.
    :param asked: for which reminders readers asked, and when.
    """
    figures = Figures()
    charges = list(stripe.all("charges"))
    subscriptions = list(stripe.all("subscriptions", status="all"))
    invoices = list(stripe.all("invoices"))
    refunds = list(stripe.all("refunds"))
    disputes = list(stripe.all("disputes"))
    links = list(stripe.all("invoice_payments"))
    movements = list(stripe.all("balance_transactions"))
    _money(figures, charges, refunds, disputes, movements)
    _subscriptions(figures, subscriptions)
    backs = _by_invoice(links, charges, memberships.money_back(charges, refunds, disputes, _decided(post)))
    for plan in memberships.plans(subscriptions, invoices, backs):
        figures.add(plan.subscription["currency"], "members", plan.is_member(now))
    invoice_of = post.invoice_of = _invoice_of(links, invoices)
    figures.owed = promises.of_account(charges, invoices, subscriptions)
    figures.owed += promises.of_dunning(post)
    figures.owed["contribution_changed"] += promises.of_new_cards(post)
    figures.owed += promises.of_money_back(post, refunds)
    figures.owed["second_charge"] += promises.of_second_charges(
        promises.firsts(post, charges, invoice_of, _paid_at(movements))
    )
    figures.owed["renewal_notice"] += announcements.of_annual_payments(post)
    figures.owed["card_expiring"] += announcements.of_cards(post, _cards(stripe, post))
    figures.owed["membership_ended"] += memberships.farewells(
        post, backs, _lost_disputes(post, charges, invoice_of)
    )
    figures.owed["reminder"] += promises.of_reminders(asked, until=now)
    return figures


def _by_invoice(links: list[Obj], charges: list[Obj], backs: dict[str, datetime]) -> dict[str, datetime]:
    """The same by the invoice that a charge paid."""
    invoice_of = {link["payment"]["payment_intent"]: link["invoice"] for link in links}
    return {
        invoice_of[charge["payment_intent"]]: backs[charge["id"]]
        for charge in charges
        if charge["id"] in backs and charge["payment_intent"] in invoice_of
    }


def _invoice_of(links: list[Obj], invoices: list[Obj]) -> dict[str, Obj]:
    """The invoice that each payment intent was to pay."""
    by_id = {invoice["id"]: invoice for invoice in invoices}
    return {link["payment"]["payment_intent"]: by_id[link["invoice"]] for link in links}


def _cards(stripe: Stripe, post: Post) -> dict[str, Obj]:
    """The cards that subscriptions had in the course of the year, by id."""
    ids = {
        one.about["default_payment_method"]
        for one in post.news
        if one.type.startswith("customer.subscription.") and one.about["default_payment_method"]
    }
    return {id: stripe.api("GET", f"payment_methods/{id}") for id in ids}


def _lost_disputes(post: Post, charges: list[Obj], invoice_of: dict[str, Obj]) -> dict[str, list[News]]:
    """The news of disputes that were lost, by the subscription whose payment was disputed."""
    intent_of = {charge["id"]: charge["payment_intent"] for charge in charges}
    found: dict[str, list[News]] = defaultdict(list)
    for one in post.news:
        if one.type != "charge.dispute.closed" or one.about["status"] != "lost":
            continue
        if invoice := invoice_of.get(intent_of[one.about["charge"]]):
            found[memberships.subscription_of(invoice)].append(one)
    return found


def _paid_at(movements: list[Obj]) -> dict[str, datetime]:
    """When each charge's money came: that of a bank debit comes days after the charge was made."""
    return {
        movement["source"]: memberships.moment(movement["created"])
        for movement in movements
        if movement["type"] in ("charge", "payment")
    }


def _decided(post: Post) -> Callable[[Obj], datetime]:
    """When a bank decided a dispute; Stripe's object does not say, its event does."""
    closed = {one.about["id"]: one.created for one in post.news if one.type == "charge.dispute.closed"}
    return lambda dispute: memberships.moment(closed.get(dispute["id"], dispute["created"]))


def _money(
    figures: Figures, charges: list[Obj], refunds: list[Obj], disputes: list[Obj], movements: list[Obj]
) -> None:
    for charge in charges:
        if charge["status"] == "succeeded":
            figures.add(charge["currency"], "payments")
            figures.add(charge["currency"], "gross", charge["amount"])
    for refund in refunds:
        if refund["status"] in ("succeeded", "pending"):
            figures.add(refund["currency"], "refunded")
            figures.add(refund["currency"], "refunds", refund["amount"])
    for dispute in disputes:
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
