"""Who the readers are, and what they agreed to."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint

from members.fields import EncryptedTextField, LookupHashField


class Member(models.Model):
    """
    A person known by an e-mail address, made when a first contribution succeeds.

    Personal data: email, name (encrypted); email_hash (keyed hash); locale.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email_hash = LookupHashField(of="email", unique=True, editable=False)
    email = EncryptedTextField(bound_to="public_id")
    name = EncryptedTextField(bound_to="public_id", blank=True, default="")
    name_told_at = models.DateTimeField(null=True, blank=True, editable=False)
    locale = models.CharField(max_length=12)
    joined_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Member {str(self.public_id)[:8]}"


class Consent(models.Model):
    """
    A reader's permission for one purpose, with the version of the text that was agreed to (PRODUCT.md, C1).

    Personal data: none (it points to a member).
    """

    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="consents")
    purpose = models.CharField(max_length=40)
    text_version = models.CharField(max_length=60)
    granted_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=100, help_text="Where it was given, such as a contribution's id.")

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["member", "purpose", "text_version"],
                condition=Q(withdrawn_at=None),
                name="consent_stands_once",
            ),
            CheckConstraint(
                condition=Q(withdrawn_at=None) | Q(withdrawn_at__gte=F("granted_at")),
                name="consent_withdrawn_after_granted",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} ({self.text_version})"
