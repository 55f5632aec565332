"""
After so many wrong tries an account is closed for a while, whoever tries.

It counts by account, not by network: no address of a network is stored (docs/decisions/0011). Each count is one
conditional UPDATE, so that tries at the same time are all counted.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import F

from members import audit
from staff.models import SignInLock

LIMITS: Final = {"wrong_passwords": 10, "wrong_codes": 5}
LASTS: Final = timedelta(minutes=15)


def is_locked(user: AbstractBaseUser, *, now: datetime) -> bool:
    """Whether the account is closed now."""
    return SignInLock.objects.filter(user_id=user.pk, locked_until__gt=now).exists()


def note_wrong(
    user: AbstractBaseUser, which: Literal["wrong_passwords", "wrong_codes"], *, now: datetime
) -> bool:
    """Count a wrong try; True if it closed the account."""
    SignInLock.objects.get_or_create(user_id=user.pk)
    row = SignInLock.objects.filter(user_id=user.pk)
    row.update(**{which: F(which) + 1})
    closed = row.filter(**{f"{which}__gte": LIMITS[which]}).update(
        wrong_passwords=0, wrong_codes=0, locked_until=now + LASTS
    )
    if closed:
        audit.record(
            actor=audit.UNKNOWN, act=audit.Act.LOCKED, what=which, subject=f"auth.user:{user.pk}", now=now
        )
    return bool(closed)


def forget(user: AbstractBaseUser) -> None:
    """Somebody signed in: what was tried in vain before does not count any more."""
    SignInLock.objects.filter(user_id=user.pk).update(wrong_passwords=0, wrong_codes=0, locked_until=None)
