"""
What reaches the bank: fetching the lines that each payout is made of, and saying what they come to.

Stripe tells of a payout by events, but not what is in it; the lines are fetched by a sweep, once Stripe knows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Case, Count, F, Q, QuerySet, Sum, Value, When

from donations import gateway, ledger
from donations.errors import DonationError, PaymentsUnavailable
from donations.models import BalanceEntry, Payout
from donations.money import Money

_PAGE = 100  # lines written in one transaction
_log = structlog.get_logger(__name__)
T = TypeVar("T")

CAUSES = ("payments", "refunds", "disputes", "earlier_payouts", "others")


@dataclass(frozen=True, slots=True)
class Part:
    """Some lines of a payout: how many, and their sums in minor units of the payout's currency."""

    count: int
    amount_minor: int
    fee_minor: int
    net_minor: int


@dataclass(frozen=True, slots=True)
class Breakdown:
    """
    What a payout is made of.

    `parts` has an entry for each of CAUSES: payments, refunds and disputes of ours; payouts that the bank sent back;
    and others: Stripe's own fees, and what is not in our books. `difference` is the payout less all of its lines; None
    while the lines are not known.
    """

    payout: Payout
    parts: dict[str, Part]
    difference: Money | None


def list_lines(*, now: datetime, limit: int = 20) -> int:
    """
    Fetch the lines of payouts of which Stripe knows them by now; how many payouts were completed.

    Postponed work that can be done again at any time: each line is written once. Stripe out of reach ends the run.
    """
    waiting = Payout.objects.filter(listed_at=None, can_be_listed=True, is_automatic=True)
    done = 0
    for payout in waiting.exclude(next_attempt_at__gt=now).order_by("created_at", "pk")[:limit]:
        try:
            done += _list(payout, now=now)
        except PaymentsUnavailable:
            break
        except (DonationError, DatabaseError, ValueError) as error:
            gap = timedelta(minutes=min(2**payout.attempts, 24 * 60))
            Payout.objects.filter(pk=payout.pk).update(
                attempts=payout.attempts + 1, next_attempt_at=now + gap
            )
            _log.warning("no lines for a payout", payout=payout.stripe_id, why=type(error).__name__)
    return done


def _list(payout: Payout, *, now: datetime) -> bool:
    lines = gateway.list_payout_lines(payout.stripe_id)
    for page in _pages(lines):
        with transaction.atomic():
            ledger.note_payout_lines(payout, page, now=now)
    with transaction.atomic():
        listed = ledger.close_payout(payout, now=now)
    if listed is not None and listed != payout.amount_minor:
        _log.error(
            "a payout does not add up",
            payout=payout.stripe_id,
            amount=payout.amount_minor,
            lines=listed,
            currency=payout.currency,
        )
    return listed is not None


def _pages(items: Iterator[T]) -> Iterator[list[T]]:
    while page := list(islice(items, _PAGE)):
        yield page


def get_breakdown(payout: Payout) -> Breakdown:
    """What a payout is made of, as far as it is known; one query."""
    cause = Case(
        When(payment__isnull=False, then=Value("payments")),
        When(refund__isnull=False, then=Value("refunds")),
        When(dispute__isnull=False, then=Value("disputes")),
        When(kind__startswith="payout", then=Value("earlier_payouts")),
        default=Value("others"),
    )
    sums = (
        BalanceEntry.objects.filter(payout=payout)
        .values_list(cause)
        .annotate(Count("pk"), Sum("amount_minor"), Sum("fee_minor"), Sum("net_minor"))
        .order_by()
    )
    parts = {name: Part(0, 0, 0, 0) for name in CAUSES}
    parts |= {name: Part(count, amount or 0, fee or 0, net or 0) for name, count, amount, fee, net in sums}
    return Breakdown(payout=payout, parts=parts, difference=payout.difference)


def get_unbalanced() -> QuerySet[Payout]:
    """Payouts that do not add up: their lines come to another sum than reached the bank."""
    return Payout.objects.exclude(listed_minor=None).exclude(listed_minor=F("amount_minor"))


def get_lines_without_cause() -> QuerySet[BalanceEntry]:
    """Lines of payouts that nothing in our books explains: Stripe's own fees, or what we never heard of."""
    return BalanceEntry.objects.filter(
        Q(payment=None, refund=None, dispute=None), payout__isnull=False
    ).exclude(kind__startswith="payout")
