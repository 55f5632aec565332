"""The mail that we owe."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from members.fields import EncryptedJSONField, EncryptedTextField, LookupHashField
from members.models.person import Member

MANY = ("receipt", "reminder")  # kinds of which nearly every mail is


class Message(models.Model):
    """
    A mail that we owe somebody: a row first, sent by a worker (`outbox`), one per dedup key.

    A row without recipient and contents is of a kind whose owner is asked for both when it is sent.

    Personal data: recipient, context (encrypted); recipient_hash (keyed hash); locale.
    """

    class State(models.TextChoices):
        OWED = "OWED", "Owed"
        SENDING = "SENDING", "A worker is sending it"
        SENT = "SENT", "Sent"
        FAILED = "FAILED", "Given up"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=40)
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, null=True, blank=True, related_name="messages"
    )
    recipient = EncryptedTextField(bound_to="public_id")
    recipient_hash = LookupHashField(of="recipient")
    dedup_key = models.CharField(max_length=200)
    locale = models.CharField(max_length=12)
    context = EncryptedJSONField(bound_to="public_id", default=dict)
    message_id = models.CharField(max_length=255, editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.OWED)
    owed_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    unsure = models.PositiveSmallIntegerField(
        default=0, help_text="Attempts of which we cannot tell whether the mail server took the message."
    )
    next_attempt_at = models.DateTimeField()
    deliver_before = models.DateTimeField(
        null=True, blank=True, help_text="Worthless later: given up unsent, and whoever owes it decides anew."
    )
    claimed_by = models.UUIDField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    failure_code = models.CharField(max_length=40, blank=True, default="")
    failure_reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        permissions = [("resend_message", "Can send receipts again")]
        constraints = [
            # Not `unique=True`: on PostgreSQL that brings a second index, for LIKE, which nobody asks.
            UniqueConstraint(fields=["dedup_key"], name="message_once_per_dedup_key"),
            CheckConstraint(
                condition=Q(state__in=["OWED", "SENDING", "SENT", "FAILED"]), name="message_state_is_known"
            ),
            CheckConstraint(
                condition=Q(state="SENT", sent_at__isnull=False) | (~Q(state="SENT") & Q(sent_at=None)),
                name="message_sent_at_iff_sent",
            ),
            CheckConstraint(
                condition=Q(state="SENDING", leased_until__isnull=False, claimed_by__isnull=False)
                | (~Q(state="SENDING") & Q(leased_until=None, claimed_by=None)),
                name="message_leased_iff_sending",
            ),
            CheckConstraint(
                condition=~Q(state="FAILED") | ~Q(failure_code=""), name="message_failed_says_why"
            ),
        ]
        indexes = [
            Index(fields=["recipient_hash"], name="message_of_recipient"),
            Index(
                fields=["recipient_hash"],
                name="message_refused",
                condition=Q(state="FAILED", failure_code="recipient_refused"),
            ),
            Index(fields=["owed_at"], name="message_given_up", condition=Q(state="FAILED")),
            # For staff: the list goes by the order in which mails were owed. What there are many of is found without.
            Index(fields=["id"], name="message_failed", condition=Q(state="FAILED")),
            Index(fields=["kind", "id"], name="message_of_kind", condition=~Q(kind__in=MANY)),
            Index(fields=["next_attempt_at"], name="message_owed", condition=Q(state="OWED")),
            Index(fields=["leased_until"], name="message_sending", condition=Q(state="SENDING")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {str(self.public_id)[:8]}"
