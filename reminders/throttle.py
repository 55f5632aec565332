"""
How many reminders may be asked for in an hour: from one network, for one address, at one mail domain.

Beyond that, nothing of the wish is stored and the answer is the same, so that nobody learns anything and no
stranger's mailbox is filled. Counted in the cache under keyed hashes that are new each day, and kept nowhere else;
staff see how many were turned away on a day, and nothing of whom.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F
from django.http import HttpRequest

from donations import velocity
from members import addresses
from members.rows import insert_new
from reminders.models import TurnedAway

log = structlog.get_logger(__name__)

WINDOW = timedelta(hours=1)
Scope = TurnedAway.Scope


def allows(request: HttpRequest, *, email: str, now: datetime) -> bool:
    """
    Count one more request; False if it is one too many.

    The network is asked first: what one of them sends beyond its own share uses up nobody else's, neither an
    address's nor a whole mail domain's.
    """
    identity = addresses.identity(email)
    counts = (
        (Scope.NETWORK, velocity.network_key(request, now), settings.REMINDERS_PER_NETWORK),
        (Scope.ADDRESS, _key("address", identity, now), settings.REMINDERS_PER_ADDRESS),
        (Scope.DOMAIN, _key("domain", identity.rpartition("@")[2], now), settings.REMINDERS_PER_DOMAIN),
    )
    for scope, key, limit in counts:
        if velocity.note(f"reminders-{scope.value}", key, limit=limit, per=WINDOW, now=now):
            log.warning("reminder not taken", too_many_from_one=scope.value)
            _count(scope, now)
            return False
    return True


def _count(scope: TurnedAway.Scope, now: datetime) -> None:
    """One more for the day; a flood that the database cannot keep up with goes uncounted rather than unanswered."""
    today = TurnedAway.objects.filter(day=now.astimezone(UTC).date(), scope=scope)
    try:
        with transaction.atomic():
            if not today.update(count=F("count") + 1):
                insert_new([TurnedAway(day=now.astimezone(UTC).date(), scope=scope, count=0)])
                today.update(count=F("count") + 1)
    except DatabaseError as error:
        log.warning("reminder turned away and not counted", error=type(error).__name__)


def _key(what: str, text: str, now: datetime) -> str:
    salt = f"reminders.{what}:{now:%Y-%m-%d}:{settings.SECRET_KEY}".encode()
    return hmac.new(salt, text.encode(), hashlib.sha256).hexdigest()[:32]
