"""
What became of the post between Stripe and us: which events were told, and which got lost.

Asked of the offline Stripe after each stop of the clock, because it forgets events after 30 days as the real one does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime

from tests.year.offline import Obj, Stripe

# The events whose arrival decides whether a mail can go out in time, and to whom.
NEWS = (
    "invoice.payment_failed",
    "invoice.paid",
    "invoice_payment.paid",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.deleted",
    "customer.updated",
    "charge.succeeded",
    "charge.updated",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "charge.dispute.closed",
    "refund.created",
    "refund.updated",
    "refund.failed",
)


@dataclass(frozen=True, slots=True)
class News:
    """
    One event of Stripe, and what it is about as it was then.

    :param happened_by: the look by which it had happened. A reader acts between two looks, and seconds pass: by the
        clock what they do at a stop is later than that stop.
    :param heard_at: the look by which we had heard of it; None: never.
    :param before: what of it was otherwise before (`previous_attributes`).
    """

    type: str
    created: int
    about: Obj
    happened_by: int
    heard_at: int | None
    before: Obj = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """
    A moment at which all was quiet: what the post had brought by then was known, and what followed was done.

    :param swept: whether the sweeps had looked as well for what had come due.
    """

    number: int
    at: datetime
    swept: bool


@dataclass(slots=True)
class Post:
    """
    The record of a year. `told` and `lost` count events; `news` holds those of NEWS.

    `made_good_at` is the look by which a reconciliation has brought what was lost until then; `invoice_of` is the
    invoice that each payment intent was to pay, by Stripe's account.
    """

    stripe: Stripe
    told: int = 0
    lost: int = 0
    news: list[News] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    made_good_at: int | None = None
    invoice_of: dict[str, Obj] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _read_until: int = 0

    def note(self, at: datetime, *, swept: bool) -> None:
        """Read what was told since the last look. Call it when all is quiet."""
        number = len(self.looks)
        self.looks.append(Look(number, at, swept))
        # Stripe lists the newest first.
        for event in reversed(list(self.stripe.all("events", **{"created[gte]": self._read_until}))):
            if event["id"] not in self._seen:
                self._seen.add(event["id"])
                # Nothing is on its way, so that what nobody took is lost.
                lost = bool(event["pending_webhooks"])
                self.lost += lost
                self.told += not lost
                if event["type"] in NEWS:
                    about, before = event["data"]["object"], event["data"].get("previous_attributes") or {}
                    heard_at = None if lost else number
                    self.news.append(News(event["type"], event["created"], about, number, heard_at, before))
        # Some of what happened just before now may have been told under an earlier moment.
        self._read_until = int(at.timestamp()) - 2 * 3600

    def heard(self, one: News) -> int:
        """The look by which an event was known; one after all looks if it is not known at all."""
        if one.heard_at is not None:
            return one.heard_at
        return len(self.looks) if self.made_good_at is None else self.made_good_at

    def make_good(self, at: datetime) -> None:
        """What was lost is known from now on."""
        self.made_good_at = len(self.looks)
        self.note(at, swept=False)

    def lines(self) -> Iterator[str]:
        """The record as JSON, one event a line."""
        for one in self.news:
            yield json.dumps(asdict(one))
