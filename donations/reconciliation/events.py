"""
The comparison of events: what Stripe told and we did not hear.

Stripe lists the events of 30 days. Each one that our inbox does not know was lost on its way (or came while
we were away) and is stored as if it had arrived now.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

import structlog
from django.conf import settings
from django.db.models import F

from donations import gateway, inbox
from donations.errors import DonationError
from donations.models import ReconcileRun, StripeEvent
from donations.reconciliation.account import WrongAccount, WrongMode, must_be_ours

HORIZON = timedelta(days=29)  # Stripe keeps 30 days of events; a day less leaves room for slow runs
USUAL = timedelta(days=3)  # as long as Stripe goes on trying to deliver
_OVERLAP = timedelta(hours=1)
_PAGE = 100
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Report:
    """What a comparison found; `by_type` counts the missed events."""

    since: datetime
    seen: int = 0
    missed: int = 0
    by_type: Counter[str] = field(default_factory=Counter)


def due_since(*, now: datetime) -> datetime:
    """
    From when on Stripe's events should be compared: three days back, or further back if there was no complete
    comparison of that length since then (an outage, ours or Stripe's).
    """
    complete = ReconcileRun.objects.filter(
        scope=ReconcileRun.Scope.EVENTS,
        finished_at__isnull=False,
        problem="",
        since__lte=F("started_at") - USUAL,
    )
    last = complete.order_by("-started_at").values_list("started_at", flat=True).first()
    return min(now - USUAL, last - _OVERLAP) if last else now - USUAL


def reconcile(*, since: datetime, now: datetime, dry_run: bool = False) -> Report:
    """
    Store each event that Stripe made since then and we do not have. With `dry_run`, only count.

    Can be run at any time and twice: an event is stored once. Processing is the inbox's business.

    :raises WrongMode, WrongAccount: nothing was stored.
    :raises PaymentsUnavailable, PaymentsRefused: what was found until then is stored; run it again.
    """
    since = max(since, now - HORIZON)
    report = Report(since=since)
    run = None if dry_run else ReconcileRun.objects.create(started_at=now, since=since)
    try:
        must_be_ours()
        events = gateway.list_events(since=since, until=now)
        while page := list(islice(events, _PAGE)):
            _take(page, report, now=now, dry_run=dry_run)
    except (DonationError, WrongMode, WrongAccount) as error:
        if run:
            _close(run, report, now=now, problem=type(error).__name__)
        raise
    if run:
        _close(run, report, now=now)
    return report


def _take(page: list[dict[str, object]], report: Report, *, now: datetime, dry_run: bool) -> None:
    ids = [str(event["id"]) for event in page]
    here = set(StripeEvent.objects.filter(stripe_id__in=ids).values_list("stripe_id", flat=True))
    for event in page:
        report.seen += 1
        try:
            envelope = inbox.envelope_of(event)
        except inbox.Unreadable as reason:  # one that we cannot read must not hide the others
            _log.error("event unreadable", why=str(reason))
            continue
        if envelope.livemode != settings.STRIPE_LIVEMODE:
            raise WrongMode(
                "The events at Stripe are of the other mode, live or test. Check STRIPE_SECRET_KEY."
            )
        if envelope.id in here:
            continue
        if dry_run or inbox.keep(envelope, json.dumps(event), now=now):
            report.missed += 1
            report.by_type[envelope.type] += 1


def _close(run: ReconcileRun, report: Report, *, now: datetime, problem: str = "") -> None:
    ReconcileRun.objects.filter(pk=run.pk).update(
        finished_at=now, seen=report.seen, missed=report.missed, problem=problem
    )
