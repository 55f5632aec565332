"""Addresses of which a mail provider told us that they are no good to write to."""

from __future__ import annotations

from django.db import models
from django.db.models import CheckConstraint, Index, Q


class Bounce(models.Model):
    """
    An address that takes no mail, or whose reader called a mail of ours spam; `bounces` writes and lifts it.

    Only requested mail that can wait stops at it: a receipt is owed and goes out. While lookup keys are changed,
    an address has a row under each of them.

    Personal data: email_hash (keyed hash), kept so that the address is left alone; the address itself never is.
    """

    class Kind(models.TextChoices):
        HARD = "hard", "Takes no mail"
        COMPLAINT = "complaint", "Called it spam"

    class Source(models.TextChoices):
        PROVIDER = "provider", "The mail provider"
        STAFF = "staff", "A member of staff"

    email_hash = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=10, choices=Kind)
    source = models.CharField(max_length=10, choices=Source)
    since = models.DateTimeField(help_text="When we were told first.")

    class Meta:
        ordering = ["-since", "-pk"]
        constraints = [
            CheckConstraint(condition=Q(kind__in=["hard", "complaint"]), name="bounce_kind_known"),
            CheckConstraint(condition=Q(source__in=["provider", "staff"]), name="bounce_source_known"),
        ]
        indexes = [
            Index(fields=["kind", "id"], name="bounce_by_kind"),
            Index(fields=["source", "id"], name="bounce_by_source"),
        ]

    def __str__(self) -> str:
        return f"Bounce {self.pk}"
