"""
How often one network may do a thing: the first fence against card testing, and against floods of any kind.

Donation pages with small free amounts are what thieves try stolen cards on (STRIPE.md, section 7). Stripe's page
has its own defences; this keeps a script from opening pages by the thousand. No IP address is stored: the key is
a keyed hash of the network (/24, or /56 of IPv6) under a salt that is new each day, kept in the cache for the
length of the window and nowhere else (RELIABILITY.md, S14).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

from donations.errors import TooManyCheckouts

WINDOW = timedelta(minutes=10)


def note_checkout(request: HttpRequest, *, now: datetime) -> None:
    """
    Count one more checkout for the network that asks.

    :raises TooManyCheckouts: with the seconds to wait, once it has begun more than settings.CHECKOUTS_PER_NETWORK
        in ten minutes; 0 there turns the fence off.
    """
    wait = note(
        "checkouts", network_key(request, now), limit=settings.CHECKOUTS_PER_NETWORK, per=WINDOW, now=now
    )
    if wait:
        raise TooManyCheckouts(
            "Too many gifts were begun from your network. Please wait a little.", wait=wait
        )


def note(what: str, key: str, *, limit: int, per: timedelta, now: datetime) -> int:
    """
    Count one more of something for whoever the key stands for.

    :param key: a keyed hash; never an address, for it is kept in the cache.
    :param limit: how many are allowed in one window; 0 counts nothing and allows all.
    :returns: 0 while it is allowed, else the seconds until the next window begins.
    """
    if not limit:
        return 0
    seconds = int(per.total_seconds())
    window, into = divmod(int(now.timestamp()), seconds)
    name = f"{what}:{key}:{window}"
    cache.add(name, 0, timeout=seconds)
    try:
        count = cache.incr(name)
    except ValueError:  # it ran out between the two calls: a new window
        count = 1
    return seconds - into if count > limit else 0


def network_key(request: HttpRequest, now: datetime) -> str:
    """What stands for the network that asks, for today: a keyed hash that cannot be turned back."""
    salt = f"velocity:{now:%Y-%m-%d}:{settings.SECRET_KEY}".encode()
    return hmac.new(salt, network_of(request).encode(), hashlib.sha256).hexdigest()[:32]


def network_of(request: HttpRequest) -> str:
    """The network that asks (/24, or /56 of IPv6); it is for arithmetic, and is neither kept nor logged."""
    return _network(client_address(request))


def client_address(request: HttpRequest) -> str:
    """
    The address that asks, as far as it can be trusted.

    Behind proxies it is the entry of X-Forwarded-For that our own outermost proxy wrote (settings.TRUSTED_PROXIES
    counts them); what a client put in front of that is not believed.
    """
    hops = settings.TRUSTED_PROXIES
    if hops:
        entries = [
            entry.strip() for entry in request.headers.get("X-Forwarded-For", "").split(",") if entry.strip()
        ]
        if len(entries) >= hops:
            return entries[-hops]
    return str(request.META.get("REMOTE_ADDR", ""))


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return str(ipaddress.ip_network(f"{parsed}/{24 if parsed.version == 4 else 56}", strict=False))
