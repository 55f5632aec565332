"""What one currency was worth in another, day by day."""

from __future__ import annotations

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint


class DayRate(models.Model):
    """
    How much of a currency one euro bought on a day, as the European Central Bank tells it. Personal data: none.

    Fifteen digits, which SQLite keeps exactly as well. Only reports use it. A day that is not here (a Sunday) has the
    rate of the last one before it.
    """

    day = models.DateField()
    currency = models.CharField(max_length=3, help_text="Three capital letters.")
    rate = models.DecimalField(max_digits=15, decimal_places=8, help_text="How much of it one euro bought.")

    class Meta:
        ordering = ["-day", "currency"]
        constraints = [
            UniqueConstraint(fields=["currency", "day"], name="day_rate_once"),
            CheckConstraint(condition=Q(rate__gt=0), name="day_rate_positive"),
            CheckConstraint(condition=Q(currency__regex="^[A-Z]{3}$"), name="day_rate_of_a_currency"),
        ]

    def __str__(self) -> str:
        return f"{self.day} EUR 1 = {self.currency} {self.rate.normalize():f}"
