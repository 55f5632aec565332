"""
The way back to a payment page that was left unpaid.

Stripe keeps a copy of such a page ready for 30 days, behind a link that it tells when the page expires. Whoever
follows the link sees the reader's address, so that it lies sealed in our books, is in no mail, and is forgotten as
soon as it is of no use.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import structlog
from django.db.models import QuerySet

from donations import amounts, gateway, links, queries
from donations.errors import InvalidWish, UnknownContribution
from donations.intervals import Interval
from donations.models import Contribution
from donations.statuses import Status

_log = structlog.get_logger(__name__)

_HAS_GIVEN = (Status.PROCESSING, Status.PAID, Status.ACTIVE, Status.PAST_DUE, Status.PAUSED)


def get_way_back(public_id: UUID, *, now: datetime) -> str:
    """
    Where somebody who left the payment page of this contribution goes on, now.

    :returns: Stripe's copy of the page while it can be opened; the thank-you page for who has given meanwhile; ""
        if there is neither. Never Stripe's copy when our own page would not take the gift any more: the appeal is
        over, or the least amount has risen.
    """
    try:
        found = queries.get_contribution(public_id)
    except UnknownContribution:
        return ""
    contribution = found.contribution
    if found.status in _HAS_GIVEN:
        return links.thank_you_page(contribution)
    ends_at = contribution.recovery_expires_at
    if ends_at is None or now >= ends_at or not contribution.recovery_url or not _is_taken(contribution, now):
        return ""
    if not gateway.is_stripes(contribution.recovery_url):
        _log.error("a recovery link that is not Stripe's", contribution=str(public_id))
        return ""
    return contribution.recovery_url


def _is_taken(contribution: Contribution, now: datetime) -> bool:
    """Whether the campaign would take this very gift today."""
    if not contribution.campaign.is_running(now):
        return False
    try:
        ask = queries.get_ask(
            contribution.campaign, currency=contribution.currency, interval=Interval(contribution.interval)
        )
    except InvalidWish:
        return False
    return not amounts.fault_of(contribution.amount, ask)


def forget_old(*, now: datetime) -> int:
    """Forget the links that Stripe does not open any more; how many there were."""
    return _forget(Contribution.objects.filter(recovery_expires_at__lte=now))


def forget(public_ids: Collection[UUID]) -> int:
    """Forget the links of these contributions, for readers who ask to be forgotten; how many there were."""
    return _forget(Contribution.objects.filter(public_id__in=public_ids, recovery_expires_at__isnull=False))


def _forget(left: QuerySet[Contribution]) -> int:
    return left.update(recovery_url=b"", recovery_expires_at=None)
