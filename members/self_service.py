"""
What readers tell us of themselves: a name, a language, another address.

Another address is another member, merged: what was given under the old one stays with it, mail goes to the new one, and
staff can undo it as any merge (docs/decisions/0042).
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction

from members import addresses, crypto, doorbell, merging, outbox, people
from members.models import AddressChange, Member, Merge
from members.rows import insert_new

CHANGED = "address_changed"  # the kind of the mail to the old address
ACTOR = "reader"
_WHY = "The reader was signed in, and opened the link that was sent to the new address."
# Before all that others ever told: what readers say of themselves stays, whoever tells another name later.
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


class AddressTaken(Exception):
    """The new address is one of another person's addresses; staff can find out whether they are one person."""


def set_name(reader: Member, name: str) -> None:
    """Call this reader by another name, or by none."""
    reader.name, reader.name_told_at = name, _FIRST
    reader.save(update_fields=["name", "name_told_at"])


def set_locale(reader: Member, locale: str) -> None:
    """Write to this reader in another language."""
    Member.objects.filter(pk=reader.pk).update(locale=locale)
    reader.locale = locale


def change_address(reader: Member, address: str, *, now: datetime) -> Member:
    """
    Write to this reader at another address from now on, and tell the old one.

    The caller knows that both are this reader's: signed in by the old one, with a link from the new one in hand.

    :param reader: the person (`Member.person`).
    :returns: the member that stands for the person now.
    :raises AddressTaken: it is merged into somebody else. Nothing was changed.
    """
    address = addresses.normalise(address)
    with transaction.atomic():
        new = _member_of(address, reader, now)
        if new.pk == reader.pk:
            return reader
        if new.merged_into_id not in (None, reader.pk):
            raise AddressTaken
        if new.merged_into_id is not None:  # an earlier address of this reader: it leads from now on
            before = Merge.objects.get(duplicate=new, undone_at=None)
            merging.undo(before, actor=ACTOR, now=now)
        merging.merge(kept=new, duplicate=reader, actor=ACTOR, why=_WHY, now=now)
        change = AddressChange.objects.create(member=new, made_at=now)
        outbox.owe(
            kind=CHANGED,
            member=reader,
            recipient=reader.email,
            dedup_key=f"{CHANGED}:{change.public_id}",
            context={"new_address": masked(address)},
            locale=reader.locale,
            now=now,
        )
    doorbell.ring("members.tasks.send_owed_mail")
    return Member.objects.get(pk=new.pk)


def _member_of(address: str, reader: Member, now: datetime) -> Member:
    """The member with this address, held; made as a copy of the reader if there is none."""
    hashes = crypto.lookup_hashes(addresses.identity(address))
    insert_new(
        []
        if Member.objects.filter(email_hash__in=hashes).exists()
        else [
            Member(
                email_hash=hashes[0],
                email=address,
                name=reader.name,
                name_told_at=reader.name_told_at,
                locale=reader.locale,
                joined_at=reader.joined_at,
            )
        ]
    )
    return Member.objects.select_for_update(no_key=True).get(email_hash__in=hashes)


def masked(address: str) -> str:
    """An address that its owner recognises and others do not learn: "g…@example.org"."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"


def get_joined_at(reader: Member) -> datetime:
    """Since when we know this person, under whichever address."""
    return min(people.members_of(reader.pk).values_list("joined_at", flat=True))
