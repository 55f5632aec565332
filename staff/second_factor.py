"""
The second factor: codes of an authenticator app, and recovery codes for whoever lost the phone.

The arithmetic, the window and the refusal of a code that was used before are django-otp's. Recovery codes are random,
shown once, and stored as digests only.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any

import segno
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django_otp.models import Device
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

RECOVERY_CODES = 10


def is_set_up(user: AbstractBaseUser) -> bool:
    """Whether the account has a second factor that was proved to work."""
    return bool(TOTPDevice.objects.filter(user_id=user.pk, confirmed=True).exists())


def begin_set_up(user: AbstractBaseUser) -> TOTPDevice:
    """A new secret for the app, which counts once a code of it was given."""
    found = TOTPDevice.objects.filter(user_id=user.pk, confirmed=False).order_by("pk").first()
    return found or TOTPDevice.objects.create(user_id=user.pk, name="app", confirmed=False)


def finish_set_up(user: AbstractBaseUser, code: str) -> tuple[Device, list[str]] | None:
    """The device and fresh recovery codes, if the code is right; None if not."""
    with transaction.atomic():
        if is_set_up(user):
            return None
        waiting = TOTPDevice.objects.select_for_update().filter(user_id=user.pk, confirmed=False)
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
        for device in TOTPDevice.objects.select_for_update().filter(user_id=user.pk, confirmed=True):
            if device.verify_token(digits):
                return device
        for spare in StaticDevice.objects.select_for_update().filter(user_id=user.pk, confirmed=True):
            if spare.verify_token(_stored(word)):
                return spare
    return None


def take_away(user: AbstractBaseUser) -> None:
    """Forget the second factor; sessions that were opened with it are over, and the next sign-in sets up another."""
    TOTPDevice.objects.filter(user_id=user.pk).delete()
    StaticDevice.objects.filter(user_id=user.pk).delete()


def picture(device: TOTPDevice) -> str:
    """The QR code that an app reads, as the address of a picture that is in the address itself."""
    code: Any = segno.make(device.config_url, error="m", micro=False)
    return str(code.svg_data_uri(scale=5, border=2, light="#fff"))


def secret_text(device: TOTPDevice) -> str:
    """The same secret for typing, in groups of four."""
    text = base64.b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(text[place : place + 4] for place in range(0, len(text), 4))


def code_now(user: AbstractBaseUser) -> str:
    """What the app would show now; for the demo, where there is no app."""
    device = TOTPDevice.objects.filter(user_id=user.pk).order_by("-confirmed", "pk").first()
    found = device or begin_set_up(user)
    return f"{totp(found.bin_key, step=found.step, t0=found.t0, digits=found.digits, drift=found.drift):06d}"


def recovery_codes_left(user: AbstractBaseUser) -> int:
    """How many recovery codes were not used yet."""
    return int(StaticToken.objects.filter(device__user_id=user.pk).count())


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
