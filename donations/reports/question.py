"""What may be asked of a report, and what a page of the rows behind a figure is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from donations.reports import periods
from donations.reports.periods import Granularity, Period
from donations.reports.plans import Filters, Plan, load


@dataclass(frozen=True, slots=True)
class Question:
    """
    What somebody wants to know.

    :param known_at: as it was known then; None: now.
    :param into: the currency into which sums are converted as well; None: none.
    """

    period: Period
    granularity: Granularity
    filters: Filters
    now: datetime
    known_at: datetime | None = None
    into: str | None = None

    @property
    def today(self) -> date:
        """The last day of which anything is known."""
        return periods.day_of(self.known_at or self.now)

    def plans(self) -> list[Plan]:
        return load(known_at=self.known_at, filters=self.filters)

    def as_asked(self) -> dict[str, Any]:
        """The same as plain JSON, without `now`."""
        return {
            "from": str(self.period.first),
            "to": str(self.period.last),
            "granularity": self.granularity.value,
            "currency": self.filters.currency,
            "campaign": self.filters.campaign,
            "known_at": self.known_at.isoformat() if self.known_at else None,
            "into": self.into,
        }

    @classmethod
    def from_asked(cls, asked: dict[str, Any], *, now: datetime) -> Question:
        """What `as_asked` says, at another moment."""
        return cls(
            Period(date.fromisoformat(asked["from"]), date.fromisoformat(asked["to"])),
            Granularity(asked["granularity"]),
            Filters(asked["currency"], asked["campaign"]),
            now,
            datetime.fromisoformat(asked["known_at"]) if asked["known_at"] else None,
            asked["into"],
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the rows behind a figure; how many there are, and what all of them come to, by currency."""

    rows: list[dict[str, Any]]
    count: int
    total: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows to show."""

    first: int
    count: int
