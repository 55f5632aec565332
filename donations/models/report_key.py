"""With what a program of the newsroom asks for its numbers."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class ReportKey(models.Model):
    """
    A key with which a program reads reports, and nothing else. Personal data: none (it points to an account of staff).

    Only a hash of it is kept: it is shown once, when it is made. It may do what its owner may do at the moment, so that
    it is worth nothing once they lost the right or left.
    """

    purpose = models.CharField(max_length=80, help_text="Which program uses it.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="report_keys")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_on = models.DateField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"Key {self.pk}"
