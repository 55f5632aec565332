"""
Personal data behind a curtain: pages of staff show a mask, until somebody with the right to it lifts it for one record.

Lifting takes a POST and a reason, and is written into the audit log. It holds for that record, in that session, for
some minutes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from members import audit, crypto

MASK = "•••••"
PERMISSION = "members.reveal_member"
LASTS = timedelta(minutes=10)
_KEY = "revealed"


def may_reveal(request: HttpRequest) -> bool:
    """Whether whoever asks may see personal data at all."""
    return request.user.has_perm(PERMISSION)


def reveal(
    request: HttpRequest, row: models.Model, *, why: str, member_id: int | None, now: datetime
) -> None:
    """
    Lift the curtain before one record.

    :raises PermissionDenied: they may not. ValueError: no reason is given; the message is fit for staff.
    """
    if not may_reveal(request):
        raise PermissionDenied
    reason = " ".join(why.split())
    if not reason:
        raise ValueError("Say why: it stands in the audit log.")
    audit.record(
        actor=audit.actor_of(request),
        act=audit.Act.REVEALED,
        what="personal_data",
        subject=audit.subject_of(row),
        member_id=member_id,
        why=reason[:500],
        now=now,
    )
    still = {key: end for key, end in _revealed(request).items() if end > now.timestamp()}
    request.session[_KEY] = {**still, audit.subject_of(row): (now + LASTS).timestamp()}


def is_revealed(request: HttpRequest, row: models.Model, *, now: datetime) -> bool:
    """Whether the curtain before this record is up, for this session, now."""
    until = _revealed(request).get(audit.subject_of(row), 0)
    # A clock that was set back (only the sandbox's is) leaves nothing open for long.
    return may_reveal(request) and now.timestamp() < until <= (now + LASTS).timestamp()


def shown(request: HttpRequest, row: models.Model, field: str, *, now: datetime) -> Any:
    """The value of a personal field, or its mask, with the way to lift it for whoever may."""
    if not is_revealed(request, row, now=now):
        if not may_reveal(request):
            return MASK
        there = reverse("admin:reveal", args=[row._meta.label_lower, row.pk])
        return format_html('{} <a href="{}">Reveal…</a>', MASK, there)
    return opened(row, field)


def opened(row: models.Model, field: str) -> Any:
    """The value of a sealed field, or words for why it cannot be opened."""
    try:
        return getattr(row, field)
    except crypto.Unreadable:
        return "(cannot be opened: is its key missing?)"


def _revealed(request: HttpRequest) -> dict[str, float]:
    found: dict[str, float] = request.session.get(_KEY, {})
    return found
