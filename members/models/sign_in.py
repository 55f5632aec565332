"""How readers get in: links that prove who reads an address's mail, and the sessions that follow."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from members.fields import EncryptedTextField
from members.models.person import Member


class SignInToken(models.Model):
    """
    A link in a mail with which its reader does one thing, once, within minutes. The link itself is stored nowhere.

    `spent_at` is the moment at which it became worthless: it was used, or a newer one was asked for.

    Personal data: address (encrypted), the new address of a reader who wants to change it; empty for a sign-in.
    """

    class Purpose(models.TextChoices):
        SIGN_IN = "SIGN_IN", "Sign in"
        ADDRESS = "ADDRESS", "Confirm a new address"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    token_hash = models.CharField(max_length=64, editable=False)
    purpose = models.CharField(max_length=10, choices=Purpose)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="sign_in_tokens")
    address = EncryptedTextField(bound_to="public_id", blank=True, default="")
    made_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    spent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            UniqueConstraint(fields=["token_hash"], name="sign_in_token_once"),
            CheckConstraint(
                condition=Q(purpose__in=["SIGN_IN", "ADDRESS"]), name="sign_in_token_purpose_known"
            ),
            CheckConstraint(condition=Q(ends_at__gt=F("made_at")), name="sign_in_token_has_a_life"),
        ]
        indexes = [Index(fields=["ends_at"], name="sign_in_token_ends")]

    def __str__(self) -> str:
        return f"{self.purpose} {str(self.public_id)[:8]}"


class AddressChange(models.Model):
    """
    That a reader is written to at another address from now on. The addresses themselves are their members'.

    Whoever told others of the old address (Stripe, say) tells them of the new one, and notes it in `passed_on_at`.

    Personal data: none (it points to a member; which addresses are one person's is a `Merge`).
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="address_changes")
    made_at = models.DateTimeField()
    passed_on_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            Index(fields=["made_at"], condition=Q(passed_on_at=None), name="address_change_to_pass_on")
        ]

    def __str__(self) -> str:
        return f"Address change {str(self.public_id)[:8]}"


class ReaderSession(models.Model):
    """
    A browser, or a program, in which a reader is signed in. Of its key only a digest is stored.

    Personal data: none (it points to a member; when it began and was seen, to the hour and the day).
    """

    class Kind(models.TextChoices):
        COOKIE = "COOKIE", "A browser"
        BEARER = "BEARER", "A program"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key_hash = models.CharField(max_length=64, editable=False)
    kind = models.CharField(max_length=6, choices=Kind)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="reader_sessions")
    began_at = models.DateTimeField(help_text="To the hour.")
    seen_on = models.DateField(help_text="The last day, in UTC, on which it was used.")
    ends_at = models.DateTimeField()

    class Meta:
        constraints = [
            UniqueConstraint(fields=["key_hash"], name="reader_session_once"),
            CheckConstraint(condition=Q(kind__in=["COOKIE", "BEARER"]), name="reader_session_kind_known"),
        ]
        indexes = [Index(fields=["ends_at"], name="reader_session_ends")]

    def __str__(self) -> str:
        return f"{self.kind} {str(self.public_id)[:8]}"
