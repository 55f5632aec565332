"""
What a reader is due on the newspaper's own site: a tier, no advertising, not being asked.

The site tells us who reads, with a token that it signed (`members.reader_tokens`). The answer is kept for half a minute
under the keyed hash that the reader is found by, so that a page that asks again costs no statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError

from donations import givers
from members import people
from members import queries as members
from members.reader_tokens import Reader

MAX_AGE = 60  # seconds until a change is seen
KEPT = 30  # seconds of them that an answer may lie here
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entitlement:
    """
    :param tier: the tier's slug; None for who is no member, or whose gift reaches no tier.
    :param until: until when the membership counts without a further payment.
    :param made_at: when it was looked up; None where it could not be.
    """

    tier: str | None = None
    until: datetime | None = None
    hide_asks: bool = False
    ad_free: bool = False
    made_at: datetime | None = None

    def left(self, now: datetime) -> int:
        """For how many more seconds it is young enough; 0 for one that could not be looked up."""
        return 0 if self.made_at is None else int(MAX_AGE - (now - self.made_at).total_seconds())


def get_entitlement(reader: Reader, *, now: datetime) -> Entitlement:
    """
    What this reader is due now.

    Members are not asked, nor is who gives every month or year, nor for settings.ASK_QUIET_DAYS who gave once. If the
    database does not answer, somebody for whom the newspaper vouches is not asked either: a member who is asked for
    what they gave is worse than one appeal less. Nothing else is given away by that.
    """
    key = f"entitlement:{reader.member or reader.hashes[0]}"
    found: Entitlement | None = cache.get(key)
    if found is not None and MAX_AGE - KEPT <= found.left(now) <= MAX_AGE:
        return found
    try:
        found = _look_up(reader, now)
    except DatabaseError as error:
        _log.error("no entitlement", error=type(error).__name__)
        return Entitlement(hide_asks=True)
    cache.set(key, found, KEPT)
    return found


def _look_up(reader: Reader, now: datetime) -> Entitlement:
    member = members.get_member_named(hashes=reader.hashes, public_id=reader.member)
    if member is None:
        return Entitlement(made_at=now)
    if held := members.get_current_membership(member, now):
        return Entitlement(
            tier=held.tier.slug if held.tier else None,
            until=held.counts_until,
            hide_asks=True,
            ad_free=held.tier.is_ad_free if held.tier else False,
            made_at=now,
        )
    theirs = list(people.members_of(member.pk).values_list("pk", flat=True))
    quiet_since = now - timedelta(days=settings.ASK_QUIET_DAYS)
    gave_lately = any(at > quiet_since for at in givers.get_last_given_at(theirs).values())
    return Entitlement(hide_asks=gave_lately or bool(givers.get_members_with_recurring(theirs)), made_at=now)
