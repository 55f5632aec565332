"""The levels of membership, and what they ask."""

from __future__ import annotations

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

CURRENCY = r"^[A-Z]{3}$"


class Tier(models.Model):
    """
    A level of membership, reached by how much somebody gives in a year.

    Personal data: none.
    """

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    position = models.PositiveSmallIntegerField(default=0, help_text="Higher tiers have higher numbers.")
    is_ad_free = models.BooleanField(
        "ad-free",
        default=False,
        help_text="Whether its members see the newspaper's site without advertising.",
    )

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
            CheckConstraint(condition=Q(currency__regex=CURRENCY), name="threshold_currency_is_a_code"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} from {self.minimum_annual_minor}"
