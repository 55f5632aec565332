"""What the sign-in of staff remembers."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class SignInLock(models.Model):
    """
    How often somebody tried in vain to sign in to an account of staff, and until when it is closed because of that.

    Personal data: none (no address of a network, and nothing that was typed).
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_in_lock"
    )
    wrong_passwords = models.PositiveIntegerField(default=0)
    wrong_codes = models.PositiveIntegerField(default=0)
    locked_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Lock of {self.user_id}"
