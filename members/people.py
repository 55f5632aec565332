"""
Who is the same person as whom: questions about the members that staff merged; nothing here writes.

Rows stay with the member under whose address they came to be. Whoever asks "has this person …?" therefore asks for
all of the person's members, in the statement that was needed anyway (`members_of`), or for many people with one
statement in front (`get_people`). See docs/decisions/0019.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from members.models import Member, Merge
from members.rows import among


@dataclass(slots=True)
class People:
    """
    Who stands behind some addresses.

    :param hashes: look-up hashes of all addresses of these people: those asked for, and those merged with them.
    :param members: the people's members by primary key, and which person each is.
    """

    hashes: set[str]
    members: dict[int, str] = field(default_factory=dict)
    _of: dict[str, str] = field(default_factory=dict)
    _kept: set[int] = field(default_factory=set)

    def person(self, email_hash: str) -> str:
        """What all addresses of one person have in common: the hash of the address that we write to."""
        return self._of.get(email_hash, email_hash)

    @property
    def with_several_addresses(self) -> list[int]:
        """The members that stand for those who have more than one address, in order."""
        return sorted(self._kept)


def get_people(hashes: Collection[str]) -> People:
    """
    Who stands behind these addresses, whether or not they are members', in one statement.

    :param hashes: of addresses, as `Member.email_hash` holds them.
    """
    people = People(set(hashes))
    asked = Member.objects.filter(among("email_hash", people.hashes)).order_by()
    # A union, and not outer joins: for thousands of addresses those would have PostgreSQL read all members there are.
    alone_or_kept = asked.filter(merged_into=None).values_list(
        "pk", "email_hash", "aliases", "aliases__email_hash"
    )
    merged = asked.exclude(merged_into=None).values_list(
        "merged_into", "merged_into__email_hash", "merged_into__aliases", "merged_into__aliases__email_hash"
    )
    for kept, person, alias, alias_hash in alone_or_kept.union(merged, all=True):
        people.members[kept] = people._of[person] = person
        if alias is not None:
            people.members[alias] = people._of[alias_hash] = person
            people._kept.add(kept)
    people.hashes.update(people._of)
    return people


def hold(people: People) -> None:
    """
    Keep these people as they are until the transaction ends, and make others wait who hold one of them.

    Only those with several addresses are held: of an address alone, a UNIQUE constraint tells who came second.
    """
    if kept := people.with_several_addresses:
        rows = Member.objects.select_for_update(no_key=True).filter(pk__in=kept).order_by("pk")
        list(rows.values_list("pk", flat=True))


def members_of(member_id: int) -> QuerySet[Member]:
    """
    All members that are one person with this one, itself among them; to put into another query: `member__in=…`.

    It asks the database who that is, so a member that was loaded before a merge gives the right answer.
    """
    kept = Subquery(Member.objects.filter(pk=member_id).values(kept=Coalesce("merged_into", "pk")))
    return Member.objects.filter(Q(pk=kept) | Q(merged_into=kept))


def get_changed_members(*, since: datetime) -> dict[int, str]:
    """
    All members of the people who were merged since then, or of whom a merge was undone: look-up hash by primary key.

    Whoever keeps something that follows from who is one person brings it up to date for these.
    """
    changed = Merge.objects.filter(Q(merged_at__gte=since) | Q(undone_at__gte=since))
    members = {member for pair in changed.values_list("kept", "duplicate") for member in pair}
    if not members:
        return {}
    kept = Member.objects.filter(among("pk", members)).values_list(Coalesce("merged_into", "pk"), flat=True)
    people = list(kept)
    rows = Member.objects.filter(among("pk", people) | among("merged_into", people))
    return dict(rows.values_list("pk", "email_hash"))
