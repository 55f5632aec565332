"""Addresses that we put into mails and give to Stripe; every one starts at PUBLIC_BASE_URL or an allowed origin."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.core import signing
from django.urls import reverse

if TYPE_CHECKING:
    from donations.models import Campaign, Contribution, DoubleCharge, Subscription

_CARD = "donations.links.card"  # the salt: a token for one purpose is worthless for another
_STOP = "donations.links.stop"
_DOUBLE = "donations.links.double"
CARD_LINK_LIFE = timedelta(days=30)
DOUBLE_LINK_LIFE = timedelta(days=14)
STOP_LINK_LIFE = timedelta(days=400)  # a mail about an annual payment is looked up a year later


class BadLink(Exception):
    """The token is forged, cut, for another purpose, or too old."""


def support_page(campaign: Campaign) -> str:
    """Our own page with the appeal, which works without any script."""
    return settings.PUBLIC_BASE_URL + reverse("support:page", kwargs={"slug": campaign.slug})


def card_page(subscription: Subscription) -> str:
    """A link with which whoever holds it can give another card for one subscription; valid for 30 days."""
    token = signing.dumps(subscription.pk, salt=_CARD)
    return settings.PUBLIC_BASE_URL + reverse("support:card", kwargs={"token": token})


def read_card_token(token: str) -> int:
    """The subscription's primary key. Raises BadLink."""
    try:
        found = signing.loads(token, salt=_CARD, max_age=CARD_LINK_LIFE)
    except signing.BadSignature as error:
        raise BadLink from error
    return int(found)


def stop_page(subscription: Subscription) -> str:
    """A link with which whoever holds it can end one subscription, and nothing else; valid for 400 days."""
    token = signing.dumps(subscription.pk, salt=_STOP)
    return settings.PUBLIC_BASE_URL + reverse("support:stop", kwargs={"token": token})


def read_stop_token(token: str) -> int:
    """The subscription's primary key. Raises BadLink."""
    try:
        found = signing.loads(token, salt=_STOP, max_age=STOP_LINK_LIFE)
    except signing.BadSignature as error:
        raise BadLink from error
    return int(found)


def double_page(notice: DoubleCharge) -> str:
    """A link with which whoever holds it can undo one second charge, and nothing else; valid for 14 days."""
    token = signing.dumps(notice.pk, salt=_DOUBLE)
    return settings.PUBLIC_BASE_URL + reverse("support:double", kwargs={"token": token})


def read_double_token(token: str) -> int:
    """The notice's primary key. Raises BadLink."""
    try:
        found = signing.loads(token, salt=_DOUBLE, max_age=DOUBLE_LINK_LIFE)
    except signing.BadSignature as error:
        raise BadLink from error
    return int(found)


def again(contribution: Contribution, *, locale: str) -> str:
    """Where a contribution that has ended is given again, with the appeal filled in as it was last."""
    address = reverse("support:again", kwargs={"public_id": contribution.public_id})
    return f"{settings.PUBLIC_BASE_URL}{address}?{urlencode({'lang': locale})}"


def account_page(*, locale: str) -> str:
    """Where readers look at what they give, and change it; they sign in first."""
    return f"{settings.PUBLIC_BASE_URL}{reverse('account:contributions')}?{urlencode({'lang': locale})}"


def after_checkout(contribution: Contribution, *, outcome: str) -> str:
    """
    Where Stripe sends the reader: back to the newspaper's page, or to ours.

    :param outcome: "thanks" or "back".
    """
    if contribution.return_url:
        parts = urlsplit(contribution.return_url)
        ours = {"sustainer": outcome, "contribution": str(contribution.public_id)}
        query = [
            (key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if key not in ours
        ]
        return urlunsplit(parts._replace(query=urlencode([*query, *ours.items()])))
    if outcome == "thanks":
        return thank_you_page(contribution)
    filled = {
        "back": 1,
        "amount": contribution.amount_minor,
        "interval": contribution.interval,
        "currency": contribution.currency,
        "lang": contribution.locale,
    }
    page = reverse("support:page", kwargs={"slug": contribution.campaign.slug})
    return f"{settings.PUBLIC_BASE_URL}{page}?{urlencode(filled)}"


def thank_you_page(contribution: Contribution) -> str:
    """Our own page that says how a contribution stands."""
    kept = {"slug": contribution.campaign.slug, "public_id": contribution.public_id}
    return settings.PUBLIC_BASE_URL + reverse("support:thanks", kwargs=kept)


def is_allowed_return(url: str) -> bool:
    """Whether a reader may be sent to this address: only to origins that the newsroom has named, never elsewhere."""
    if not url.isascii() or any(character in url for character in "\\ \t\r\n@"):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        return False
    origin = f"{parts.scheme}://{parts.hostname}" + (f":{port}" if port is not None else "")
    return origin in {*settings.ALLOWED_ORIGINS, settings.PUBLIC_BASE_URL}
