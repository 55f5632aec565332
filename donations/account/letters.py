"""The mails about the account itself; what is in them, and who says whether they are still wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils.http import urlencode

from members import emails, samples, self_service, sign_in
from members.models import Message, SignInToken

CONFIRM = "confirm_address"  # the kind of the mail that brings a link to a new address


def register() -> None:
    """Tell the ground floor of them; once, when the app starts."""
    emails.register(
        emails.Kind(
            sign_in.KIND,
            needs=frozenset({"open_url", "minutes_text"}),
            is_wanted=sign_in.is_wanted,
            look_up=_links,
        )
    )
    emails.register(emails.Kind(CONFIRM, needs=frozenset({"confirm_url"}), is_wanted=_is_unused))
    link = {"confirm_url": "{link}"}
    samples.register(CONFIRM, {"en": link, "ru": link})
    emails.register(emails.Kind(self_service.CHANGED, needs=frozenset({"new_address"})))
    new = {"new_address": "g…@example.org"}
    samples.register(self_service.CHANGED, {"en": new, "ru": {"new_address": "г…@пример.рф"}})
    sample = {"open_url": "{link}", "minutes_text": _minutes_text()}
    samples.register(sign_in.KIND, {"en": sample, "ru": sample})


def _links(messages: Sequence[Message], now: datetime) -> Mapping[str, emails.Letter]:
    """The mails with which members sign in; a stranger's wish has none."""
    minted = sign_in.mint(messages, now)
    languages = {message.dedup_key: emails.supported_language(message.locale) for message in messages}
    return {
        key: emails.Letter(
            recipient=found.address,
            context={
                "open_url": _open_url(found.token, found.goes_to, languages[key]),
                "minutes_text": _minutes_text(),
            },
        )
        for key, found in minted.items()
    }


def confirmation(token: str, locale: str) -> dict[str, str]:
    """What the mail to a new address holds."""
    address = reverse("account:confirm-address", kwargs={"token": token})
    query = urlencode({"lang": emails.supported_language(locale)})
    return {"confirm_url": f"{settings.PUBLIC_BASE_URL}{address}?{query}"}


def _is_unused(dedup_key: str) -> bool:
    """Whether the link to confirm an address still opens something: a newer one may have been asked for."""
    return SignInToken.objects.filter(token_hash=dedup_key.partition(":")[2], spent_at=None).exists()


def _open_url(token: str, goes_to: str, language: str) -> str:
    query = {"lang": language, **({"next": goes_to} if goes_to else {})}
    address = reverse("account:open", kwargs={"token": token})
    return f"{settings.PUBLIC_BASE_URL}{address}?{urlencode(query)}"


def _minutes_text() -> str:
    return str(int(sign_in.LIFE.total_seconds()) // 60)
