"""
What readers allow: the newsletter, and mail that asks for support. Each with the text that was agreed to.

Who changes a text gives it a new version, for the consents that are kept name it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy

from donations.fulfilment import NEWSLETTER
from members import people, services
from members.models import Consent, Member

APPEALS = "appeals"
SOURCE = "account"


@dataclass(frozen=True, slots=True)
class Purpose:
    """Something that needs a reader's permission, and the sentence that asks for it."""

    name: str
    version: str
    text: Any  # lazily translated


PURPOSES = (
    Purpose(NEWSLETTER, "account-newsletter-1", gettext_lazy("Send me the newsletter.")),
    Purpose(APPEALS, "account-appeals-1", gettext_lazy("You may write to me when you need support.")),
)


@dataclass(frozen=True, slots=True)
class Given:
    """
    Whether a purpose is allowed now.

    :param since: when it was agreed to; None if it was not, or was taken back.
    :param version: of the text that was agreed to; "" if none.
    """

    purpose: Purpose
    since: datetime | None
    version: str


def get_given(reader: Member) -> list[Given]:
    """Each purpose, with the first consent of this person that stands, under whichever of their addresses."""
    standing = Consent.objects.filter(
        member__in=people.members_of(reader.pk),
        purpose__in=[purpose.name for purpose in PURPOSES],
        withdrawn_at=None,
    )
    found: dict[str, Consent] = {}
    for row in standing.order_by("granted_at", "pk"):
        found.setdefault(row.purpose, row)
    return [
        Given(purpose, row.granted_at if row else None, row.text_version if row else "")
        for purpose in PURPOSES
        for row in (found.get(purpose.name),)
    ]


def set_given(reader: Member, wanted: dict[str, bool], *, now: datetime) -> None:
    """
    Allow or take back, by the purposes' names; what is not named, or is so already, stays as it is.

    Taking back is as easy as allowing, and the consent that was taken back stays on record.
    """
    for given in get_given(reader):
        wish = wanted.get(given.purpose.name)
        if wish and given.since is None:
            services.record_consent(
                member=reader,
                purpose=given.purpose.name,
                text_version=given.purpose.version,
                source=SOURCE,
                now=now,
            )
        elif wish is False and given.since is not None:
            services.withdraw_consent(member=reader, purpose=given.purpose.name, now=now)
