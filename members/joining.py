"""Readers join and agree to things: whoever told us something first counts, whatever the order in which we hear."""

from __future__ import annotations

from datetime import datetime

from members import addresses, crypto, people
from members.models import Consent, Member
from members.rows import insert_new


def get_or_join(*, email: str, name: str = "", locale: str = "en", now: datetime) -> Member:
    """
    The member with this address, made if there is none.

    Also where this address was merged into another member: it stands for that person (`Member.person`), and what
    comes under it is its own again should the merge be undone.

    What somebody told first counts: the spelling of the address, the language and the name come from the
    earliest call by `now` (the name, from the earliest one that gave a name). A later gift under the same
    address changes none of them, since anybody can type anybody's address; a call that comes late does.

    :raises addresses.InvalidAddress: it is no e-mail address.
    """
    address = addresses.normalise(email)
    hashes = crypto.lookup_hashes(addresses.identity(address))
    member = Member.objects.filter(email_hash__in=hashes).first()
    if member is None:
        newcomer = Member(
            email_hash=hashes[0],
            email=address,
            name=name,
            name_told_at=now if name else None,
            locale=locale,
            joined_at=now,
        )
        insert_new([newcomer])  # or somebody else was quicker
        member = Member.objects.get(email_hash__in=hashes)
    if now < member.joined_at:
        _take_back_joining(member, address, locale, now)
    if name and (member.name_told_at is None or now < member.name_told_at):
        _take_name(member, name, now)
    return member


def _take_back_joining(member: Member, address: str, locale: str, now: datetime) -> None:
    sealed = Member._meta.get_field("email").seal(member, address)
    later = Member.objects.filter(pk=member.pk, joined_at__gt=now)
    if later.update(joined_at=now, locale=locale, email=sealed):
        member.joined_at, member.locale, member.email = now, locale, address


def _take_name(member: Member, name: str, now: datetime) -> None:
    sealed = Member._meta.get_field("name").seal(member, name)
    told_later = Member.objects.filter(pk=member.pk).exclude(name_told_at__lte=now)
    if told_later.update(name=sealed, name_told_at=now):
        member.name, member.name_told_at = name, now


def withdraw_consent(*, member: Member, purpose: str, now: datetime) -> int:
    """Take back all that this person agreed to for one purpose, whichever the text; how many consents that were."""
    standing = Consent.objects.filter(
        member__in=people.members_of(member.pk), purpose=purpose, withdrawn_at=None, granted_at__lte=now
    )
    return standing.update(withdrawn_at=now)


def record_consent(*, member: Member, purpose: str, text_version: str, source: str, now: datetime) -> None:
    """
    Write down that a member agreed to a text; the earliest agreement counts while it stands.

    :param now: when it was given. One given before a withdrawal does not come back to life when told late.
    """
    same = Consent.objects.filter(member=member, purpose=purpose, text_version=text_version)
    if same.filter(withdrawn_at__gte=now).exists():
        return
    given = Consent(member=member, purpose=purpose, text_version=text_version, granted_at=now, source=source)
    if not insert_new([given]):
        same.filter(withdrawn_at=None, granted_at__gt=now).update(granted_at=now, source=source)
