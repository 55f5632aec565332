"""
Lots: who gets which variant of a test, and who is held out. Pure arithmetic; nothing here is stored.

A lot is drawn with a keyed hash of the test's seed and of what a request tells anyway: its network (cut to /24, /56)
and the name of its browser. So it is the same at the next request, without a cookie, and nobody's address is kept
(docs/decisions/0028). Two tests with different seeds draw independently of each other.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.http import HttpRequest

from donations import velocity

_WHOLE = 1 << 64


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks, as far as a lot needs it. Not for keeping: it is never stored, logged or put into a task."""

    network: str = field(repr=False)
    browser: str = field(repr=False)


def visitor_of(request: HttpRequest) -> Visitor:
    """Whoever sends this request."""
    return Visitor(velocity.network_of(request), request.META.get("HTTP_USER_AGENT", "")[:512])


def draw(seed: str, visitor: Visitor, shares: Sequence[int]) -> int | None:
    """
    Which of several shares this visitor falls into; None if all are zero.

    :param shares: weights; a visitor falls into each with a probability in proportion to it.
    """
    total = sum(shares)
    if not total:
        return None
    place = _point(seed, visitor) * total // _WHOLE
    for index, share in enumerate(shares):
        place -= share
        if place < 0:
            return index
    raise AssertionError("a point of the line lies in one of its parts")


def is_held_out(slug: str, percent: int, visitor: Visitor) -> bool:
    """Whether the lot says not to ask this visitor in this campaign."""
    return draw(f"hold-out:{slug}", visitor, [percent, 100 - percent]) == 0


def _point(seed: str, visitor: Visitor) -> int:
    """A number below 2 to the 64th, the same for the same visitor and seed, and evenly spread over visitors."""
    key = hashlib.sha256(f"donations.lots:{seed}:{settings.SECRET_KEY}".encode()).digest()
    text = f"{visitor.network}\n{visitor.browser}".encode("utf-8", "replace")
    return int.from_bytes(hmac.digest(key, text, "sha256")[:8])
