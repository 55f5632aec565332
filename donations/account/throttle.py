"""
How often somebody may ask for a link to sign in, from one network and for one address, known or not; and how often a
reader who is signed in may change something.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest

from donations import velocity
from donations.errors import TooManyChanges, TooManySignIns
from members import addresses
from members.models import Member

PER_NETWORK = timedelta(minutes=10)
PER_ADDRESS = timedelta(hours=1)
PER_READER = timedelta(hours=1)


def note_sign_in(request: HttpRequest, *, email: str, now: datetime) -> None:
    """
    Count one more wish to sign in. Counted in the cache under keyed hashes that are new each day, and nowhere else.

    :param email: as `addresses.normalise` gives it.
    :raises TooManySignIns: with the seconds to wait. The network is asked first: what one of them sends beyond its
        own share uses up no address's.
    """
    identity = addresses.identity(email)
    wait = velocity.note(
        "sign-in-network",
        velocity.network_key(request, now),
        limit=settings.SIGN_INS_PER_NETWORK,
        per=PER_NETWORK,
        now=now,
    ) or velocity.note(
        "sign-in-address",
        _key(identity, now),
        limit=settings.SIGN_INS_PER_ADDRESS,
        per=PER_ADDRESS,
        now=now,
    )
    if wait:
        raise TooManySignIns("Too many links were asked for. Please wait a little.", wait=wait)


def note_change(reader: Member, *, now: datetime) -> None:
    """
    Count one more change that a reader asks for: each may lead to a call of Stripe, and to a mail.

    :raises TooManyChanges: with the seconds to wait.
    """
    wait = velocity.note(
        "reader-change",
        str(reader.public_id),
        limit=settings.READER_CHANGES_PER_HOUR,
        per=PER_READER,
        now=now,
    )
    if wait:
        raise TooManyChanges("That was a lot of changes. Please wait a little.", wait=wait)


def _key(identity: str, now: datetime) -> str:
    salt = f"account.address:{now:%Y-%m-%d}:{settings.SECRET_KEY}".encode()
    return hmac.new(salt, identity.encode(), hashlib.sha256).hexdigest()[:32]
