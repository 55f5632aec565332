"""Questions about readers that others ask; nothing here writes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Count, F, Max, Q, QuerySet

from members import addresses, crypto, people
from members.census import Census, each_on, get_state, members_on
from members.models import Bounce, Member, Membership, Message, Tier, TierThreshold
from members.rows import among

__all__ = [
    "Census",
    "each_on",
    "get_bounces",
    "get_current_membership",
    "get_current_memberships",
    "get_member",
    "get_member_named",
    "get_membership_from",
    "get_refused_hashes",
    "get_state",
    "get_tier",
    "members_on",
]


def get_member(email: str) -> Member | None:
    """
    The member with this address, in whatever case it was typed; None if there is none.

    :raises addresses.InvalidAddress: it is no e-mail address.
    """
    address = addresses.normalise(email)
    return Member.objects.filter(email_hash__in=crypto.lookup_hashes(addresses.identity(address))).first()


def get_member_named(*, hashes: Collection[str] = (), public_id: UUID | None = None) -> Member | None:
    """The member with one of these look-up hashes of an address, or with this id; None if there is none."""
    named = Q(email_hash__in=hashes) if public_id is None else Q(public_id=public_id)
    return Member.objects.filter(named).first()


def get_tier(annual_minor: int, currency: str) -> Tier | None:
    """
    The tier that a yearly amount reaches; None below the lowest minimum, or where the currency has none.

    :param annual_minor: minor units for a whole year (a monthly amount times twelve).
    :param currency: three capital letters.
    """
    reached = TierThreshold.objects.filter(currency=currency, minimum_annual_minor__lte=annual_minor)
    threshold = reached.select_related("tier").order_by("-minimum_annual_minor").first()
    return threshold.tier if threshold else None


def get_current_membership(member: Member, now: datetime) -> Membership | None:
    """
    The membership that counts now, with its tier; the highest tier if there are several.

    It counts while it is paid for or was given, and for the newsroom's days of grace after that; paused time that is
    not paid does not. One under another address of the same person counts as well (`people`).
    """
    return (
        get_current_memberships(member.pk, now)
        .select_related("tier")
        .order_by(F("tier__position").desc(nulls_last=True), "-started_at", "-pk")
        .first()
    )


def get_membership_from(
    source_kind: Membership.Source, member_id: int, *, now: datetime, **which: str
) -> Membership | None:
    """
    The membership of this member from one source, with its tier; None if it does not count now.

    :param which: columns that tell it from others of that source: `source_reference`, or `currency` of gifts.
    """
    found = Membership.objects.filter(source_kind=source_kind, member=member_id, **which)
    held = found.select_related("tier").order_by("-started_at", "-pk").first()
    return held if held and held.state_at(now).is_member else None


def get_current_memberships(member_id: int, now: datetime) -> QuerySet[Membership]:
    """All memberships of the person behind this member that count at that moment."""
    unpaid = Q(paused_at=None, grace_until__gt=now)
    running = Membership.objects.filter(Q(ends_at=None) | Q(ends_at__gt=now), started_at__lte=now)
    counting = running.filter(
        Q(source_kind=Membership.Source.COMPLIMENTARY) | Q(paid_through__gt=now) | unpaid
    )
    return counting.filter(member__in=people.members_of(member_id))


def get_refused_hashes(hashes: Collection[str]) -> set[str]:
    """
    Those look-up hashes whose address is to be left alone by mail that can wait.

    The mail server refused it, and did not take a mail for it since; or a provider or staff said that it bounces,
    or that its reader called a mail spam (`bounces`).

    :param hashes: of addresses, as `Message.recipient_hash` holds them.
    """
    ends: dict[str, dict[str, datetime]] = {}
    of_people = Message.objects.filter(among("recipient_hash", hashes))
    refused = of_people.filter(state=Message.State.FAILED, failure_code="recipient_refused")
    for address, at in refused.values_list("recipient_hash").annotate(Max("owed_at")):
        ends[address] = {"refused": at}
    told = set(Bounce.objects.filter(among("email_hash", hashes)).values_list("email_hash", flat=True))
    if not ends:
        return told
    taken = of_people.filter(recipient_hash__in=ends, state=Message.State.SENT)
    for address, at in taken.values_list("recipient_hash").annotate(Max("owed_at")):
        ends[address]["taken"] = at
    return told | {
        address for address, at in ends.items() if "taken" not in at or at["taken"] < at["refused"]
    }


def get_bounces() -> dict[str, int]:
    """How many addresses are left alone by kind of what was said of them (`Bounce.Kind`)."""
    return dict(Bounce.objects.order_by().values_list("kind").annotate(Count("pk")))
