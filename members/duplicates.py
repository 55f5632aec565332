"""
Members who may be one person: suggested, looked at by staff, and merged or said to be two.

One address is one member already. What else two members have in common (a card, a name with a postcode) are keyed
hashes that the floors above tell (`note`). A suggestion is a question: only staff answer it, by `merging` or here.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from django.db.models import Count, Exists, Max, OuterRef
from django.db.models.functions import Coalesce

from members import crypto
from members.models import Mark, Member, TwoPeople
from members.rows import among, insert_new

MOST_PEOPLE = (
    5  # a card that more people pay with is a company's, a name with a postcode that more have is a house's
)
MOST_GROUPS = 500
_BATCH = 1000
_NO_WORD = re.compile(r"[^\w]+")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Two members who have something in common, the one who joined first in front."""

    first: Member
    second: Member
    kinds: tuple[str, ...]


def place_of(name: str, postcode: str) -> str:
    """
    A name with a postcode as one text, however they are written; "" if one of them is missing.

    >>> place_of("Ada  Sample", "sw1a 1aa") == place_of("ADA SAMPLE", "SW1A-1AA")
    True
    """
    folded = [
        _NO_WORD.sub(gap, unicodedata.normalize("NFKC", text).casefold()).strip()
        for text, gap in ((name, " "), (postcode, ""))
    ]
    return "|".join(folded) if all(folded) else ""


def hash_of(kind: str, text: str) -> str:
    """The keyed hash that stands for what two members may have in common; "" for nothing."""
    return crypto.lookup_hash(f"{kind}:{text}") if text else ""


def note(marks: Iterable[tuple[int, str, str]]) -> int:
    """Remember that members (by primary key) have something, by kind and keyed hash; how much of it was new."""
    rows = [Mark(member_id=member, kind=kind, value=value) for member, kind, value in marks if value]
    new = 0
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        new += insert_new(batch)
        _note_shared({row.value for row in batch})
    return new


def _note_shared(values: set[str]) -> None:
    """
    Find out now who has the same, so that nobody has to compare all marks to make suggestions.

    Asked also when nothing was new: of two who wrote at once, neither saw the other's.
    """
    same = Mark.objects.filter(kind=OuterRef("kind"), value=OuterRef("value"))
    others = same.exclude(member=OuterRef("member"))
    known = Mark.objects.filter(among("value", values), kind__in=Mark.Kind.values, is_shared=False)
    known.filter(Exists(others)).update(is_shared=True)


def suggest() -> list[Suggestion]:
    """Pairs of members who may be one person and were not looked at yet, newest first; in four statements."""
    people = (
        Mark.objects.filter(is_shared=True)
        .annotate(person=Coalesce("member__merged_into", "member"))
        .order_by()
    )
    groups = (
        people.values("kind", "value")
        .annotate(people=Count("person", distinct=True), newest=Max("pk"))
        .filter(people__gt=1, people__lte=MOST_PEOPLE)
        .order_by("-newest")[:MOST_GROUPS]
    )
    found = list(groups.values_list("kind", "value"))
    if not found:
        return []
    wanted = set(found)
    theirs: dict[tuple[str, str], set[int]] = defaultdict(set)
    rows = people.filter(value__in=[value for _, value in found])
    for kind, value, person in rows.values_list("kind", "value", "person"):
        if (kind, value) in wanted:
            theirs[kind, value].add(person)
    kinds: dict[tuple[int, int], list[str]] = defaultdict(list)
    for group in found:
        for pair in combinations(sorted(theirs[group]), 2):
            if group[0] not in kinds[pair]:
                kinds[pair].append(group[0])
    members = Member.objects.in_bulk({pk for pair in kinds for pk in pair})
    told = TwoPeople.objects.filter(first__in=members, second__in=members)
    for pair in told.values_list("first", "second"):
        kinds.pop(pair, None)
    found_pairs = []
    for pair, why in kinds.items():
        first, second = sorted((members[pk] for pk in pair), key=lambda one: (one.joined_at, one.pk))
        found_pairs.append(Suggestion(first, second, tuple(why)))
    return found_pairs


def say_two_people(one: Member, other: Member, *, why: str, actor: str, now: datetime) -> bool:
    """Staff found these members to be two people; False if that was said before."""
    first, second = sorted((one, other), key=lambda member: member.pk)
    return bool(insert_new([TwoPeople(first=first, second=second, why=why, actor=actor, found_at=now)]))
