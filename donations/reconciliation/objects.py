"""
The comparison of objects: page by page what Stripe has, beside what our books say.

What differs is told to the inbox as if its event had come, acted on, and looked at again, so that "repaired" is
something that was seen. What we hold and Stripe does not list is reported: no event can mend that.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import structlog
from django.conf import settings

from donations import gateway, inbox
from donations.errors import DonationError
from donations.models import ReconcileFinding, ReconcileRun
from donations.reconciliation.account import WrongAccount, WrongMode, must_be_ours
from donations.reconciliation.comparisons import KINDS, Difference, Json, Kind

USUAL = timedelta(days=35)  # beyond the 30 days for which events are listed
_PAGE = 100
_MOST_REPORTED = 200  # rows that Stripe does not know, of each kind; more say nothing more
_AT_THE_EDGE = timedelta(days=2)  # what is as old as the window may lie on either side of its edge
_log = structlog.get_logger(__name__)

Outcome = ReconcileFinding.Outcome
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference: the kind, Stripe's id, what differs, and what came of it."""

    kind: str
    stripe_id: str
    what: str
    outcome: str


@dataclass(slots=True)
class Comparison:
    """What was looked at since a moment: how many objects of each kind, and where we differ."""

    since: datetime
    seen: Counter[str] = field(default_factory=Counter)
    drifts: list[Drift] = field(default_factory=list)

    def count(self, kind: str, outcome: str) -> int:
        return sum(drift.kind == kind and drift.outcome == outcome for drift in self.drifts)

    @property
    def unresolved(self) -> int:
        """Differences that a person has to look at."""
        return sum(
            drift.outcome in (Outcome.STILL_DIFFERS, Outcome.UNKNOWN_AT_STRIPE) for drift in self.drifts
        )


def compare(
    *,
    now: datetime,
    since: datetime | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """
    Compare what Stripe has made since then with our books, and mend what differs; all subscriptions, however old.

    With `dry_run` nothing is stored. Can be run at any time, by two at once, and again after it broke off.

    :param since: default: 35 days ago.
    :param progress: told the kind and how many objects of it were looked at so far.
    :raises WrongAccount, WrongMode: nothing was stored.
    :raises PaymentsUnavailable, PaymentsRefused: what was found until then is kept; run it again.
    """
    comparison = Comparison(since=since or now - USUAL)
    run = None
    if not dry_run:
        run = ReconcileRun.objects.create(
            started_at=now, since=comparison.since, scope=ReconcileRun.Scope.OBJECTS
        )
    try:
        must_be_ours()
        for kind in KINDS:
            _compare_kind(kind, comparison, run, now=now, progress=progress)
    except (DonationError, WrongMode, WrongAccount) as error:
        _close(run, comparison, now=now, problem=type(error).__name__)
        raise
    _close(run, comparison, now=now)
    if comparison.unresolved:
        _log.error("our books differ from Stripe's", differences=comparison.unresolved)
    return comparison


def tell_inbox(kind_name: str, found: Json, *, now: datetime) -> bool:
    """
    Store one of Stripe's objects as the event that would have told it; True if the inbox did not have it.

    The same state of the same object is told once.
    """
    [kind] = [kind for kind in KINDS if kind.name == kind_name]
    return _tell_inbox(kind, Difference(str(found["id"]), "", found), now=now)


def _compare_kind(
    kind: Kind, comparison: Comparison, run: ReconcileRun | None, *, now: datetime, progress: Progress | None
) -> None:
    missing = set(kind.ours(comparison.since + _AT_THE_EDGE)) if kind.ours else set()
    for page in _pages(gateway.list_objects(kind.name, since=comparison.since)):
        must_be_our_mode(page)
        comparison.seen[kind.name] += len(page)
        missing -= {str(data.get("id")) for data in page}
        _take_page(kind, page, comparison, run, now=now)
        if progress:
            progress(kind.name, comparison.seen[kind.name])
    unknown = [Difference(stripe_id, "Stripe does not list it", {}) for stripe_id in sorted(missing)]
    _report(kind, unknown[:_MOST_REPORTED], Outcome.UNKNOWN_AT_STRIPE, comparison, run, now=now)


def _take_page(
    kind: Kind, page: Sequence[Json], comparison: Comparison, run: ReconcileRun | None, *, now: datetime
) -> None:
    found = list(kind.differences(page))
    if not found:
        return
    if run is None:
        _report(kind, found, Outcome.FOUND, comparison, run, now=now)
        return
    for difference in found:
        _tell_inbox(kind, difference, now=now)
    inbox.process_waiting(now=now)
    still = {one.stripe_id: one for one in kind.differences([difference.found for difference in found])}
    repaired = [difference for difference in found if difference.stripe_id not in still]
    _report(kind, repaired, Outcome.REPAIRED, comparison, run, now=now)
    _report(kind, list(still.values()), Outcome.STILL_DIFFERS, comparison, run, now=now)


def _tell_inbox(kind: Kind, difference: Difference, *, now: datetime) -> bool:
    text = json.dumps(difference.found, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    type_, at = kind.event(difference.found, now)
    event: dict[str, Any] = {
        "id": f"recon_{difference.stripe_id}_{digest}",
        "object": "event",
        "type": type_,
        "created": int(at.timestamp()),
        "livemode": settings.STRIPE_LIVEMODE,
        "api_version": gateway.API_VERSION,
        "data": {"object": difference.found},
    }
    return inbox.keep(inbox.envelope_of(event), json.dumps(event), now=now)


def must_be_our_mode(page: Sequence[Json]) -> None:
    """Return quietly if a page of objects is of our mode. Raises WrongMode."""
    if any(data.get("livemode") not in (None, settings.STRIPE_LIVEMODE) for data in page):
        raise WrongMode("What Stripe lists is of the other mode, live or test. Check STRIPE_SECRET_KEY.")


def _report(
    kind: Kind,
    found: Sequence[Difference],
    outcome: str,
    comparison: Comparison,
    run: ReconcileRun | None,
    *,
    now: datetime,
) -> None:
    comparison.drifts += [Drift(kind.name, one.stripe_id, one.what, outcome) for one in found]
    if run is not None:
        ReconcileFinding.objects.bulk_create(
            [
                ReconcileFinding(
                    run=run,
                    kind=kind.name,
                    stripe_id=one.stripe_id[:255],
                    what=one.what[:300],
                    outcome=outcome,
                    found_at=now,
                )
                for one in found
            ]
        )


def _close(run: ReconcileRun | None, comparison: Comparison, *, now: datetime, problem: str = "") -> None:
    if run is not None:
        ReconcileRun.objects.filter(pk=run.pk).update(
            finished_at=now,
            seen=sum(comparison.seen.values()),
            missed=len(comparison.drifts),
            problem=problem,
        )


def _pages(items: Iterable[Json]) -> Iterator[list[Json]]:
    iterator = iter(items)
    while page := list(islice(iterator, _PAGE)):
        yield page
