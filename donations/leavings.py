"""
That a reader set out to stop a contribution: written down when the button on its page is pressed, and only then.

Looking at a page writes nothing. Links of mails lead to a page of their own, which offers nothing else and which
programs that scan mail open as well: there it begins when it is stopped (`donations.reports.saves`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from donations.ledger.common import locked
from donations.models import Contribution, ContributionChange, Leaving

TO_DECIDE = timedelta(hours=24)  # what a reader does for so long is what it ended in
DECIDES = tuple(kind for kind in ContributionChange.Kind if kind != ContributionChange.Kind.CARD)


@dataclass(frozen=True, slots=True)
class Offers:
    """What the page on which a contribution is stopped offers instead."""

    lower: bool = False
    pause: bool = False
    annual: bool = False


def begin(contribution: Contribution, offers: Offers, *, now: datetime) -> Leaving:
    """
    The row of this setting out. Who presses again before anything was decided has set out once.

    Under the contribution's lock, so that two presses see each other.
    """
    with transaction.atomic():
        locked().get(pk=contribution.pk)
        last = contribution.leavings.filter(started_at__gt=now - TO_DECIDE).order_by("started_at").last()
        if (
            last is not None
            and not contribution.changes.filter(asked_at__gte=last.started_at, kind__in=DECIDES).exists()
        ):
            return last
        return Leaving.objects.create(
            contribution=contribution,
            started_at=now,
            offered_lower=offers.lower,
            offered_pause=offers.pause,
            offered_annual=offers.annual,
        )
