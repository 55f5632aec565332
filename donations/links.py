"""Addresses that we put into mails and give to Stripe; every one starts at PUBLIC_BASE_URL or an allowed origin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.core import signing
from django.urls import reverse

if TYPE_CHECKING:
    from donations.models import Campaign, Contribution, ContributionChange, DoubleCharge, Subscription


class BadLink(Exception):
    """The token is forged, cut, for another purpose, or (`is_old`) too old."""

    def __init__(self, *, is_old: bool = False) -> None:
        super().__init__("too old" if is_old else "not ours")
        self.is_old = is_old


@dataclass(frozen=True, slots=True)
class SignedLink:
    """
    Addresses of one page that only we can write: whoever holds one may do there what the page is for, and nothing else.

    :param salt: the purpose; a token for another one is worthless here.
    :param page: the name of the page among our addresses.
    """

    salt: str
    page: str
    life: timedelta

    def to(self, value: Any) -> str:
        """The address for a value (anything that JSON can hold), valid from now on for its life."""
        token = signing.dumps(value, salt=self.salt)
        return settings.PUBLIC_BASE_URL + reverse(self.page, kwargs={"token": token})

    def read(self, token: str) -> Any:
        """The value. Raises BadLink."""
        try:
            return signing.loads(token, salt=self.salt, max_age=self.life)
        except signing.SignatureExpired as error:
            raise BadLink(is_old=True) from error
        except signing.BadSignature as error:
            raise BadLink from error


# Another card for one subscription; the end of one; both by its primary key.
CARD = SignedLink("donations.links.card", "support:card", timedelta(days=30))
# A mail about an annual payment is looked up a year later.
STOP = SignedLink("donations.links.stop", "support:stop", timedelta(days=400))
# Undo one second charge, by the primary key of the question about it.
DOUBLE = SignedLink("donations.links.double", "support:double", timedelta(days=14))
# One action on one subscription, of one mail: see `action_page`.
ACTION = SignedLink("donations.links.action", "support:action", timedelta(days=40))
# Undo one change, by its primary key. The page itself knows for how long that is possible.
UNDO = SignedLink("donations.links.undo", "support:undo", timedelta(days=40))

SKIP, LOWER, ONCE = "skip", "lower", "once"
ACTIONS = (SKIP, LOWER, ONCE)


def support_page(campaign: Campaign) -> str:
    """Our own page with the appeal, which works without any script."""
    return settings.PUBLIC_BASE_URL + reverse("support:page", kwargs={"slug": campaign.slug})


def card_page(subscription: Subscription) -> str:
    """A link with which whoever holds it can give another card for one subscription; valid for 30 days."""
    return CARD.to(subscription.pk)


def stop_page(subscription: Subscription) -> str:
    """A link with which whoever holds it can end one subscription, and nothing else; valid for 400 days."""
    return STOP.to(subscription.pk)


def double_page(notice: DoubleCharge) -> str:
    """A link with which whoever holds it can undo one second charge, and nothing else; valid for 14 days."""
    return DOUBLE.to(notice.pk)


def action_page(subscription: Subscription, action: str, *, occasion: str) -> str:
    """
    A link with which whoever holds it can do one thing to one subscription, once; valid for 40 days.

    :param action: one of ACTIONS.
    :param occasion: what the mail was about; a link of one occasion can be used once.
    """
    return ACTION.to([subscription.pk, action, occasion])


def undo_page(change: ContributionChange) -> str:
    """A link with which whoever holds it can undo one change, while that is possible."""
    return UNDO.to(change.pk)


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
