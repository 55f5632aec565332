"""
Readers who are signed in: a browser with a cookie, or a program with a bearer token.

The key is 256 random bits that only the reader's side has; the database holds a digest. A session is one person's: it
answers the member that was kept where several addresses are one reader's.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from members import people
from members.models import Member, ReaderSession

Kind = ReaderSession.Kind


def life_of(kind: ReaderSession.Kind) -> timedelta:
    """For how long a session of this kind lasts, used or not."""
    if kind is Kind.COOKIE:
        return timedelta(days=settings.READER_SESSION_DAYS)
    return timedelta(minutes=settings.READER_TOKEN_MINUTES)


def begin(reader: Member, kind: ReaderSession.Kind, *, now: datetime) -> str:
    """The key of a new session; nobody can be told it again."""
    key = secrets.token_urlsafe(32)
    ReaderSession.objects.create(
        key_hash=_digest(key),
        kind=kind,
        member=reader,
        began_at=now.replace(minute=0, second=0, microsecond=0),
        seen_on=now.astimezone(UTC).date(),
        ends_at=now + life_of(kind),
    )
    return key


def find(key: str, kind: ReaderSession.Kind, *, now: datetime) -> Member | None:
    """Who is signed in with this key; None for a key that is unknown, over, or of the other kind. One statement."""
    if not key or len(key) > 100:
        return None
    running = ReaderSession.objects.filter(key_hash=_digest(key), kind=kind, ends_at__gt=now)
    found = running.select_related("member__merged_into").first()
    if found is None:
        return None
    today = now.astimezone(UTC).date()
    if found.seen_on < today:  # once a day: nobody needs to know more, and a look at a page should not write
        running.update(seen_on=today)
    return found.member.person


def end(key: str) -> None:
    """Sign out the browser or program that has this key."""
    ReaderSession.objects.filter(key_hash=_digest(key)).delete()


def end_all(reader: Member) -> int:
    """Sign a reader out everywhere; how many sessions that were."""
    deleted, _ = ReaderSession.objects.filter(member__in=people.members_of(reader.pk)).delete()
    return deleted


def get_running(reader: Member, *, now: datetime) -> QuerySet[ReaderSession]:
    """Where this reader is signed in, the newest first."""
    theirs = ReaderSession.objects.filter(member__in=people.members_of(reader.pk), ends_at__gt=now)
    return theirs.order_by("-began_at", "-pk")


def forget(*, now: datetime) -> int:
    """Delete sessions that are over; how many."""
    deleted, _ = ReaderSession.objects.filter(ends_at__lte=now).delete()
    return deleted


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
