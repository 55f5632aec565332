"""
What readers are told before money is taken: of an annual payment, and of a card that will have expired.

Both depend on what we knew of a subscription when there was still time, so the year is gone through look by look.
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from tests.year.memberships import moment
from tests.year.offline import Obj
from tests.year.post import Look, News, Post
from tests.year.promises import first_payments

NOTICE = timedelta(days=21)  # before an annual payment
WARNINGS = (7, 30)  # days before a payment that comes after the card's last month


def of_annual_payments(post: Post) -> int:
    """
    How many annual payments were announced.

    That is, those of which we knew before they came, once we knew of a payment: until then, nobody is there to be told,
    and the payment waits until somebody is.
    """
    told: set[tuple[str, datetime]] = set()
    paid = first_payments(post)
    for id, news in _by_subscription(post).items():
        held: set[datetime] = set()
        for look in post.looks:
            known = _known(news, look, post)
            if not look.swept or known is None or _interval(known) != "year":
                continue
            if _runs(known) and _next_payment(known) - NOTICE <= look.at < _next_payment(known):
                held.add(_next_payment(known))
            if _is_over(known) or look.number < paid.get(id, len(post.looks)):
                continue
            told |= {(id, charge_at) for charge_at in held}
    return len(told)


def _is_over(subscription: Obj) -> bool:
    return subscription["status"] in ("canceled", "incomplete_expired")


def of_cards(post: Post, methods: dict[str, Obj]) -> int:
    """
    How many warnings there were about cards, once for each payment and distance.

    :param methods: payment methods by id.
    """
    looked: set[tuple[str, datetime, int]] = set()
    warned = 0
    for id, news in _by_subscription(post).items():
        for look in post.looks:
            known = _known(news, look, post)
            if not look.swept or known is None or not _runs(known):
                continue
            charge_at = _next_payment(known)
            days = next((days for days in WARNINGS if charge_at <= look.at + timedelta(days=days)), None)
            if days is None or charge_at <= look.at or (id, charge_at, days) in looked:
                continue
            looked.add((id, charge_at, days))
            warned += _expires(methods.get(_card_then(news, look)), charge_at)
    return warned


def _by_subscription(post: Post) -> dict[str, list[News]]:
    """What Stripe said of each subscription, in its order."""
    found: dict[str, list[News]] = defaultdict(list)
    for one in sorted(post.news, key=lambda one: one.created):
        if one.type.startswith("customer.subscription."):
            found[one.about["id"]].append(one)
    return found


def _known(news: Iterable[News], look: Look, post: Post) -> Obj | None:
    """A subscription as we knew it at a look."""
    heard = [one for one in news if post.heard(one) <= look.number]
    return heard[-1].about if heard else None


def _card_then(news: Iterable[News], look: Look) -> str:
    """The card that a subscription had at Stripe at a look, whatever we knew."""
    then = [one for one in news if one.happened_by <= look.number]
    return str(then[-1].about["default_payment_method"]) if then else ""


def _runs(subscription: Obj) -> bool:
    ends = subscription["cancel_at"]
    return (
        subscription["status"] == "active"
        and not subscription["pause_collection"]
        and (ends is None or moment(ends) > _next_payment(subscription))
    )


def _interval(subscription: Obj) -> str:
    return str(subscription["items"]["data"][0]["price"]["recurring"]["interval"])


def _next_payment(subscription: Obj) -> datetime:
    return moment(subscription["items"]["data"][0]["current_period_end"])


def _expires(method: Obj | None, charge_at: datetime) -> bool:
    """Whether a card's last month is over when a payment comes."""
    if method is None or method["type"] != "card":
        return False
    year, month = method["card"]["exp_year"], method["card"]["exp_month"]
    last_day = calendar.monthrange(year, month)[1]
    return charge_at >= datetime(year, month, last_day, tzinfo=UTC) + timedelta(days=1)
