"""Files of rows that are too many to be made while somebody waits."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint


class ExportFile(models.Model):
    """
    A file that a member of staff asked for; it is made by a worker and kept for a day. Personal data: none.

    `turn` counts who began to make it: whoever finds another number there than his own has been given up, and stops.
    """

    class State(models.TextChoices):
        WAITING = "WAITING", "Waits for a worker"
        MAKING = "MAKING", "Is being made"
        READY = "READY", "Is ready"
        FAILED = "FAILED", "Could not be made"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    export = models.CharField(max_length=40, help_text="Which of the exports.")
    kind = models.CharField(max_length=4, help_text="csv or xlsx.")
    asked: models.JSONField[dict[str, str], dict[str, str]] = models.JSONField(
        help_text="Days and filters, as they were asked for."
    )
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    rows = models.BigIntegerField(help_text="How many there were to tell when it was asked for.")
    rows_done = models.BigIntegerField(default=0)
    asked_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True, blank=True)
    turn = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-asked_at", "-pk"]
        default_permissions = ()
        constraints = [
            CheckConstraint(
                condition=Q(state__in=["WAITING", "MAKING", "READY", "FAILED"]), name="export_state_known"
            ),
            CheckConstraint(condition=Q(kind__in=["csv", "xlsx"]), name="export_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.export}.{self.kind} for account {self.account_id}"

    @property
    def file_name(self) -> str:
        return f"{self.export}-{self.asked['from']}-{self.asked['to']}.{self.kind}"


class ExportPiece(models.Model):
    """
    A part of such a file. Personal data: none (`donations.reports.exports` tells ids only).

    In the database, since that is the one place that workers and web processes share.
    """

    file: models.ForeignKey[Any, Any] = models.ForeignKey(
        ExportFile, on_delete=models.CASCADE, related_name="pieces"
    )
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        ordering = ["number"]
        default_permissions = ()
        constraints = [UniqueConstraint(fields=["file", "number"], name="export_piece_once")]

    def __str__(self) -> str:
        return f"Piece {self.number} of export {self.file_id}"
