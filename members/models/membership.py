"""What readers may call themselves: tiers, memberships and the steps of their lives."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from members.models.person import Member

_CURRENCY = r"^[A-Z]{3}$"


class Tier(models.Model):
    """
    A level of membership, reached by how much somebody gives in a year.

    Personal data: none.
    """

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    position = models.PositiveSmallIntegerField(default=0, help_text="Higher tiers have higher numbers.")

    class Meta:
        ordering = ["position", "slug"]

    def __str__(self) -> str:
        return self.name


class TierThreshold(models.Model):
    """
    From which yearly amount on a tier is reached, per currency (PRODUCT.md, M1).

    A tier goes from its own minimum up to, not including, the next higher minimum in that currency.

    Personal data: none.
    """

    tier = models.ForeignKey(Tier, on_delete=models.CASCADE, related_name="thresholds")
    currency = models.CharField(max_length=3, help_text="Three capital letters, such as USD.")
    minimum_annual_minor = models.BigIntegerField(
        help_text="In minor units, such as cents, for a whole year."
    )

    class Meta:
        ordering = ["currency", "minimum_annual_minor"]
        constraints = [
            UniqueConstraint(fields=["tier", "currency"], name="threshold_once_per_tier_and_currency"),
            UniqueConstraint(
                fields=["currency", "minimum_annual_minor"], name="threshold_not_shared_by_tiers"
            ),
            CheckConstraint(condition=Q(minimum_annual_minor__gte=0), name="threshold_not_negative"),
            CheckConstraint(condition=Q(currency__regex=_CURRENCY), name="threshold_currency_is_a_code"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} from {self.minimum_annual_minor}"


class MembershipState(models.TextChoices):
    """What a membership is at a moment; worked out from its dates, stored nowhere."""

    ACTIVE = "ACTIVE", "Active"
    ENDING = "ENDING", "Ends at a known date"
    OVERDUE = "OVERDUE", "A payment is late"
    ENDED = "ENDED", "Ended"


class Membership(models.Model):
    """
    The right to be called a member, from one source: a recurring contribution.

    Its dates say what the ledger knows; only `services` writes them. Its history is in its steps.

    Personal data: none (it points to a member).
    """

    class Source(models.TextChoices):
        CONTRIBUTION = "CONTRIBUTION", "Recurring contribution"

    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="memberships")
    source_kind = models.CharField(max_length=20, choices=Source)
    source_reference = models.CharField(max_length=100)
    tier = models.ForeignKey(
        Tier, on_delete=models.PROTECT, null=True, blank=True, related_name="memberships"
    )
    annual_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    started_at = models.DateTimeField()
    paid_through = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            UniqueConstraint(fields=["source_kind", "source_reference"], name="membership_once_per_source"),
            CheckConstraint(condition=Q(source_kind__in=["CONTRIBUTION"]), name="membership_source_is_known"),
            CheckConstraint(condition=Q(annual_minor__gte=0), name="membership_amount_not_negative"),
            CheckConstraint(condition=Q(currency__regex=_CURRENCY), name="membership_currency_is_a_code"),
            CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at=F("ends_at")), name="membership_ended_when_it_should"
            ),
        ]
        indexes = [
            Index(
                fields=["ends_at"],
                name="membership_to_end",
                condition=Q(ended_at=None, ends_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"Membership {self.pk}"

    def state_at(self, now: datetime) -> MembershipState:
        """What it is at that moment: ENDED, else OVERDUE, else ENDING, else ACTIVE."""
        if self.ends_at is not None and self.ends_at <= now:
            return MembershipState.ENDED
        if self.paid_through < now:
            return MembershipState.OVERDUE
        return MembershipState.ACTIVE if self.ends_at is None else MembershipState.ENDING


class AppendOnly(Exception):
    """History is added to, never changed and never taken away."""


class _AppendOnlyQuerySet(models.QuerySet["MembershipStep"]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly("The steps of a membership are never changed.")

    def delete(self) -> NoReturn:
        raise AppendOnly("The steps of a membership are never deleted.")


class MembershipStep(models.Model):
    """
    One fact in the life of a membership: what, when, why and by whom. Append only.

    Personal data: none (`actor` names a system, or a member of staff by id).
    """

    class Kind(models.TextChoices):
        STARTED = "STARTED", "Started"
        RENEWED = "RENEWED", "Renewed"
        TIER_CHANGED = "TIER_CHANGED", "Tier changed"
        ENDED = "ENDED", "Ended"

    membership = models.ForeignKey(Membership, on_delete=models.PROTECT, related_name="steps")
    kind = models.CharField(max_length=20, choices=Kind)
    reference = models.CharField(max_length=255)
    at = models.DateTimeField(help_text="When it happened, not when we heard of it.")
    recorded_at = models.DateTimeField()
    why = models.CharField(max_length=200)
    actor = models.CharField(max_length=60)

    objects = _AppendOnlyQuerySet.as_manager()

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            UniqueConstraint(fields=["membership", "kind", "reference"], name="membership_step_recorded_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly("The steps of a membership are never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("The steps of a membership are never deleted.")
