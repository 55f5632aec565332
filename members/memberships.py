"""
Memberships follow the plans of which the ledger tells, and end when their time has come.

Each verb can be called again, late, or after its successor: what is stored in the end depends on what was said, not
on the order or how often it was said. Nobody here asks what was paid; donations tells.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from babel.dates import format_date
from django.conf import settings
from django.db import transaction

from members import census, farewells, life, outbox, queries, rules, steps
from members.life import Life
from members.models import Member, Membership, MembershipStep, Message, TierThreshold
from members.plans import Plan
from members.rows import insert_new

log = structlog.get_logger(__name__)

Kind = MembershipStep.Kind
Source = Membership.Source
_SWEEP_BATCH = 500
_NEWS_FOR = timedelta(days=30)  # a mail about an end that is longer ago only puzzles its reader
WELCOME = "welcome"
FAREWELL = "membership_ended"


def follow_plan(*, member: Member, plan: Plan, now: datetime) -> Membership | None:
    """
    Bring the membership that stands for a plan up to what the ledger knows; None while nobody paid for one.

    The steps become those that are true by the plan: new ones are recorded, and what the plan shows not to have
    happened is taken back. So call it in the transaction that changed the ledger, with all that it knows: the last word
    of the ledger is then the last word here. The same again costs one statement. If the membership has ended by `now`,
    a mail about it is owed.
    """
    fingerprint = _fingerprint(plan)
    with transaction.atomic(savepoint=False):
        membership = _lock(plan.source, plan.reference)
        if membership is None or membership.told != fingerprint or membership.member_id != member.pk:
            if membership is None:
                begun = life.live(plan, rules.Rules((), plan.currency), now=now)
                if not begun.entries:
                    return None
                insert_new([_newcomer(member, plan, begun)])
                membership = _lock(plan.source, plan.reference)
                assert membership is not None, "inserted by us or by somebody else, and never deleted"
            recorded = list(membership.steps.all())
            lived = life.live(plan, rules.Rules(steps.effective(recorded), plan.currency), now=now)
            steps.record(membership, lived, recorded, now=now)
            write(
                membership,
                member_id=member.pk,
                started_at=lived.entries[0].at,
                resumes_at=lived.resumes_at,
                next_try_at=plan.next_try_at,
                told=fingerprint,
                **asdict(lived.entries[-1].stand),
            )
        if end_if_due(membership, now):
            _say_farewell(membership, member, now)
        return membership


def end_due_memberships(*, now: datetime) -> int:
    """
    End the memberships whose known end has come, and give up those for which no payment came, each in a transaction
    of its own.

    One that cannot be ended (its member's address does not open, say) is logged and left to the next call; it
    does not hold up the others.

    :returns: how many this call ended.
    """
    due = Membership.objects.filter(ended_at=None, ends_at__lte=now).order_by("pk")
    ended, last = 0, 0
    while batch := list(due.filter(pk__gt=last).values_list("pk", flat=True)[:_SWEEP_BATCH]):
        for last in batch:
            try:
                with transaction.atomic():
                    membership = locked().get(pk=last)
                    if end_if_due(membership, now):
                        _say_farewell(membership, membership.member, now)
                        ended += 1
            except Exception as error:
                log.error("membership_not_ended", membership=last, error=type(error).__name__)
    return ended


def follow_tiers(*, now: datetime) -> int:
    """
    Give each running membership the tier that its amount reaches, after the newsroom changed what tiers ask.

    The past stays as it was: the change is a step of its own, at `now`.

    :returns: how many changed.
    """
    changed = 0
    running = Membership.objects.filter(ended_at=None).exclude(source_kind=Source.COMPLIMENTARY)
    for currency in list(running.order_by().values_list("currency", flat=True).distinct()):
        thresholds = rules.thresholds_of(currency)
        for lower, upper, tier_id in rules.ranges(thresholds):
            wrong = running.filter(currency=currency, annual_minor__gte=lower)
            if upper is not None:
                wrong = wrong.filter(annual_minor__lt=upper)
            wrong = wrong.exclude(tier_id=tier_id) if tier_id else wrong.exclude(tier=None)
            pks = list(wrong.order_by("pk").values_list("pk", flat=True))
            for start in range(0, len(pks), _SWEEP_BATCH):
                changed += _redraw(pks[start : start + _SWEEP_BATCH], tier_id, thresholds, now=now)
    return changed


# --- The row, and its history


def locked() -> Any:
    """Memberships, each held until the transaction ends (SQLite holds the whole database)."""
    return Membership.objects.select_for_update(of=("self",)).select_related("tier")


def _lock(source: str, reference: str) -> Membership | None:
    """The membership of a source, held until the transaction ends."""
    found: Membership | None = locked().filter(source_kind=source, source_reference=reference).first()
    return found


def _newcomer(member: Member, plan: Plan, lived: Life) -> Membership:
    return Membership(
        member_id=member.pk,
        source_kind=plan.source,
        source_reference=plan.reference,
        currency=plan.currency,
        started_at=lived.entries[0].at,
        **asdict(lived.entries[-1].stand),
    )


def write(membership: Membership, **wanted: Any) -> None:
    """Store what differs. An end that turns out to be another moment is forgotten here, and found again."""
    changes = {name: value for name, value in wanted.items() if getattr(membership, name) != value}
    if "ends_at" in changes and membership.ended_at is not None:
        changes["ended_at"] = None
    for name, value in changes.items():
        setattr(membership, name, value)
    if changes:
        membership.save(update_fields=list(changes))


def end_if_due(membership: Membership, now: datetime) -> bool:
    """Take the step to its end if the time has come; True if this call took it. The row must be locked."""
    ends_at = membership.ends_at
    if ends_at is None or ends_at > now or membership.ended_at is not None:
        return False
    membership.ended_at = ends_at
    membership.save(update_fields=["ended_at"])
    kind, why = life.end_of(membership.ends_as)
    reference = life.reference_of_moment(ends_at)
    told = membership.steps.effective()
    if not told.filter(kind=kind, reference=reference).exists():
        insert_new([steps.next_step(membership, kind, reference, at=ends_at, why=why, now=now)])
    return True


def _redraw(
    pks: Sequence[int], tier_id: int | None, thresholds: Sequence[TierThreshold], *, now: datetime
) -> int:
    """Move memberships to a tier that their amount reaches, and write that down."""
    with transaction.atomic():
        rows = [
            row
            for row in locked().filter(pk__in=pks, ended_at=None).order_by("pk")
            if row.tier_id != tier_id and rules.tier_of(row.annual_minor, thresholds) == tier_id
        ]
        Membership.objects.filter(pk__in=[row.pk for row in rows]).update(tier_id=tier_id)
        reference = f"{rules.REDRAWN}{life.reference_of_moment(now)}"
        made = []
        for row in rows:
            row.tier_id = tier_id
            made.append(steps.make_step(row, Kind.TIER_CHANGED, reference, at=now, why=life.REDRAWN, now=now))
        return insert_new(made)


def _fingerprint(plan: Plan) -> str:
    text = json.dumps(asdict(plan), default=lambda moment: moment.isoformat())
    return hashlib.sha256(text.encode()).hexdigest()


# --- Welcome and goodbye


def welcome_is_wanted(dedup_key: str) -> bool:
    """
    Whether the contribution of a welcome made its reader a member; asked right before the mail leaves.

    Not if they were a member by something else when it began, under any of their addresses. Of two that began in the
    same second, the one of which we heard first.
    """
    reference = dedup_key.partition(":")[2]
    membership = Membership.objects.filter(
        source_kind=Source.CONTRIBUTION, source_reference=reference
    ).first()
    return membership is not None and not census.was_member_before(membership)


def _say_farewell(membership: Membership, member: Member, now: datetime) -> None:
    """
    Owe a mail about an end, once for each end.

    Whether the reader is a member by something else, and whether this end stays the end, is asked when the mail leaves
    (`farewell_is_wanted`): we may hear of either later.
    """
    ends_at = membership.ends_at
    assert ends_at is not None, "it has just ended"
    if (
        membership.ends_as != life.ENDED
        or now - ends_at > _NEWS_FOR
        or (farewell := farewells.of(membership.source_kind, membership.source_reference, ends_at)) is None
    ):
        return
    person = member.person
    outbox.owe(
        kind=FAREWELL,
        member=member,
        recipient=person.email,
        dedup_key=f"{_farewells_of(membership)}{life.reference_of_moment(ends_at)}",
        context={
            "tier_name": membership.tier.name if membership.tier else "",
            "ended_on": _day_text(ends_at, person.locale),
            "come_back_url": farewell.come_back_url,
            **({"reason_text": farewell.reason_text} if farewell.reason_text else {}),
        },
        locale=person.locale,
        now=now,
    )


def farewell_is_wanted(dedup_key: str) -> bool:
    """
    Whether a membership is still known to have ended at that moment, by nothing else its reader was a member then,
    and no mail told of this end before (as of another day, say); asked right before the mail leaves.
    """
    _, source, rest = dedup_key.split(":", 2)
    reference, _, moment = rest.rpartition("|")
    found = Membership.objects.select_related("member").filter(source_kind=source, source_reference=reference)
    membership = found.first()
    if (
        membership is None
        or membership.ended_at is None
        or membership.ends_as != life.ENDED
        or life.reference_of_moment(membership.ended_at) != moment
        or queries.get_current_membership(membership.member, membership.ended_at) is not None
    ):
        return False
    ends = membership.steps.effective().filter(kind__in=[Kind.ENDED, Kind.LAPSED]).count()
    told = Message.objects.filter(dedup_key__startswith=_farewells_of(membership), state=Message.State.SENT)
    return told.count() < ends


def _farewells_of(membership: Membership) -> str:
    """What the keys of all mails about ends of a membership begin with."""
    return f"{FAREWELL}:{membership.source_kind}:{membership.source_reference}|"


def _day_text(moment: datetime, locale: str) -> str:
    """The newsroom's day of a moment, in words of the reader's language."""
    return format_date(moment.astimezone(ZoneInfo(settings.NEWSROOM_TIME_ZONE)), "long", locale=locale)
