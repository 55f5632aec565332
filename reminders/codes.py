"""
The codes in our mails' links: who holds one may do one thing with one reminder.

A code is 128 random bits (which row) and 128 bits of a keyed hash of them and of the purpose. It is stored
nowhere: whoever steals the database cannot make one, and a code for one purpose is worthless for another
(docs/decisions/0014).
"""

from __future__ import annotations

import base64
import binascii
import enum
import hmac
import secrets
import uuid

from django.conf import settings

_BYTES = 16
_LENGTH = 43  # two times 16 bytes in base64, without padding


class Purpose(enum.Enum):
    """What a code is good for."""

    CONFIRM = "confirm"
    STOP = "stop"  # and start again, and move: what concerns this one reminder
    UNSUBSCRIBE = "unsubscribe"
    FROM_MAIL = "from mail"  # in the link to the support page: which mail led there
    WAY_BACK = "way back"  # to a payment page that was left


def new_id() -> uuid.UUID:
    """128 random bits, in the shape that the database keeps best."""
    return uuid.UUID(bytes=secrets.token_bytes(_BYTES))


def make(purpose: Purpose, row_id: uuid.UUID) -> str:
    """The code: 43 letters, digits, dashes and underscores."""
    return _text(row_id.bytes + _mark(settings.SECRET_KEY, purpose, row_id))


def read(purpose: Purpose, code: str) -> uuid.UUID | None:
    """The row's id; None for whatever is no code of ours for this purpose."""
    if len(code) != _LENGTH or not code.isascii():
        return None
    try:
        plain = base64.b64decode(code + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if (
        len(plain) != 2 * _BYTES or _text(plain) != code
    ):  # one spelling each: base64 has spare bits at its end
        return None
    row_id = uuid.UUID(bytes=plain[:_BYTES])
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    fits = [hmac.compare_digest(plain[_BYTES:], _mark(key, purpose, row_id)) for key in keys]
    return row_id if any(fits) else None


def _mark(key: str, purpose: Purpose, row_id: uuid.UUID) -> bytes:
    message = f"reminders.{purpose.value}:".encode() + row_id.bytes
    return hmac.digest(key.encode(), message, "sha256")[:_BYTES]


def _text(plain: bytes) -> str:
    return base64.urlsafe_b64encode(plain).decode("ascii").rstrip("=")
