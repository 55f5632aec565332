"""
What the ledger tells about the source of a membership: facts, each with the moment at which it happened. Pure values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Source(StrEnum):
    """What a plan is about; the same words as `Membership.Source`."""

    CONTRIBUTION = "CONTRIBUTION"
    GIFT = "GIFT"


@dataclass(frozen=True, slots=True)
class Paid:
    """
    A payment that arrived.

    :param reference: names it for ever, such as an invoice's id.
    :param through: the end of the period that it pays for. A gift has none; it gives `months`, which follow on those
        of gifts before it.
    :param annual_minor: of a gift: what it comes to in a year.
    :param given_back_at: when the whole of it had gone back to the reader; None while it is ours.
    """

    reference: str
    at: datetime
    through: datetime | None = None
    is_renewal: bool = False
    months: int = 0
    annual_minor: int = 0
    given_back_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A payment that was refused at least once, whatever became of it: `at` is the first time."""

    reference: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Switch:
    """
    Something that is on from one moment and off from another: a pause, a wish to leave, retries that ended.

    :param until: when it ends by itself (a pause), or when the membership is to end (a wish to leave).
    """

    reference: str
    at: datetime
    is_on: bool
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Amount:
    """From then on it comes to so much in a year."""

    reference: str
    at: datetime
    annual_minor: int


@dataclass(frozen=True, slots=True)
class Plan:
    """
    All that the ledger knows at this moment about the source of one membership.

    :param reference: names the source, for ever.
    :param annual_minor: what it came to in a year at first, in minor units.
    :param wishes_to_leave: each with the moment at which Stripe is to end it.
    :param retries: on when Stripe stopped trying to collect; off when nothing is owed any more.
    :param ended_at: when Stripe ended it; what is paid by then stays paid.
    :param is_lost: whether it ended because payments failed, and not because somebody wished so.
    :param next_try_at: when a payment that failed is tried again.
    """

    reference: str
    currency: str
    annual_minor: int
    payments: tuple[Paid, ...]
    source: Source = Source.CONTRIBUTION
    failures: tuple[Failed, ...] = ()
    amounts: tuple[Amount, ...] = ()
    pauses: tuple[Switch, ...] = ()
    wishes_to_leave: tuple[Switch, ...] = ()
    retries: tuple[Switch, ...] = ()
    ended_at: datetime | None = None
    is_lost: bool = False
    next_try_at: datetime | None = None
