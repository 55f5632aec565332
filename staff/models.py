"""What the sign-in of staff remembers."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import Any, Final

from django.conf import settings
from django.db import models
from django_otp.models import Device
from django_otp.oath import TOTP

from members.fields import EncryptedBytesField

_SECRET_BYTES: Final = 20  # as long as the digest of HMAC-SHA-1; RFC 4226, section 4, R6
_DIGITS: Final = 6
_STEP: Final = 30  # seconds; with the digits and the digest what apps take for granted: RFC 6238, section 5.2
_TOLERANCE: Final = 1  # steps before and after, for clocks that differ and people who type slowly


def new_secret() -> bytes:
    """What an app and this house will share: 160 random bits."""
    return secrets.token_bytes(_SECRET_BYTES)


class AuthenticatorApp(Device):  # type: ignore[misc]  # django-otp has no types
    """
    An authenticator app of a member of staff: what it shares with us, and which of its codes was used last.

    django-otp's own table keeps the secret open, so that a copy of the database makes codes; here it is sealed
    (docs/decisions/0051). The codes are those of RFC 6238, by django-otp's arithmetic. They go by the real clock,
    whatever the sandbox's says: the app knows no other.

    Personal data: which account of staff it is of; secret (encrypted), by which nobody is known, but which lets in.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    secret = EncryptedBytesField(bound_to="public_id", default=new_secret)
    last_step = models.BigIntegerField(default=-1)  # of the last code that was taken: each counts once
    drift = models.SmallIntegerField(default=0)  # steps by which the app's clock was off then

    class Meta:
        verbose_name = "authenticator app"

    def verify_token(self, token: str) -> bool:
        """
        Whether this is a code of now, or of half a minute before or after, and newer than the last one.

        The row is to be locked by whoever asks. Raises crypto.Unreadable.
        """
        counter = self._counter()
        if not token.isascii() or not token.isdigit() or len(token) != _DIGITS:
            return False
        if not counter.verify(int(token), _TOLERANCE, self.last_step + 1):
            return False
        self.last_step, self.drift = counter.t(), counter.drift
        self.save(update_fields=["last_step", "drift"])
        return True

    def code_now(self) -> str:
        """What the app shows now: six digits. Raises crypto.Unreadable."""
        return f"{self._counter().token():0{_DIGITS}d}"

    def _counter(self) -> Any:
        counter = TOTP(self.secret, step=_STEP, digits=_DIGITS, drift=self.drift)
        counter.time = time.time()  # read once, so that the code and its step are of the same moment
        return counter


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
