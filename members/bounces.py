"""
Addresses to leave alone: a mail provider (or staff) said that they take no mail, or that a mail of ours is spam.

Our own mail server refuses an address at once, or never: most providers take every mail and tell hours later. Mail
that can wait asks `queries.get_refused_hashes` before it goes out; a receipt is owed whatever was said.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from members import addresses, crypto
from members.models import Bounce
from members.rows import insert_new

log = structlog.get_logger(__name__)

Kind, Source = Bounce.Kind, Bounce.Source


def note(*, email: str, kind: Bounce.Kind, source: Bounce.Source, now: datetime) -> None:
    """
    Leave this address alone from now on; told again it changes nothing, but that a complaint outweighs a bounce.

    :raises addresses.InvalidAddress: it is no e-mail address.
    """
    # Whoever asks holds the hash under the key of their day, and has no address to make another: one row for each.
    hashes = _hashes(email)
    rows = [Bounce(email_hash=each, kind=kind, source=source, since=now) for each in hashes]
    new = insert_new(rows)
    if kind == Kind.COMPLAINT:
        Bounce.objects.filter(email_hash__in=hashes, kind=Kind.HARD).update(kind=kind)
    log.info("address bounces", kind=kind.value, source=source.value, is_new=bool(new))


def lift(hashes: Sequence[str]) -> int:
    """The reader of this address said yes by mail, so it takes mail and wants some; how many rows went."""
    return Bounce.objects.filter(email_hash__in=hashes).delete()[0]


def is_noted(hashes: Sequence[str]) -> bool:
    """Whether the address with these look-up hashes is to be left alone."""
    return Bounce.objects.filter(email_hash__in=hashes).exists()


def _hashes(email: str) -> list[str]:
    return crypto.lookup_hashes(addresses.identity(addresses.normalise(email)))
