"""
Which mails readers have a right to, worked out from Stripe's account, the post's record and what docs/ promise.

Most promises follow from what happened: each payment that arrived has a receipt. Those about renewals that fail depend
on when we could know, since nobody is helped by a warning that is months late: for them the year is gone through
look by look, with what the post had brought until then. At the last one, after the reconciliation, all is known.
"""

from __future__ import annotations

import calendar
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.year.memberships import TOO_LATE_FOR_NEWS, moment, subscription_of
from tests.year.offline import Obj
from tests.year.post import Look, News, Post

REMIND_AFTER = (timedelta(days=3), timedelta(days=4), timedelta(days=5))  # from each mail to the next
NEAR = timedelta(days=3)  # between two charges that may be one too many
ASKED_WITHIN = timedelta(days=14)
EVENTS_ARE_FETCHED = timedelta(days=29)
MONEY_BACK = ("charge.refunded", "charge.dispute.", "refund.")
ASKED_AFTER = timedelta(minutes=10)
WORTH_WAITING_FOR = timedelta(hours=12)


@dataclass(slots=True)
class Renewal:
    """What there is to know about a renewal that was refused at least once, in the order of events."""

    invoice: str
    subscription: str
    refusals: list[News] = field(default_factory=list)
    payments: list[News] = field(default_factory=list)


def of_account(charges: Iterable[Obj], invoices: Iterable[Obj], subscriptions: Iterable[Obj]) -> Counter[str]:
    """The mails that follow from what happened, whenever we heard of it: a receipt each time, a welcome once."""
    owed: Counter[str] = Counter()
    owed["receipt"] = sum(charge["status"] == "succeeded" for charge in charges)
    started = {
        subscription_of(invoice)
        for invoice in invoices
        if invoice["status"] == "paid" and invoice["billing_reason"] == "subscription_create"
    }
    owed["welcome"] = sum(subscription["id"] in started for subscription in subscriptions)
    return owed


def of_new_cards(post: Post) -> int:
    """
    The mails that confirm another card: one for each card that took the place of another.

    Only the event says what was there before, so that there is none where it was lost for good: a reconciliation
    fetches events of the last 29 days.
    """
    fetched_since = post.looks[-1 if post.made_good_at is None else post.made_good_at].at - EVENTS_ARE_FETCHED
    told = set()
    for one in post.news:
        if one.type != "customer.subscription.updated" or one.about["status"] == "canceled":
            continue
        is_known = one.heard_at is not None or (
            post.made_good_at is not None and moment(one.created) >= fetched_since
        )
        card = one.about["default_payment_method"]
        if is_known and card and one.before.get("default_payment_method"):
            told.add((one.about["id"], card))
    return len(told)


def of_dunning(post: Post) -> Counter[str]:
    """The mails about renewals that were refused, and about contributions that ended of it."""
    news = sorted(post.news, key=lambda one: one.created)
    renewals: dict[str, Renewal] = {}
    ends: dict[str, News] = {}
    cards: dict[str, list[News]] = defaultdict(list)
    for one in news:
        about = one.about
        if one.type == "customer.subscription.deleted":
            ends[about["id"]] = one
        elif one.type == "customer.updated":
            cards[about["id"]].append(one)
        elif one.type == "invoice.payment_failed" and about["billing_reason"] != "subscription_create":
            renewals.setdefault(about["id"], Renewal(about["id"], subscription_of(about))).refusals.append(
                one
            )
    for one in news:
        if one.type == "invoice.paid" and one.about["id"] in renewals:
            renewals[one.about["id"]].payments.append(one)
    owed: Counter[str] = Counter()
    readers = first_payments(post)
    for renewal in renewals.values():
        known_from = readers.get(renewal.subscription, len(post.looks))
        owed += _of_renewal(renewal, ends.get(renewal.subscription), cards, post, known_from=known_from)
    for end in ends.values():
        if end.about["cancellation_details"]["reason"] == "payment_failed" and end.about["id"] in readers:
            # Nobody is there to be told before a first payment is known.
            known = max(post.heard(end), readers[end.about["id"]])
            heard = next((look.at for look in post.looks if look.number == known), None)
            owed["payment_lapsed"] += bool(heard and heard - moment(end.created) <= TOO_LATE_FOR_NEWS)
    return +owed


def _of_renewal(
    renewal: Renewal, end: News | None, cards: dict[str, list[News]], post: Post, *, known_from: int
) -> Counter[str]:
    """
    At each look: is it open, as far as we know, and is a mail due?

    :param known_from: the look by which a payment of the reader was known. Nobody is there to be told before.
    """
    owed: Counter[str] = Counter()
    sent = 0
    told_at: datetime | None = None

    def known(one: News, look: Look) -> bool:
        return post.heard(one) <= look.number

    for look in post.looks:
        refusals = [one for one in renewal.refusals if known(one, look)]
        is_paid = any(known(one, look) for one in renewal.payments)
        is_over = end is not None and known(end, look)
        if not refusals or is_paid or is_over or sent > len(REMIND_AFTER) or look.number < known_from:
            continue
        latest = refusals[-1]
        is_news = any(post.heard(one) == look.number for one in refusals)
        if not (is_news or look.swept):
            continue  # nobody looks at it now
        if any(one.created > latest.created and known(one, look) for one in cards[latest.about["customer"]]):
            continue  # the reader did what we asked for
        next_try = latest.about["next_payment_attempt"]
        if told_at is None:
            # The refusal after which there is no further try is mostly followed by the end: that mail says it all.
            if next_try is None and (post.heard(latest) == look.number or not look.swept):
                continue
            owed["payment_failed"] += 1
        elif look.at < told_at + REMIND_AFTER[sent - 1]:
            continue
        elif next_try is not None and look.at < moment(next_try) < look.at + WORTH_WAITING_FOR:
            continue  # how it ends is known in a few hours
        else:
            owed["payment_reminder"] += 1
        sent, told_at = sent + 1, look.at
    return owed


def of_money_back(post: Post, refunds: Iterable[Obj]) -> Counter[str]:
    """Each refund is told, and that it failed if its reader was told of it; so is each dispute that was lost."""
    owed: Counter[str] = Counter()
    for refund in refunds:
        told = _first_heard(post, _about_refund(post, refund))
        failed = _first_heard(post, _about_failure(post, refund))
        if told is None or (failed is not None and failed.number <= told.number):
            continue  # who was not told of it has nothing to be told of
        if told.at - moment(refund["created"]) < TOO_LATE_FOR_NEWS:
            owed["refunded"] += 1
            owed["refund_failed"] += bool(
                failed and failed.at - moment(refund["created"]) < TOO_LATE_FOR_NEWS
            )
    for one in post.news:
        if one.type == "charge.dispute.closed" and one.about["status"] == "lost":
            heard = _first_heard(post, [one])
            owed["dispute_lost"] += bool(heard and heard.at - moment(one.created) < TOO_LATE_FOR_NEWS)
    return +owed


def _about_refund(post: Post, refund: Obj) -> list[News]:
    """The events that tell of a refund: its own, and its charge's from then on."""
    return [
        one
        for one in post.news
        if (one.type.startswith("refund.") and one.about["id"] == refund["id"])
        or (
            one.type == "charge.refunded"
            and one.about["id"] == refund["charge"]
            and one.created >= refund["created"]
        )
    ]


def _about_failure(post: Post, refund: Obj) -> list[News]:
    return [
        one
        for one in post.news
        if one.type in ("refund.updated", "refund.failed")
        and one.about["id"] == refund["id"]
        and one.about["status"] == "failed"
    ]


def _first_heard(post: Post, news: Iterable[News]) -> Look | None:
    """The look by which the first of some events was known; None if none of them ever was."""
    number = min((post.heard(one) for one in news), default=len(post.looks))
    return next((look for look in post.looks if look.number == number), None)


def first_payments(post: Post) -> dict[str, int]:
    """
    By subscription, the look by which a payment for it was known: from then on there is a reader to write to.

    Where the post lost all word of a payment, its money's way back tells of it.
    """
    found: dict[str, int] = {}
    for one in post.news:
        if one.type == "invoice.paid" and one.about["amount_paid"]:
            id, number = subscription_of(one.about), post.heard(one)
        elif one.type.startswith(MONEY_BACK) and one.about["payment_intent"] in post.invoice_of:
            id, number = subscription_of(post.invoice_of[one.about["payment_intent"]]), _asked_at(one, post)
        else:
            continue
        found[id] = min(found.get(id, len(post.looks)), number)
    return found


def _asked_at(back: News, post: Post) -> int:
    """The look by which Stripe was asked which payment goes back, if no other word of that payment came meanwhile."""
    heard = post.heard(back)
    late = (look.number for look in post.looks if look.at >= moment(back.created) + ASKED_AFTER)
    return next((number for number in late if number >= heard), len(post.looks))


@dataclass(frozen=True, slots=True)
class First:
    """
    A first payment: by whom and with what, and when it was paid.

    :param booked_at: when we knew of it; None if never.
    :param card_known_at: when we knew with which card.
    """

    email: str
    fingerprint: str
    paid_at: datetime
    booked_at: datetime | None
    card_known_at: datetime | None


def firsts(
    post: Post, charges: Iterable[Obj], invoice_of: dict[str, Obj], paid_at: dict[str, datetime]
) -> list[First]:
    """
    The payments that are no renewals.

    :param invoice_of: the invoice that a payment intent paid.
    :param paid_at: when each charge's money came, by its id.
    """
    about: dict[str, list[News]] = defaultdict(list)
    for one in post.news:
        if one.type in ("charge.succeeded", "charge.updated", "invoice.paid"):
            about[one.about["id"]].append(one)
    found = []
    for charge in charges:
        invoice = invoice_of.get(charge["payment_intent"])
        if charge["status"] != "succeeded" or (
            invoice and invoice["billing_reason"] != "subscription_create"
        ):
            continue
        details = charge["payment_method_details"]
        card = _first_heard(post, about[charge["id"]])
        # That a single gift arrived is told by several events, of which one comes; of a regular one by this alone.
        booked = _first_heard(post, about[invoice["id"]]) if invoice else post.looks[0]
        # Which plan a charge was for is told by a word of its own; until that is known, a charge waits with its card.
        linked = _linked(post, charge["payment_intent"]) if invoice else booked
        found.append(
            First(
                email=charge["billing_details"]["email"],
                fingerprint=details[details["type"]]["fingerprint"],
                paid_at=paid_at[charge["id"]],
                booked_at=booked.at if booked else None,
                card_known_at=max(card.at, booked.at, linked.at) if card and booked and linked else None,
            )
        )
    return found


def _linked(post: Post, intent: str) -> Look | None:
    """The look by which it was known which invoice a payment intent was for; None if it never was."""
    numbers = [
        post.heard(one) if one.type == "invoice_payment.paid" else _asked_at(one, post)
        for one in post.news
        if (one.type == "invoice_payment.paid" and one.about["payment"]["payment_intent"] == intent)
        or (one.type.startswith(MONEY_BACK) and one.about["payment_intent"] == intent)
    ]
    number = min(numbers, default=len(post.looks))
    return next((look for look in post.looks if look.number == number), None)


def of_second_charges(payments: Iterable[First]) -> int:
    """
    How many readers were asked whether a second charge was meant: one within days of another, by the same person or
    with the same card. What comes to light weeks later is not asked about.
    """
    payments = sorted(payments, key=lambda payment: payment.paid_at)
    return sum(
        any(_is_second(payment, earlier) for earlier in payments[:place])
        for place, payment in enumerate(payments)
    )


def _is_second(second: First, first: First) -> bool:
    if second.paid_at - first.paid_at > NEAR:
        return False
    known = (
        (first.booked_at, second.booked_at)
        if second.email == first.email
        else (first.card_known_at, second.card_known_at)
        if second.fingerprint == first.fingerprint
        else (None, None)
    )
    times = [at for at in known if at is not None]
    return len(times) == 2 and max(times) - second.paid_at <= ASKED_WITHIN


def of_reminders(asked: Iterable[tuple[datetime, str]], *, until: datetime) -> int:
    """
    How many reminders came due: next month means its first day (the month after, if asked on the 20th or later), in
    three months the same day of that month or its last; at ten in the morning, at which the newsroom's zone is UTC.
    """
    return sum(_due(at, wish) <= until for at, wish in asked)


def _due(at: datetime, wish: str) -> datetime:
    if wish == "next_month":
        months, day = (1 if at.day < 20 else 2), 1
    else:
        months, day = 3, at.day
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return datetime(year, month + 1, min(day, last), 10, tzinfo=UTC)
