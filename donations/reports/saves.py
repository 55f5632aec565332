"""Readers who set out to stop: what it ended in, and what they made of the offers beside the button."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from donations.changes import LINK, READER
from donations.intervals import Interval
from donations.leavings import DECIDES, TO_DECIDE
from donations.models import ContributionChange, Leaving
from donations.reports import periods
from donations.reports.periods import Period
from donations.reports.plans import EVERYTHING, Filters
from donations.reports.rates import rate
from donations.standing import Picture

Kind = ContributionChange.Kind


class Ended(StrEnum):
    """What a setting out ended in."""

    KEPT = "kept"  # nothing was changed, or it was undone
    LOWERED = "lowered"
    PAUSED = "paused"
    ANNUAL = "annual"
    TAKEN_BACK = "taken_back"  # stopped, and let go on before it was over
    STOPPED = "stopped"
    OPEN = "open"  # the reader has still time to decide


SAVED = (Ended.KEPT, Ended.LOWERED, Ended.PAUSED, Ended.ANNUAL, Ended.TAKEN_BACK)
OFFERS = {"lower": Ended.LOWERED, "pause": Ended.PAUSED, "annual": Ended.ANNUAL}
_LEFT = (Kind.STOP, Kind.WITHDRAWAL, Kind.ONE_TIME)


@dataclass(frozen=True, slots=True)
class Start:
    """
    One time that a reader set out to stop a contribution.

    :param offered: of `OFFERS`, what the page showed; empty where nothing was pressed on a page of ours before.
    """

    contribution: str
    currency: str
    at: datetime
    offered: frozenset[str]
    ended_in: Ended

    @property
    def is_saved(self) -> bool:
        return self.ended_in in SAVED


def saves(starts: Iterable[Start]) -> dict[str, Any]:
    """
    Readers who set out to stop a contribution, and stayed; by the day on which they set out.

    - `saved`: settings out that ended in `kept` (left as it was for a day), `lowered`, `paused`, `annual` or
      `taken_back` (stopped, and let go on before it was over) ÷ those and the ones that ended in `stopped`.
    - `open`: of which the day to decide is not over; in no share.
    - `offers`: of each offer beside the button, how often it was taken ÷ shown. Shown and not taken is declined.

    A reader sets out by pressing the button on the contribution's page, within 24 hours once; or by stopping it from a
    mail or over the API, where nothing else is offered. What staff end is none, nor what a failed payment does. Counted
    are changes that Stripe's events confirmed. Unit: settings out. Source: `Leaving`, `ContributionChange`.
    """
    counts: Counter[Ended] = Counter()
    shown: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for start in starts:
        counts[start.ended_in] += 1
        if start.ended_in != Ended.OPEN:
            shown.update(start.offered)
            taken.update(offer for offer in start.offered if OFFERS[offer] == start.ended_in)
    saved = sum(counts[ended] for ended in SAVED)
    return {
        "saved": rate(saved, saved + counts[Ended.STOPPED]),
        "ended_in": {ended.value: counts[ended] for ended in Ended},
        "offers": {offer: rate(taken[offer], shown[offer]) for offer in OFFERS},
    }


def explain_saves(starts: Iterable[Start], figure: str) -> list[dict[str, Any]]:
    """The rows behind `started` (all of them) and `saved`, each with a value of 1; no reader is in them."""
    return [
        {
            "contribution": start.contribution,
            "started_at": start.at,
            "offered": sorted(start.offered),
            "ended_in": start.ended_in.value,
            "currency": start.currency,
            "value": 1,
        }
        for start in starts
        if figure == "started" or start.is_saved
    ]


# --- From the rows


@dataclass(frozen=True, slots=True)
class _Change:
    kind: str
    at: datetime
    is_less: bool
    becomes_annual: bool
    is_own: bool
    is_undoing: bool


@dataclass(slots=True)
class _Story:
    """Of one contribution: when its reader pressed the button and what was offered, and what was changed."""

    reference: str
    currency: str
    presses: list[tuple[datetime, frozenset[str]]]
    changes: list[_Change]


def read(
    period: Period, filters: Filters = EVERYTHING, *, now: datetime, known_at: datetime | None = None
) -> list[Start]:
    """Every setting out of a period, the earliest first, with what it ended in as is known now, or was known then."""
    known = known_at or now
    found = [
        Start(story.reference, story.currency, at, offered, ended_in)
        for story in _stories(period, filters, known)
        for at, offered, ended_in in _told(story, known)
        if period.holds(periods.day_of(at))
    ]
    return sorted(found, key=lambda start: (start.at, start.contribution))


def _told(story: _Story, known: datetime) -> Iterator[tuple[datetime, frozenset[str], Ended]]:
    begun = list(story.presses)
    for change in story.changes:
        is_of_a_press = any(at <= change.at < at + TO_DECIDE for at, _ in story.presses)
        if change.kind == Kind.STOP and change.is_own and not change.is_undoing and not is_of_a_press:
            begun.append((change.at, frozenset()))
    begun.sort(key=lambda one: one[0])
    for place, (at, offered) in enumerate(begun):
        until = begun[place + 1][0] if place + 1 < len(begun) else None
        own = [change for change in story.changes if at <= change.at and (until is None or change.at < until)]
        yield at, offered, _ended_in(at, own, known)


def _ended_in(at: datetime, changes: list[_Change], known: datetime) -> Ended:
    """`changes`: of this setting out, until the next one."""
    decided = [change for change in changes if change.at < at + TO_DECIDE]
    if not decided:
        return Ended.KEPT if at + TO_DECIDE <= known else Ended.OPEN
    last = decided[-1]
    if last.kind in _LEFT:
        later = [change for change in changes if change.kind in (*_LEFT, Kind.KEEP)]
        return Ended.TAKEN_BACK if later[-1].kind == Kind.KEEP else Ended.STOPPED
    if last.kind == Kind.KEEP:
        return Ended.TAKEN_BACK
    if last.is_undoing:
        return Ended.KEPT
    if last.kind == Kind.PAUSE:
        return Ended.PAUSED
    if last.becomes_annual:
        return Ended.ANNUAL
    return Ended.LOWERED if last.is_less else Ended.KEPT


def _stories(period: Period, filters: Filters, known: datetime) -> list[_Story]:
    since = period.starts_at - TO_DECIDE  # a change of the period may end what was begun the day before
    presses = Leaving.objects.filter(started_at__gte=since, started_at__lte=known)
    # Of what Stripe's word confirmed the moment is kept at which we heard it: so it can be told as it was known.
    changes = ContributionChange.objects.filter(
        state=ContributionChange.State.CONFIRMED, kind__in=DECIDES, asked_at__gte=since, settled_at__lte=known
    )
    if filters.currency is not None:
        presses = presses.filter(contribution__currency=filters.currency)
        changes = changes.filter(contribution__currency=filters.currency)
    if filters.campaign is not None:
        presses = presses.filter(contribution__campaign__slug=filters.campaign)
        changes = changes.filter(contribution__campaign__slug=filters.campaign)
    stories: dict[int, _Story] = {}

    def of(pk: int, public_id: Any, currency: str) -> _Story:
        return stories.setdefault(pk, _Story(str(public_id), currency, [], []))

    whose = ("contribution_id", "contribution__public_id", "contribution__currency")
    offers = ("offered_lower", "offered_pause", "offered_annual")
    for *key, at, lower, pause, annual in presses.order_by("started_at", "pk").values_list(
        *whose, "started_at", *offers
    ):
        shown = {"lower": lower, "pause": pause, "annual": annual}
        of(*key).presses.append((at, frozenset(offer for offer, was in shown.items() if was)))
    columns = (*whose, "kind", "asked_at", "before", "after", "actor", "undoes_id")
    for *key, kind, at, before, after, actor, undoes in changes.order_by("asked_at", "pk").values_list(
        *columns
    ):
        of(*key).changes.append(_change(kind, at, before, after, actor, undoes))
    return list(stories.values())


def _change(kind: str, at: datetime, before: Any, after: Any, actor: str, undoes: int | None) -> _Change:
    was, will = Picture.of(before), Picture.of(after)
    return _Change(
        kind=kind,
        at=at,
        is_less=will.total.annualised(will.interval).minor < was.total.annualised(was.interval).minor,
        becomes_annual=(was.interval, will.interval) == (Interval.MONTH, Interval.YEAR),
        is_own=actor in (READER, LINK),
        is_undoing=undoes is not None,
    )
