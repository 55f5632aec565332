"""Who the readers are, and what they agreed to."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from members.fields import EncryptedTextField, LookupHashField


class Member(models.Model):
    """
    A person known by an e-mail address, made when a first contribution succeeds.

    Somebody who gave under several addresses is several members until staff merge them: then `merged_into` is the
    one that was kept (never itself a merged one; only `merging` writes it). What was given, agreed to or asked for
    under an address stays with that address's member; `people` tells who is the same person.

    Personal data: email, name (encrypted); email_hash (keyed hash); locale; merged_into (which addresses are one
    person's).
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email_hash = LookupHashField(of="email", unique=True, editable=False)
    email = EncryptedTextField(bound_to="public_id")
    name = EncryptedTextField(bound_to="public_id", blank=True, default="")
    name_told_at = models.DateTimeField(null=True, blank=True, editable=False)
    locale = models.CharField(max_length=12)
    joined_at = models.DateTimeField()
    merged_into: models.ForeignKey[Member | None, Member | None] = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        db_index=False,  # the index below has the few rows that matter
        related_name="aliases",
    )

    class Meta:
        permissions = [("reveal_member", "Can see addresses, names and notes, one record at a time")]
        constraints = [
            CheckConstraint(
                condition=Q(merged_into=None) | ~Q(merged_into=F("id")), name="member_not_merged_into_itself"
            )
        ]
        indexes = [
            Index(fields=["merged_into"], name="member_merged", condition=Q(merged_into__isnull=False)),
            Index(fields=["joined_at", "id"], name="member_by_joining"),
        ]

    def __str__(self) -> str:
        return f"Member {str(self.public_id)[:8]}"

    @property
    def person(self) -> Member:
        """
        The member that stands for the whole person and has the address we write to; itself unless it was merged.

        For a member that was merged, one statement, or none after `select_related("merged_into")`.
        """
        return self.merged_into or self


class Merge(models.Model):
    """
    That staff found two members to be one person: who, when and why; and perhaps, later, that they were mistaken.

    The merges that stand are the truth, and `Member.merged_into` follows from them. A row is never deleted; undoing
    a merge is written into it once.

    Personal data: why (encrypted; staff may name a reader); which members are one person.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kept = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="merges")
    duplicate = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="merges_as_duplicate")
    why = EncryptedTextField(bound_to="public_id")
    actor = models.CharField(max_length=60)
    merged_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.CharField(max_length=60, blank=True, default="")

    class Meta:
        ordering = ["-merged_at", "-pk"]
        permissions = [("merge_member", "Can merge members, and undo that")]
        constraints = [
            UniqueConstraint(
                fields=["duplicate"], condition=Q(undone_at=None), name="merge_stands_once_per_duplicate"
            ),
            CheckConstraint(condition=~Q(kept=F("duplicate")), name="merge_is_of_two_members"),
            CheckConstraint(
                condition=Q(undone_at=None, undone_by="") | (Q(undone_at__isnull=False) & ~Q(undone_by="")),
                name="merge_undone_by_somebody",
            ),
        ]
        indexes = [
            Index(fields=["merged_at"], name="merge_merged_at"),
            Index(fields=["undone_at"], name="merge_undone_at", condition=Q(undone_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"Merge {str(self.public_id)[:8]}"


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
