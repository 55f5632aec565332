"""
How many reminders may be asked for in an hour: from one network, for one address, at one mail domain.

Beyond that, nothing is stored and the answer is the same, so that nobody learns anything and no stranger's mailbox
is filled. Counted in the cache under keyed hashes that are new each day, and kept nowhere else.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.http import HttpRequest

from donations import velocity
from members import addresses

log = structlog.get_logger(__name__)

WINDOW = timedelta(hours=1)


def allows(request: HttpRequest, *, email: str, now: datetime) -> bool:
    """Count one more request; False if it is one too many of any kind."""
    identity = addresses.identity(email)
    counts = (
        ("network", velocity.network_key(request, now), settings.REMINDERS_PER_NETWORK),
        ("address", _key("address", identity, now), settings.REMINDERS_PER_ADDRESS),
        ("domain", _key("domain", identity.rpartition("@")[2], now), settings.REMINDERS_PER_DOMAIN),
    )
    over = [
        what
        for what, key, limit in counts
        if velocity.note(f"reminders-{what}", key, limit=limit, per=WINDOW, now=now)
    ]
    if over:
        log.warning("reminder not taken", too_many_from_one=over)
    return not over


def _key(what: str, text: str, now: datetime) -> str:
    salt = f"reminders.{what}:{now:%Y-%m-%d}:{settings.SECRET_KEY}".encode()
    return hmac.new(salt, text.encode(), hashlib.sha256).hexdigest()[:32]
