"""Memberships that staff give: for a time, for a reason, and never counted as paid."""

from __future__ import annotations

import uuid
from dataclasses import asdict, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction

from members import calendar, life, memberships, people, steps
from members.models import Member, Membership, MembershipStep, StaffNote, Tier
from members.rows import insert_new

Kind = MembershipStep.Kind
Source = Membership.Source
_WHY_LENGTH = 200


class NotPossible(ValueError):
    """A complimentary membership cannot be given or ended like this; the message is fit for staff."""


def give_complimentary(
    *, member: Member, tier: Tier, until: date, actor: str, why: str, now: datetime
) -> Membership:
    """
    Make somebody a member as a gift of the house. Who has one already keeps it, under the new terms.

    :param until: the last day of it, by the newsroom's calendar.
    :param actor: who gives it, such as "staff:7"; never a name.
    :param why: for colleagues; kept beside the history, where it can be erased.
    :raises NotPossible: the day is over, or a reason is missing.
    """
    ends_at = calendar.end_of_day(until, ZoneInfo(settings.NEWSROOM_TIME_ZONE))
    if ends_at <= now:
        raise NotPossible("The last day lies in the past.")
    reason = _reason(why)
    terms = life.Stand(
        tier_id=tier.pk,
        annual_minor=0,
        paid_through=ends_at,
        grace_until=ends_at,
        ends_at=ends_at,
        ends_as=life.ENDED,
    )
    with transaction.atomic():
        # Two members of staff may do it at once: both wait here, and the second changes what the first gave.
        Member.objects.select_for_update(no_key=True).only("pk").get(pk=member.merged_into_id or member.pk)
        running = _running(member, now)
        if running is None:
            running = Membership.objects.create(
                member_id=member.pk,
                source_kind=Source.COMPLIMENTARY,
                source_reference=str(uuid.uuid4()),
                started_at=now,
                **asdict(terms),
            )
        elif steps.stand_of(running) == terms:
            return running  # a form that was sent twice
        else:
            memberships.write(running, **asdict(terms))
        _add(running, Kind.COMPLIMENTARY_GIVEN, "Given by staff.", reason, actor=actor, now=now)
        return running


def end_complimentary(*, membership: Membership, actor: str, why: str, now: datetime) -> bool:
    """
    End a complimentary membership now. False if it has ended already.

    :raises NotPossible: it is paid for, or a reason is missing.
    """
    reason = _reason(why)
    with transaction.atomic():
        locked = memberships.locked().get(pk=membership.pk)
        if locked.source_kind != Source.COMPLIMENTARY:
            raise NotPossible("This membership was not given by staff. It ends where it is paid.")
        if locked.ended_at is not None or locked.ends_at <= now:
            return False
        ended = replace(steps.stand_of(locked), paid_through=now, grace_until=now, ends_at=now)
        memberships.write(locked, ended_at=now, **asdict(ended))
        _add(locked, Kind.ENDED, "Ended by staff.", reason, actor=actor, now=now)
        return True


def _running(member: Member, now: datetime) -> Membership | None:
    """
    The one that runs, under whichever address of the person, locked; one whose end has come and was not noticed yet is
    ended first.
    """
    running = memberships.locked().filter(
        member__in=people.members_of(member.pk), source_kind=Source.COMPLIMENTARY, ended_at=None
    )
    found: Membership | None = running.order_by("-ends_at", "pk").first()
    if found is not None and memberships.end_if_due(found, now):
        return None
    return found


def _reason(why: str) -> str:
    reason = " ".join(why.split())
    if not reason:
        raise NotPossible("Say why, for your colleagues.")
    if len(reason) > _WHY_LENGTH:
        raise NotPossible(f"Say why in at most {_WHY_LENGTH} characters.")
    return reason


def _add(membership: Membership, kind: Kind, why: str, reason: str, *, actor: str, now: datetime) -> None:
    """Write down what was done in words that stay, and the reason in words that need not."""
    reference = life.reference_of_moment(now)
    insert_new([steps.next_step(membership, kind, reference, at=now, why=why, now=now, actor=actor)])
    insert_new([StaffNote(membership=membership, text=reason, actor=actor, written_at=now)])
