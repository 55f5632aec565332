"""Who of the staff saw and changed what."""

from __future__ import annotations

import uuid
from typing import Any, NoReturn

from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from members.fields import EncryptedTextField
from members.models.membership import AppendOnly


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """Entries are read; `audit.record` alone adds to them."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly("The audit log is never changed.")

    def delete(self) -> NoReturn:
        raise AppendOnly("Entries of the audit log are never deleted.")


class AuditEntry(models.Model):
    """
    One thing that a member of staff did, saw, or was refused. Append only, and each holds the hash of the one before.

    Whoever changes, removes or slips in an entry breaks the chain from there on, and `manage.py verify_audit` names the
    place. The database refuses changes as well (a trigger, migration 0010). Only ids stand here, so that a reader can
    be forgotten without touching the log; what staff write as a reason is kept beside it.

    Personal data: none (`actor` names a member of staff by id, `subject` and `member_id` a row).
    """

    class Act(models.TextChoices):
        SIGNED_IN = "SIGNED_IN", "Signed in"
        PASSWORD_REFUSED = "PASSWORD_REFUSED", "Wrong name or password"
        CODE_REFUSED = "CODE_REFUSED", "Wrong code"
        LOCKED = "LOCKED", "Locked out after too many tries"
        SIGNED_OUT = "SIGNED_OUT", "Signed out"
        SECOND_FACTOR_SET = "SECOND_FACTOR_SET", "Set up the second factor"
        SECOND_FACTOR_TAKEN = "SECOND_FACTOR_TAKEN", "Took a second factor away"
        LOOKED = "LOOKED", "Looked at"
        REVEALED = "REVEALED", "Revealed personal data"
        ADDED = "ADDED", "Added"
        CHANGED = "CHANGED", "Changed"
        DELETED = "DELETED", "Deleted"
        ASKED = "ASKED", "Asked for"
        DONE = "DONE", "Done"
        REFUSED = "REFUSED", "Could not be done"
        EXPORTED = "EXPORTED", "Exported"
        DENIED = "DENIED", "Was denied"

    number = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=60, help_text='Such as staff:7; "unknown" before anybody signed in.')
    act = models.CharField(max_length=24, choices=Act)
    what = models.CharField(max_length=60, blank=True, help_text="Of which kind, such as refund.")
    subject = models.CharField(max_length=120, blank=True, help_text="A row, such as donations.payment:12.")
    member_id = models.BigIntegerField(null=True, blank=True, help_text="Whom it is about.")
    facts: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict, blank=True)
    why_digest = models.CharField(max_length=64, blank=True)
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"
        constraints = [
            CheckConstraint(condition=Q(number__gte=1), name="audit_counts_from_one"),
            UniqueConstraint(fields=["previous"], name="audit_is_one_chain"),
        ]
        indexes = [
            Index(
                fields=["member_id", "number"],
                name="audit_of_member",
                condition=Q(member_id__isnull=False),
            ),
            Index(fields=["actor", "number"], name="audit_of_actor"),
            Index(fields=["subject", "number"], name="audit_of_subject", condition=~Q(subject="")),
            Index(fields=["act", "number"], name="audit_of_act"),
            Index(fields=["at", "number"], name="audit_by_moment"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.act} {self.what}".rstrip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly("The audit log is never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("Entries of the audit log are never deleted.")


class AuditReason(models.Model):
    """
    Why somebody did it, in their own words. It can be deleted, unlike the entry, which holds only a digest of it.

    Personal data: text (encrypted), since people write names into reasons.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    entry = models.OneToOneField(AuditEntry, on_delete=models.PROTECT, related_name="reason")
    text = EncryptedTextField(bound_to="public_id")

    def __str__(self) -> str:
        return f"Reason of {self.entry_id}"
