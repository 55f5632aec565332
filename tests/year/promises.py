"""
Which mails readers have a right to, worked out from Stripe's account, the post's record and what docs/ promise.

Most promises follow from what happened: each payment that arrived has a receipt. Those about renewals that fail depend
on when we could know, since nobody is helped by a warning that is months late: for them the year is gone through
stop by stop, with what the post had brought until then. After the last stop everything is known.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.year.offline import Obj
from tests.year.post import News

REMIND_AFTER = (timedelta(days=3), timedelta(days=4), timedelta(days=5))  # from each mail to the next
TOO_LATE_FOR_NEWS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop of the clock: its day in the plot, and the moment."""

    day: int
    at: datetime


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


def of_dunning(news: Iterable[News], stops: Sequence[Stop], *, all_known_at: datetime) -> Counter[str]:
    """
    The mails about renewals that were refused, and about contributions that ended of it.

    :param all_known_at: when reconciliation brought the rest.
    """
    news = sorted(news, key=lambda one: one.created)
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
    last = Stop(stops[-1].day + 1, all_known_at)
    owed: Counter[str] = Counter()
    for renewal in renewals.values():
        end = ends.get(renewal.subscription)
        owed += _of_renewal(renewal, end, cards, [*stops, last], last)
    for end in ends.values():
        if end.about["cancellation_details"]["reason"] == "payment_failed":
            heard = _heard(end, [*stops, last], last)
            owed["payment_lapsed"] += heard.at - _moment(end.created) <= TOO_LATE_FOR_NEWS
    return owed


def _of_renewal(
    renewal: Renewal, end: News | None, cards: dict[str, list[News]], stops: Sequence[Stop], last: Stop
) -> Counter[str]:
    """At each stop: is it open, as far as we know, and is a mail due?"""
    owed: Counter[str] = Counter()
    sent = 0
    told_at: datetime | None = None
    for stop in stops:
        refusals = [one for one in renewal.refusals if _is_known(one, stop, last)]
        paid = any(_is_known(one, stop, last) for one in renewal.payments)
        ended = end is not None and _is_known(end, stop, last)
        if not refusals or paid or ended or sent > len(REMIND_AFTER):
            continue
        latest = refusals[-1]
        changed = [
            one
            for one in cards[latest.about["customer"]]
            if _is_known(one, stop, last) and one.created > latest.created
        ]
        if changed:
            continue  # the reader did what we asked for
        if told_at is None:
            # The refusal after which there is no further try is mostly followed by the end: that mail says it all.
            just_heard = _heard(latest, stops, last) == stop
            if latest.about["next_payment_attempt"] is None and just_heard and stop != last:
                continue
            owed["payment_failed"] += 1
        elif stop.at >= told_at + REMIND_AFTER[sent - 1]:
            owed["payment_reminder"] += 1
        else:
            continue
        sent, told_at = sent + 1, stop.at
    return owed


def subscription_of(invoice: Obj) -> str:
    """The id of the subscription that an invoice is for."""
    return str(invoice["parent"]["subscription_details"]["subscription"])


def _is_known(one: News, stop: Stop, last: Stop) -> bool:
    return stop is last or (one.heard_on is not None and one.heard_on <= stop.day)


def _heard(one: News, stops: Sequence[Stop], last: Stop) -> Stop:
    return next((stop for stop in stops if stop.day == one.heard_on), last)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
