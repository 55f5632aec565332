"""
The session of a member of staff: a password and a second factor, for a working day, and not while nobody sits there.

These limits go by the real clock, whatever the sandbox's says: they are about somebody at a desk.
"""

from __future__ import annotations

import time
from typing import Final

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest
from django_otp.models import Device

HALF_LASTS: Final = 600  # seconds between the password and the second factor
_DEVICE, _BEGAN, _SEEN, _HALF = "second_factor", "signed_in_at", "seen_at", "password_at"
_NOTE_EVERY = 60  # seconds; a write for each click would be too many


def begin_half(request: HttpRequest) -> None:
    """The password was right; nothing is open yet."""
    request.session[_HALF] = time.time()


def is_half_open(request: HttpRequest) -> bool:
    """Whether whoever asks has just given the right password, and may give the second factor now."""
    user = request.user
    age = time.time() - float(request.session.get(_HALF, 0))
    return bool(user.is_authenticated and user.is_active and user.is_staff and 0 <= age <= HALF_LASTS)


def begin(request: HttpRequest, device: Device) -> None:
    """Password and second factor were right: the session is open, under a new key."""
    request.session.cycle_key()
    request.session.pop(_HALF, None)
    now = time.time()
    request.session.update({_DEVICE: device.persistent_id, _BEGAN: now, _SEEN: now})


def is_open(request: HttpRequest) -> bool:
    """
    Whether a member of staff asks, who gave both and is not past a limit. One that is, is signed out.

    The answer is found once a request.
    """
    known: bool | None = getattr(request, "_staff_session_is_open", None)
    if known is None:
        known = _is_open(request)
        request._staff_session_is_open = known  # type: ignore[attr-defined]  # ours
    return known


def _is_open(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    if user is None or not (user.is_authenticated and user.is_active and user.is_staff):
        return False
    session, now = request.session, time.time()
    name = session.get(_DEVICE)
    if not name:
        return False
    idle, whole = now - float(session.get(_SEEN, 0)), now - float(session.get(_BEGAN, 0))
    device = Device.from_persistent_id(name)
    is_its_own = device is not None and device.user_id == user.pk and device.confirmed
    within = (
        0 <= idle <= settings.STAFF_IDLE_MINUTES * 60 and 0 <= whole <= settings.STAFF_SESSION_HOURS * 3600
    )
    if not (is_its_own and within):
        logout(request)
        return False
    if idle > _NOTE_EVERY:
        session[_SEEN] = now
    return True
