"""How a subscription changed, and when."""

from __future__ import annotations

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from donations.models.campaign import INTERVALS
from donations.models.contribution import Subscription


class SubscriptionChange(models.Model):
    """
    One thing that an event says to have changed about a subscription. Never changed itself. Personal data: none.

    The subscription's row holds Stripe's latest description only, and an event that comes late leaves it alone. What
    happened in between (a pause that is over, an amount that was changed twice) is kept here, whatever the order in
    which we hear of it.
    """

    class Kind(models.TextChoices):
        AMOUNT = "AMOUNT", "Amount or interval"
        PAUSE = "PAUSE", "Pause"
        WISH_TO_END = "WISH_TO_END", "Wish to end"
        UNCOLLECTED = "UNCOLLECTED", "Payments are not tried any more"

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="changes")
    event_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=12, choices=Kind)
    at = models.DateTimeField(help_text="When it changed, by Stripe's clock.")

    was_on = models.BooleanField(null=True, blank=True)
    is_on = models.BooleanField(null=True, blank=True)
    until = models.DateTimeField(
        null=True, blank=True, help_text="When the pause is to end, or the subscription."
    )
    amount_before = models.BigIntegerField(null=True, blank=True)
    amount_after = models.BigIntegerField(null=True, blank=True)
    interval_before = models.CharField(max_length=8, blank=True, choices=INTERVALS)
    interval_after = models.CharField(max_length=8, blank=True, choices=INTERVALS)

    class Meta:
        ordering = ["at", "event_id", "kind"]
        constraints = [
            UniqueConstraint(fields=["event_id", "kind"], name="subscription_change_once_per_event"),
            CheckConstraint(
                condition=Q(kind="AMOUNT", amount_before__gt=0, amount_after__gt=0, was_on=None, is_on=None)
                | Q(
                    kind__in=["PAUSE", "WISH_TO_END", "UNCOLLECTED"],
                    was_on__isnull=False,
                    is_on__isnull=False,
                    amount_before=None,
                    amount_after=None,
                ),
                name="subscription_change_is_of_its_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M:%S}"
