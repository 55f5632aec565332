"""Who of the staff wants the week's figures by mail."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class DigestReader(models.Model):
    """
    A member of staff who gets the figures of each week by mail. Personal data: none (it points to an account of staff,
    whose address the mail goes to).
    """

    account = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="digest")
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"Digest for account {self.account_id}"
