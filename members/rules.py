"""What the newsroom decides about memberships: its days, its tiers, its calendar."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from django.conf import settings

from members import calendar, life
from members.models import MembershipStep, TierThreshold

Kind = MembershipStep.Kind
REDRAWN = "tiers:"  # how the references of steps begin that gave tiers anew


class Rules:
    """The newsroom's settings and tiers; but what was recorded under earlier ones stays."""

    def __init__(self, recorded: Sequence[MembershipStep], currency: str) -> None:
        self._recorded = recorded
        self._currency = currency
        self._zone = ZoneInfo(settings.NEWSROOM_TIME_ZONE)

    @cached_property
    def _thresholds(self) -> list[TierThreshold]:
        """Fetched for a new amount only: a renewal asks nothing that is not recorded."""
        return thresholds_of(self._currency)

    def tier(self, reference: str, annual_minor: int) -> int | None:
        for step in self._recorded:
            if step.annual_minor == annual_minor and reference in (step.reference, life.FIRST_AMOUNT):
                return step.tier_id
        return tier_of(annual_minor, self._thresholds)

    def redrawn(self) -> list[life.Redrawn]:
        return [
            life.Redrawn(step.reference, step.at, step.tier_id)
            for step in self._recorded
            if step.reference.startswith(REDRAWN)
        ]

    def grace(self, reference: str, paid_through: datetime) -> datetime:
        before: datetime | None = None
        for step in self._recorded:
            # Only where a payment moved the paid time: other steps carry on what was said there, or took it away.
            is_payment = step.paid_through != before and step.kind in (Kind.STARTED, Kind.RENEWED)
            if is_payment and step.reference == reference and step.paid_through == paid_through:
                return step.grace_until
            before = step.paid_through
        return paid_through + timedelta(days=settings.MEMBERSHIP_GRACE_DAYS)

    def lapse(self, reference: str, since: datetime) -> datetime | None:
        for step in self._recorded:
            begins = step.kind == Kind.RESUMED or step.past_due_since == since
            if begins and step.reference == reference and step.at == since and step.past_due_since:
                return step.lapses_at
        days = settings.MEMBERSHIP_LAPSE_DAYS
        return since + timedelta(days=days) if days else None

    def later(self, moment: datetime, months: int) -> datetime:
        return calendar.add_months(moment, months, self._zone)


def thresholds_of(currency: str) -> list[TierThreshold]:
    """What tiers ask in a currency, the highest first."""
    return list(TierThreshold.objects.filter(currency=currency).order_by("-minimum_annual_minor"))


def tier_of(annual_minor: int, thresholds: Sequence[TierThreshold]) -> int | None:
    """The tier (its primary key) that an amount reaches; None below the lowest."""
    reached = (
        threshold.tier_id for threshold in thresholds if threshold.minimum_annual_minor <= annual_minor
    )
    return next(reached, None)


def ranges(thresholds: Sequence[TierThreshold]) -> list[tuple[int, int | None, int | None]]:
    """From which amount up to (not including) which one reaches which tier."""
    ranges: list[tuple[int, int | None, int | None]] = []
    upper: int | None = None
    for threshold in thresholds:
        ranges.append((threshold.minimum_annual_minor, upper, threshold.tier_id))
        upper = threshold.minimum_annual_minor
    ranges.append((0, upper, None))
    return ranges
