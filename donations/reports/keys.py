"""Keys with which programs read reports."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Q

from donations.models import ReportKey

PREFIX = "sustainer_reports_"
PERMISSION = "donations.view_reports"


def make(*, purpose: str, owner: User, expires_at: datetime, now: datetime) -> tuple[ReportKey, str]:
    """A new key, and its text, which nobody can be shown again."""
    text = PREFIX + secrets.token_urlsafe(32)
    key = ReportKey.objects.create(
        purpose=purpose, owner=owner, digest=_digest(text), created_at=now, expires_at=expires_at
    )
    return key, text


def revoke(key: ReportKey, *, now: datetime) -> bool:
    """From now on it opens nothing. False if that was so already."""
    return ReportKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now) == 1


def owner_of(text: str, *, now: datetime) -> User | None:
    """Whose key this is, if it opens anything now: neither over nor revoked, its owner still at work here."""
    if not text.startswith(PREFIX) or len(text) > 200:
        return None
    key = (
        ReportKey.objects.select_related("owner")
        .filter(digest=_digest(text), revoked_at=None, expires_at__gt=now)
        .filter(owner__is_active=True, owner__is_staff=True)
        .first()
    )
    if key is None:
        return None
    today = now.date()
    ReportKey.objects.filter(Q(last_used_on=None) | Q(last_used_on__lt=today), pk=key.pk).update(
        last_used_on=today
    )
    return key.owner


def _digest(text: str) -> str:
    """A plain hash is enough: the key is random, and too long to be guessed."""
    return hashlib.sha256(text.encode()).hexdigest()
