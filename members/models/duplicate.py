"""Who might be one person: what members have in common, and who was found to be two."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from members.fields import EncryptedTextField
from members.models.person import Member


class Mark(models.Model):
    """
    Something by which two members may be known for one person. Told by the floors above; never shown.

    Personal data: value (keyed hash of a card's fingerprint, or of a name with a postcode).
    """

    class Kind(models.TextChoices):
        CARD = "CARD", "The same card"
        PLACE = "PLACE", "The same name and postcode"

    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="marks")
    kind = models.CharField(max_length=5, choices=Kind)
    value = models.CharField(max_length=120)
    is_shared = models.BooleanField(
        default=False, db_default=False, help_text="Whether another member was seen to have the same."
    )

    class Meta:
        constraints = [
            UniqueConstraint(fields=["kind", "value", "member"], name="mark_once_per_member"),
            CheckConstraint(condition=Q(kind__in=["CARD", "PLACE"]), name="mark_kind_known"),
        ]
        indexes = [Index(fields=["kind", "value"], condition=Q(is_shared=True), name="mark_shared")]

    def __str__(self) -> str:
        return f"{self.kind} of member {self.member_id}"


class TwoPeople(models.Model):
    """
    That staff looked at two members and found them to be two people: they are not suggested again.

    Personal data: why (encrypted; staff may name a reader).
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    first = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="two_people_first")
    second = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="two_people_second")
    why = EncryptedTextField(bound_to="public_id", blank=True, default="")
    actor = models.CharField(max_length=60)
    found_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "two people"
        constraints = [
            UniqueConstraint(fields=["first", "second"], name="two_people_once"),
            CheckConstraint(condition=Q(first__lt=F("second")), name="two_people_in_order"),
        ]
        indexes = [Index(fields=["second"], name="two_people_second")]

    def __str__(self) -> str:
        return f"Members {self.first_id} and {self.second_id} are two people"
