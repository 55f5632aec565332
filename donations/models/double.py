"""Charges that look as if a reader gave twice by accident."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import CheckConstraint, Q

from donations.models.payment import Payment


class ChargeTrace(models.Model):
    """
    What is remembered of a first payment for some days, so that a second one is noticed; then the row is deleted.

    Personal data: card_hash (keyed hash of Stripe's fingerprint of the card), place_hash (keyed hash of the payer's
    name and postcode).
    """

    payment = models.OneToOneField(Payment, on_delete=models.CASCADE, related_name="trace")
    card_hash = models.CharField(max_length=100, blank=True, db_index=True)
    place_hash = models.CharField(max_length=120, blank=True, default="", db_default="")
    noted_at = models.DateTimeField()
    looked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["noted_at"], condition=Q(looked_at=None), name="charge_trace_to_look_at")
        ]

    def __str__(self) -> str:
        return f"Trace of payment {self.payment_id}"


class DoubleCharge(models.Model):
    """
    A second charge soon after the first, about which the reader is asked once. Personal data: none.

    OPEN → KEPT | UNDOING → UNDONE; REFUSED if Stripe would not give the money back and a person has to look. A reader
    who kept both may still undo the second while the link of the mail holds.
    """

    class State(models.TextChoices):
        OPEN = "OPEN", "The reader was asked"
        KEPT = "KEPT", "Both are meant"
        UNDOING = "UNDOING", "Being undone"
        UNDONE = "UNDONE", "Undone"
        REFUSED = "REFUSED", "Stripe refused to undo it"

    class Match(models.TextChoices):
        MEMBER = "MEMBER", "The same member"
        CARD = "CARD", "The same card"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    second = models.OneToOneField(Payment, on_delete=models.PROTECT, related_name="double_charge")
    first = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="+")
    match = models.CharField(max_length=10, choices=Match)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    noticed_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering = ["-noticed_at", "-pk"]
        constraints = [
            CheckConstraint(
                condition=Q(state__in=["OPEN", "KEPT", "UNDOING", "UNDONE", "REFUSED"]),
                name="double_charge_state_known",
            ),
            CheckConstraint(
                condition=Q(state="OPEN", decided_at=None) | (~Q(state="OPEN") & Q(decided_at__isnull=False)),
                name="double_charge_decided_iff_not_open",
            ),
        ]
        indexes = [
            models.Index(fields=["decided_at"], condition=Q(state="UNDOING"), name="double_charge_undoing"),
            models.Index(fields=["noticed_at", "id"], name="double_charge_by_moment"),
            models.Index(fields=["state", "noticed_at", "id"], name="double_charge_by_state"),
            models.Index(fields=["match", "noticed_at", "id"], name="double_charge_by_match"),
        ]

    def __str__(self) -> str:
        return f"Payment {self.second_id} soon after {self.first_id}"
