"""
The second factor: codes of an authenticator app, and recovery codes for whoever lost the phone.

The app's secret lies sealed, and recovery codes as digests only: a copy of the database lets nobody in.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
from typing import Any
from urllib.parse import quote, urlencode

import segno
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken

from members import crypto
from staff.models import AuthenticatorApp

logger = logging.getLogger(__name__)
RECOVERY_CODES = 10


def is_set_up(user: AbstractBaseUser) -> bool:
    """Whether the account has a second factor that was proved to work."""
    return bool(AuthenticatorApp.objects.filter(user_id=user.pk, confirmed=True).exists())


def begin_set_up(user: AbstractBaseUser) -> AuthenticatorApp:
    """A new secret for the app, which counts once a code of it was given."""
    apps = AuthenticatorApp.objects.filter(user_id=user.pk, confirmed=False)
    found: AuthenticatorApp | None = apps.order_by("pk").first()
    if found is None:
        found = AuthenticatorApp(user_id=user.pk, name="app", confirmed=False)
        found.save()
    return found


def finish_set_up(user: AbstractBaseUser, code: str) -> tuple[Device, list[str]] | None:
    """The device and fresh recovery codes, if the code is right; None if not."""
    with transaction.atomic():
        if is_set_up(user):
            return None
        waiting = AuthenticatorApp.objects.select_for_update().filter(user_id=user.pk, confirmed=False)
        device = waiting.order_by("pk").first()
        if device is None or not device.verify_token(_digits(code)):
            return None
        device.confirmed = True
        device.save()
        return device, _new_recovery_codes(user)


def check(user: AbstractBaseUser, code: str) -> Device | None:
    """The device that a code is of: each code counts once. None if it is of none."""
    digits, word = _digits(code), _canonical(code)
    with transaction.atomic():
        for device in AuthenticatorApp.objects.select_for_update().filter(user_id=user.pk, confirmed=True):
            try:
                if device.verify_token(digits):
                    return device
            except crypto.Unreadable:  # a recovery code still counts
                logger.exception(
                    "The secret of an authenticator app does not open", extra={"device": device.pk}
                )
        for spare in StaticDevice.objects.select_for_update().filter(user_id=user.pk, confirmed=True):
            if spare.verify_token(_stored(word)):
                return spare
    return None


def take_away(user: AbstractBaseUser) -> None:
    """Forget the second factor; sessions that were opened with it are over, and the next sign-in sets up another."""
    AuthenticatorApp.objects.filter(user_id=user.pk).delete()
    StaticDevice.objects.filter(user_id=user.pk).delete()


def picture(device: AuthenticatorApp) -> str:
    """The QR code that an app reads, as the address of a picture that is in the address itself."""
    code: Any = segno.make(key_uri(device), error="m", micro=False)
    return str(code.svg_data_uri(scale=5, border=2, light="#fff"))


def secret_text(device: AuthenticatorApp) -> str:
    """The same secret for typing, in groups of four."""
    text = _base32(device)
    return " ".join(text[place : place + 4] for place in range(0, len(text), 4))


def code_now(user: AbstractBaseUser) -> str:
    """What the app would show now; for the demo, where there is no app."""
    found = AuthenticatorApp.objects.filter(user_id=user.pk).order_by("-confirmed", "pk").first()
    return (found or begin_set_up(user)).code_now()


def recovery_codes_left(user: AbstractBaseUser) -> int:
    """How many recovery codes were not used yet."""
    return int(StaticToken.objects.filter(device__user_id=user.pk).count())


def _base32(device: AuthenticatorApp) -> str:
    return base64.b32encode(device.secret).decode().rstrip("=")


def key_uri(device: AuthenticatorApp) -> str:
    """
    What the picture says, as apps read it: https://github.com/google/google-authenticator/wiki/Key-Uri-Format.

    Digest, digits and seconds are not said: they are what every app takes for granted.
    """
    issuer = settings.NEWSROOM_NAME.replace(":", "")
    label = quote(f"{issuer}:{device.user.get_username()}", safe="")
    return (
        f"otpauth://totp/{label}?{urlencode({'secret': _base32(device), 'issuer': issuer}, quote_via=quote)}"
    )


def _new_recovery_codes(user: AbstractBaseUser) -> list[str]:
    StaticDevice.objects.filter(user_id=user.pk).delete()
    device = StaticDevice.objects.create(user_id=user.pk, name="recovery codes", confirmed=True)
    codes = [secrets.token_hex(8) for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=_stored(code)) for code in codes)
    return ["-".join(code[place : place + 4] for place in range(0, 16, 4)) for code in codes]


def _digits(code: str) -> str:
    return "".join(character for character in code if character.isascii() and character.isdigit())[:8]


def _canonical(code: str) -> str:
    return "".join(character for character in code.lower() if character.isascii() and character.isalnum())[
        :32
    ]


def _stored(code: str) -> str:
    """What stands in the table: 64 bits of a digest of 64 random bits, which tell nobody the code."""
    return hashlib.sha256(f"recovery:{code}".encode()).hexdigest()[:16]
