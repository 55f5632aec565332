"""
How many members there were: on any day, by tier and state, from the steps of their memberships alone.

What was true of a day can be asked for as it is known now, or as it was known at a later moment (`known_at`): so a
number that was reported last year can be found again after late news has corrected it, and after staff have noticed
that two addresses are one person. Nothing here writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import CharField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Concat
from django.db.models.lookups import Exact

from members import calendar, people
from members.models import Member, Membership, MembershipState, MembershipStep, Merge, Tier
from members.models.standing import state_at

# Of a person with several memberships, the one counts that comes first here; among equals the one of the higher tier.
_WEIGHT = {
    MembershipState.ACTIVE: 0,
    MembershipState.ENDING: 1,
    MembershipState.COMPLIMENTARY: 2,
    MembershipState.GRACE: 3,
    MembershipState.PAST_DUE: 4,
    MembershipState.PAUSED: 5,
    MembershipState.LAPSED: 6,
    MembershipState.ENDED: 7,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one person stood at a moment."""

    person_id: int  # the member that stands for the person, if several are one
    membership_id: int
    state: MembershipState
    tier: str | None  # its slug


@dataclass(slots=True)
class Census:
    """How many people stood how at a moment; each person is counted once."""

    moment: datetime
    people: Counter[tuple[str | None, MembershipState]] = field(default_factory=Counter)

    @property
    def members(self) -> int:
        """How many were members."""
        return sum(count for (_, state), count in self.people.items() if state.is_member)

    def by_state(self) -> Counter[MembershipState]:
        counts: Counter[MembershipState] = Counter()
        for (_, state), count in self.people.items():
            counts[state] += count
        return counts

    def by_tier(self) -> Counter[str | None]:
        """How many were members, by the slug of their tier; None for those below the lowest."""
        counts: Counter[str | None] = Counter()
        for (tier, state), count in self.people.items():
            if state.is_member:
                counts[tier] += count
        return counts


def members_on(when: date | datetime, *, known_at: datetime | None = None) -> Census:
    """
    Count the people that had a membership at a moment, or at the end of a day of the newsroom's calendar.

    :param known_at: as it was known then; None: as it is known now.
    """
    census = Census(_moment(when))
    for standing in each_on(when, known_at=known_at):
        census.people[standing.tier, standing.state] += 1
    return census


def each_on(when: date | datetime, *, known_at: datetime | None = None) -> Iterator[Standing]:
    """How each person stood who had begun a membership by then, whatever became of it."""
    return _best(_moment(when), known_at, None)


def get_state(member: Member, when: date | datetime) -> MembershipState | None:
    """How somebody stood at a moment, by the membership that counts most; None if none had begun."""
    found = next(_best(_moment(when), None, member), None)
    return found.state if found else None


def was_member_before(membership: Membership) -> bool:
    """
    Whether a person was a member already, by another membership, when this one began.

    By the moments at which they began, not by when we heard of them. Stripe tells moments to the second: of two of the
    same second that is before of which we heard first, whose reader may have been welcomed already.
    """
    begun = (membership.started_at, membership.pk)
    earlier = {
        other.pk
        for other in Membership.objects.filter(
            member__in=people.members_of(membership.member_id), started_at__lte=membership.started_at
        )
        if (other.started_at, other.pk) < begun
    }
    stood = (row for row in _stood(membership.started_at, None, membership.member) if row[1] in earlier)
    return any(row is not None and MembershipState(row.partition(":")[0]).is_member for _, _, row in stood)


def everybody_on(when: date | datetime, *, known_at: datetime | None = None) -> set[int]:
    """Every person who was known here by a moment, or by the end of a day, and is not erased; members or not."""
    here = Member.objects.filter(joined_at__lte=_moment(when))
    erased = Q(erased_at__isnull=False)
    if known_at is not None:
        here, erased = here.filter(joined_at__lte=known_at), Q(erased_at__lte=known_at)
    kept = get_kept(known_at)
    return {kept.get(pk, pk) for pk in here.exclude(erased).values_list("pk", flat=True)}


def _moment(when: date | datetime) -> datetime:
    if isinstance(when, datetime):
        return when
    # The last moment of the day: what begins at midnight belongs to the next.
    return calendar.end_of_day(when, ZoneInfo(settings.NEWSROOM_TIME_ZONE)) - timedelta(microseconds=1)


def _best(moment: datetime, known_at: datetime | None, member: Member | None) -> Iterator[Standing]:
    tiers = {tier.pk: tier for tier in Tier.objects.all()}
    kept = get_kept(known_at)
    best: dict[int, tuple[tuple[int, int, int], Standing]] = {}
    for member_id, membership_id, stood in _stood(moment, known_at, member).iterator(chunk_size=10_000):
        if stood is None:
            continue
        state, _, tier_id = stood.partition(":")
        tier = tiers[int(tier_id)] if tier_id else None
        person_id = kept.get(member_id, member_id)
        found = Standing(person_id, membership_id, MembershipState(state), tier.slug if tier else None)
        weight = (_WEIGHT[found.state], -(tier.position if tier else -1), membership_id)
        if person_id not in best or weight < best[person_id][0]:
            best[person_id] = (weight, found)
    return (found for _, found in best.values())


def get_kept(known_at: datetime | None) -> dict[int, int]:
    """Of each member that was merged into another, by the merges that stand (or stood then): the one that is kept."""
    standing = Merge.objects.filter(undone_at=None)
    if known_at is not None:
        undone_later = Q(undone_at=None) | Q(undone_at__gt=known_at)
        standing = Merge.objects.filter(undone_later, merged_at__lte=known_at)
    into = dict(standing.values_list("duplicate", "kept"))
    tops = {}
    for member_id in into:
        top = member_id
        while top in into:  # merges never make a ring (members/merging.py)
            top = into[top]
        tops[member_id] = top
    return tops


def _stood(
    moment: datetime, known_at: datetime | None, member: Member | None
) -> QuerySet[Membership, tuple[int, int, str | None]]:
    """
    Of each membership: whose, which, and "state:tier" by its last step until that moment, one look at an index each;
    None for one that had not begun. (Leaving these out in SQL would look twice.)
    """
    steps = MembershipStep.objects.effective(known_at).filter(membership=OuterRef("pk"), at__lte=moment)
    given = Exact(OuterRef("source_kind"), Value(Membership.Source.COMPLIMENTARY))
    last = Subquery(
        steps.order_by("-at", "-place", "-pk")
        .annotate(
            stood=Concat(
                state_at(moment, is_complimentary=given), Value(":"), "tier_id", output_field=CharField()
            )
        )
        .values("stood")[:1]
    )
    memberships = Membership.objects.all()
    if member is not None:
        memberships = memberships.filter(member__in=people.members_of(member.pk))
    return memberships.order_by().annotate(stood=last).values_list("member_id", "pk", "stood")
