"""
What became of the post between Stripe and us: which events were told, and which got lost.

Asked of the offline Stripe after each stop of the clock, because it forgets events after 30 days as the real one does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.year.offline import Obj, Stripe

# The events whose arrival decides whether a mail can go out in time.
NEWS = (
    "invoice.payment_failed",
    "invoice.paid",
    "customer.subscription.deleted",
    "customer.updated",
)


@dataclass(frozen=True, slots=True)
class News:
    """One event of Stripe: what it is about as it was then, and at which stop we heard of it (None: never)."""

    type: str
    created: int
    about: Obj
    heard_on: int | None


@dataclass(slots=True)
class Post:
    """The record of a year. `told` and `lost` count deliveries; `news` holds the events of NEWS."""

    stripe: Stripe
    told: int = 0
    lost: int = 0
    news: list[News] = field(default_factory=list)
    _seen: dict[str, str] = field(default_factory=dict)
    _read_until: int = 0

    def note(self, day: int, *, now: int) -> None:
        """Read what happened since the last stop; `now` in unix seconds. Call it when the post is quiet."""
        fresh: dict[str, str] = {}
        for row in self.stripe.look("deliveries")["data"]:
            if row["status"] != "pending" and row["event"] not in self._seen:
                fresh[row["event"]] = row["status"]
        self._seen |= fresh
        self.told += sum(status == "delivered" for status in fresh.values())
        self.lost += sum(status == "dropped" for status in fresh.values())
        for event in self._events(now):
            if event["id"] in fresh:
                heard = day if fresh[event["id"]] == "delivered" else None
                self.news.append(News(event["type"], event["created"], event["data"]["object"], heard))

    def _events(self, now: int) -> Iterator[Obj]:
        wanted = {f"types[{number}]": name for number, name in enumerate(NEWS)}
        yield from self.stripe.all("events", **wanted, **{"created[gte]": self._read_until})
        self._read_until = now - 3600
