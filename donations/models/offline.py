"""Gifts that never passed through Stripe: entered by staff, or read from a file."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import CheckConstraint, Q

from donations.models.campaign import Campaign
from donations.models.payment import Payment
from members.fields import EncryptedTextField
from members.models import Member


class OfflineGift(models.Model):
    """
    How a gift came that did not pass through Stripe, who wrote it down, and perhaps who took that back and why.

    It is never edited: what was entered by mistake is voided, with a reason, and entered anew. Personal data:
    reference, note, void_reason (encrypted; staff may name a reader).
    """

    class Method(models.TextChoices):
        CHEQUE = "CHEQUE", "Cheque"
        BANK = "BANK", "Bank transfer"
        CASH = "CASH", "Cash"
        DAF = "DAF", "Donor-advised fund"
        OTHER = "OTHER", "Other"
        FILE = "FILE", "From a file"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    payment = models.OneToOneField(Payment, on_delete=models.PROTECT, related_name="offline_gift")
    method = models.CharField(max_length=8, choices=Method)
    received_on = models.DateField(help_text="The newsroom's day.")
    reference = EncryptedTextField(bound_to="public_id", blank=True, default="")
    note = EncryptedTextField(bound_to="public_id", blank=True, default="")
    entered_by = models.CharField(max_length=60)
    entered_at = models.DateTimeField()
    voided_at = models.DateTimeField(null=True, blank=True)
    voided_by = models.CharField(max_length=60, blank=True)
    void_reason = EncryptedTextField(bound_to="public_id", blank=True, default="")

    class Meta:
        ordering = ["-entered_at", "-pk"]
        permissions = [
            ("record_offlinegift", "Can enter gifts that did not pass through Stripe"),
            ("void_offlinegift", "Can void gifts that were entered by mistake"),
        ]
        constraints = [
            CheckConstraint(
                condition=Q(method__in=["CHEQUE", "BANK", "CASH", "DAF", "OTHER", "FILE"]),
                name="offline_gift_method_known",
            ),
            CheckConstraint(
                condition=Q(voided_at=None, voided_by="") | (Q(voided_at__isnull=False) & ~Q(voided_by="")),
                name="offline_gift_voided_by_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["entered_at", "id"], name="offline_gift_by_entry"),
            models.Index(fields=["received_on", "id"], name="offline_gift_by_day"),
            models.Index(
                fields=["entered_at", "id"], condition=Q(voided_at__isnull=False), name="offline_gift_voided"
            ),
            models.Index(fields=["method", "entered_at", "id"], name="offline_gift_by_method"),
        ]

    def __str__(self) -> str:
        return f"{self.get_method_display()} of {self.received_on:%Y-%m-%d}"


class FileImport(models.Model):
    """
    A file of members and gifts: looked at, and perhaps imported.

    Personal data: content (encrypted), until it is imported or a day has passed.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="file_imports")
    content = EncryptedTextField(bound_to="public_id", blank=True, default="")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the file, to know it again.")
    uploaded_by = models.CharField(max_length=60)
    uploaded_at = models.DateTimeField()
    imported_at = models.DateTimeField(null=True, blank=True)
    rows = models.PositiveIntegerField(default=0)
    taken = models.PositiveIntegerField(default=0)
    known = models.PositiveIntegerField(default=0)
    left_out = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-uploaded_at", "-pk"]
        permissions = [("import_file", "Can import members and gifts from files")]

    def __str__(self) -> str:
        return f"{self.uploaded_at:%Y-%m-%d %H:%M} {self.rows} rows"


class ImportedRow(models.Model):
    """
    A line of a file that was imported, so that it is imported once. Personal data: key and content_hash (keyed hashes).
    """

    file = models.ForeignKey(FileImport, on_delete=models.PROTECT, related_name="imported_rows")
    number = models.PositiveIntegerField()
    key = models.CharField(max_length=120, unique=True)
    content_hash = models.CharField(max_length=120)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="imported_rows")
    gift = models.OneToOneField(
        OfflineGift, null=True, blank=True, on_delete=models.PROTECT, related_name="imported_row"
    )

    def __str__(self) -> str:
        return f"Row {self.number} of import {self.file_id}"
