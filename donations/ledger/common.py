"""What all parts of the ledger share: whose fact it is, the lock, and saving what differs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from donations.models import Contribution


class Unmatched(Exception):
    """We do not know yet what the fact is about; `waits_for` is the id whose arrival may change that."""

    def __init__(self, waits_for: str) -> None:
        super().__init__(waits_for)
        self.waits_for = waits_for


class NotOurs(Exception):
    """The fact is about something that other software made in the same Stripe account, or moves nothing."""


class Mismatch(Exception):
    """Stripe's fact contradicts what we asked for: another amount, currency or mode."""


def lock_contribution(*, reference: UUID) -> Contribution | None:
    """The contribution with this public id, held until the transaction ends."""
    return locked().filter(public_id=reference).first()


def locked() -> QuerySet[Contribution]:
    return Contribution.objects.select_for_update(of=("self",)).select_related(
        "subscription", "member__merged_into", "campaign"
    )


def must_match(contribution: Contribution, amount: int | None, currency: str, livemode: bool) -> None:
    """Raise Mismatch unless amount, currency and mode are those that we asked for."""
    if livemode != contribution.livemode:
        raise Mismatch("live and test do not mix")
    if currency != contribution.currency:
        raise Mismatch(f"paid in {currency}, asked in {contribution.currency}")
    if amount != contribution.total.minor:
        raise Mismatch(f"paid {amount}, asked {contribution.total.minor}")


def change(row: Any, changes: dict[str, Any]) -> None:
    """Save what really differs."""
    differing = [name for name, value in changes.items() if getattr(row, name) != value]
    for name in differing:
        setattr(row, name, changes[name])
    if differing:
        row.save(update_fields=differing)
