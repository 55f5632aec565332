"""
Making two members one person, and taking that back.

Nothing is moved. Each merge is a row that says "this member is the same person as that one", and those that stand
make a tree for each person. Every member of a tree points to its top (`Member.merged_into`), so that others need one
step to find the person. Undoing a merge cuts its branch off, in whatever order merges are undone: gifts, memberships,
consents and mails are then where they would be had it never been, those that came meanwhile too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import structlog
from django.db import transaction
from django.db.models import Q

from members.models import DataRequest, Mark, Member, Merge, TwoPeople

log = structlog.get_logger(__name__)

_Result = TypeVar("_Result")
_TRIES = 5


class CannotMerge(Exception):
    """These two cannot be merged as things are. Its message tells staff why, and what to do."""


@dataclass(frozen=True, slots=True)
class Preview:
    """
    What a merge would bring together, to be looked at before it is done.

    :param refused: why it cannot be done as things are; "" if it can.
    :param addresses: the members that would be one person, the one that is written to first.
    :param rows: by model, such as "donations.Contribution": how many the person of `kept` has, and how many come along.
    """

    refused: str
    addresses: list[Member]
    rows: dict[str, tuple[int, int]]


def preview(kept: Member, duplicate: Member) -> Preview:
    """What `merge` would do now; nothing is held or written."""
    here, there = _everybody((kept.pk,)), _everybody((duplicate.pk,))
    standing = Merge.objects.filter(duplicate=duplicate.pk, undone_at=None).first()
    tops = {kept.pk: here[kept.pk] or kept.pk, duplicate.pk: there[duplicate.pk] or duplicate.pk}
    members = Member.objects.filter(pk__in={*here, *there})
    rows = {}
    for relation in Member._meta.related_objects:
        model = relation.related_model
        if isinstance(model, str) or model in (Member, Merge, Mark, TwoPeople):
            continue
        counts = [
            model._base_manager.filter(**{f"{relation.field.name}__in": side}).count()
            for side in (here, there.keys() - here.keys())
        ]
        if any(counts):
            rows[model._meta.label] = (counts[0], counts[1])
    return Preview(
        refused=_refusal(kept.pk, duplicate.pk, tops, standing),
        addresses=sorted(members, key=lambda member: (member.pk != tops[kept.pk], member.pk)),
        rows=rows,
    )


def merge(kept: Member, duplicate: Member, *, actor: str, why: str, now: datetime) -> Merge:
    """
    Note that two members are one person, who is written to at the address of `kept` from now on.

    Those that were merged into `duplicate` before come along. `kept` may have been merged itself: `duplicate` is
    then one person with all of them, and stays with `kept` if that merge is undone. Said again, it is noted once.

    :param actor: who says so, such as "staff:7".
    :param why: how they know; kept sealed.
    :raises CannotMerge: it is one member; they are one person already; or `duplicate` is merged into a third.
    :returns: the merge, to be undone with `undo`.
    """
    if not actor.strip() or not why.strip():
        raise CannotMerge("Say who merges these members, and how they know that this is one person.")

    def act() -> Merge:
        tops = _hold(kept.pk, duplicate.pk)
        standing = Merge.objects.filter(duplicate=duplicate.pk, undone_at=None).first()
        if standing is not None and standing.kept_id == kept.pk:
            return standing
        if refused := _refusal(kept.pk, duplicate.pk, tops, standing):
            raise CannotMerge(refused)
        noted = Merge.objects.create(
            kept_id=kept.pk, duplicate_id=duplicate.pk, why=why, actor=actor, merged_at=now
        )
        Member.objects.filter(Q(pk=duplicate.pk) | Q(merged_into=duplicate.pk)).update(
            merged_into=tops[kept.pk]
        )
        log.info("members merged", merge=str(noted.public_id), actor=actor)
        return noted

    return _until_nobody_interferes(act)


def _refusal(kept: int, duplicate: int, tops: dict[int, int], standing: Merge | None) -> str:
    if kept == duplicate:
        return "This is one member, not two."
    if tops[kept] == tops[duplicate]:
        return "These members are one person already."
    if Member.objects.filter(pk__in=tops.values(), erased_at__isnull=False).exists():
        return "One of them was erased: nobody can say any more who that was."
    if _are_being_erased(tops.values()):
        return "One of them is being erased right now."
    if standing is not None:
        return "The second member is merged into another one. Undo that first, or merge that one instead."
    return ""


def undo(merge: Merge, *, actor: str, now: datetime) -> bool:
    """
    Take a merge back: `duplicate`, and those merged into it, are a person of their own again.

    Merges that were made before or after it stand; they can be undone in any order.

    :param actor: who says so, such as "staff:7".
    :returns: whether this call did it; False if it had been undone.
    :raises CannotMerge: the reader is being erased.
    """

    def act() -> bool:
        top = _hold(merge.duplicate_id)[merge.duplicate_id]
        standing = Merge.objects.filter(pk=merge.pk, undone_at=None)
        if not standing.update(undone_at=now, undone_by=actor):
            return False
        if _are_being_erased([top]):
            raise CannotMerge("This reader is being erased right now, with all of their addresses.")
        branch = _branch(merge.duplicate_id, top)
        Member.objects.filter(pk=merge.duplicate_id).update(merged_into=None)
        Member.objects.filter(pk__in=branch).update(merged_into=merge.duplicate_id)
        log.info("merge undone", merge=str(merge.public_id), actor=actor)
        return True

    done = _until_nobody_interferes(act)
    merge.refresh_from_db(fields=["undone_at", "undone_by"])
    return done


def _are_being_erased(tops: Collection[int]) -> bool:
    wanted = DataRequest.objects.filter(
        Q(member__in=tops) | Q(member__merged_into__in=tops), kind=DataRequest.Kind.ERASE
    )
    return wanted.filter(state__in=DataRequest.OPEN).exists()


def _branch(below: int, top: int) -> list[int]:
    """The members that standing merges hang below this one, itself left out."""
    merged: dict[int, list[int]] = defaultdict(list)
    standing = Merge.objects.filter(undone_at=None, duplicate__merged_into=top)
    for kept, duplicate in standing.values_list("kept", "duplicate"):
        merged[kept].append(duplicate)
    found: list[int] = []
    ahead = [below]
    while ahead:
        nearer = merged[ahead.pop()]
        found += nearer
        ahead += nearer
    return found


# --- One at a time for each person


class _Interfered(Exception):
    """Somebody merged one of these members while we waited for them."""


def _until_nobody_interferes(act: Callable[[], _Result]) -> _Result:
    for tries_left in reversed(range(_TRIES)):
        try:
            with transaction.atomic():
                return act()
        except _Interfered:
            if not tries_left:
                raise CannotMerge("Others are merging these members right now. Please look again.") from None
    raise AssertionError("the last try returns or raises")


def _hold(*member_ids: int) -> dict[int, int]:
    """
    Keep these members, and all who are one person with one of them, from being merged until the transaction ends.

    Everybody takes these locks in one order, all at once, so that nobody waits in a circle.

    :returns: each member's top: itself, or the one it is merged into.
    """
    seen = _everybody(member_ids)
    rows = Member.objects.select_for_update(no_key=True).filter(pk__in=seen).order_by("pk")
    held = dict(rows.values_list("pk", "merged_into"))
    if not held == seen == _everybody(member_ids):
        raise _Interfered
    return {pk: held[pk] or pk for pk in member_ids}


def _everybody(member_ids: tuple[int, ...]) -> dict[int, int | None]:
    """These members and all who are one person with one of them, each with the member it is merged into."""
    tops = {
        merged_into or pk
        for pk, merged_into in Member.objects.filter(pk__in=member_ids).values_list("pk", "merged_into")
    }
    rows = Member.objects.filter(Q(pk__in=tops) | Q(merged_into__in=tops))
    return dict(rows.values_list("pk", "merged_into"))
