"""
What this floor does: let readers in, follow their plans, end memberships that are due.

Every verb can be called again, late, or after its successor: what is stored in the end depends on what was
said, not on the order or how often it was said. Nobody here asks what was paid; donations tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import structlog
from babel.dates import format_date
from django.conf import settings
from django.db import transaction

from members import addresses, crypto, outbox, people, queries
from members.models import Consent, Member, Membership, MembershipStep, Tier
from members.rows import insert_new

log = structlog.get_logger(__name__)

_CONTRIBUTION = Membership.Source.CONTRIBUTION
_SYSTEM = "system"
_SWEEP_BATCH = 500
_NEWS_FOR = timedelta(days=30)  # a mail about an end that is longer ago only puzzles its reader


@dataclass(frozen=True, slots=True)
class Plan:
    """
    All that the ledger knows at this moment about one recurring contribution.

    :param reference: names the contribution, for ever.
    :param annual_minor: what it comes to in a year, in minor units.
    :param paid_through: the end of the last paid period.
    :param ends_at: when it ends or ended; None while it goes on.
    """

    reference: str
    annual_minor: int
    currency: str
    started_at: datetime
    paid_through: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """
    The fact for which the ledger calls: which, when it happened, why, and who caused it.

    :param reference: names the fact, such as an invoice's id; the same fact is recorded once.
    """

    kind: Literal["STARTED", "RENEWED"]
    reference: str
    at: datetime
    why: str
    actor: str


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


def follow_plan(*, member: Member, plan: Plan, step: Step | None, now: datetime) -> Membership:
    """
    Bring the membership that stands for a recurring contribution up to what the ledger knows.

    The membership takes the plan as it is, so call it in the transaction that changed the ledger: the last
    word of the ledger is then the last word here. The step is recorded once. A change of tier is recorded
    when it is seen. If the plan has ended by `now`, the end is recorded and a mail about it is owed. Four
    statements for a renewal.
    """
    with transaction.atomic(savepoint=False):
        membership = _lock(plan.reference)
        tier = queries.get_tier(plan.annual_minor, plan.currency)
        wanted = _as_told(member, plan, tier)
        if membership is None:
            insert_new([Membership(source_kind=_CONTRIBUTION, source_reference=plan.reference, **wanted)])
            membership = _lock(plan.reference)
            assert membership is not None, "inserted by us or by somebody else, and never deleted"
        steps = []
        if step is not None:
            steps.append(
                _step(
                    membership, step.kind, step.reference, at=step.at, now=now, why=step.why, actor=step.actor
                )
            )
        if membership.tier != tier:
            steps.append(_tier_changed(membership, tier, at=step.at if step else now, now=now))
        _write(membership, wanted)
        insert_new(steps)
        _end_if_due(membership, member, now)
        return membership


def is_only_membership(membership: Membership, *, now: datetime) -> bool:
    """
    Whether its person has no other one now, under none of their addresses: who is a member needs no welcome.

    Asked about two memberships of one person at once, the second waits for the transaction of the first.
    """
    person = people.members_of(membership.member_id)
    list(person.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    others = queries.get_current_memberships(membership.member_id, now).exclude(pk=membership.pk)
    return not others.exists()


def end_due_memberships(*, now: datetime) -> int:
    """
    End the memberships whose known end has come, each in a transaction of its own.

    One that cannot be ended (its member's address does not open, say) is logged and left to the next call; it
    does not hold up the others.

    :returns: how many this call ended.
    """
    due = Membership.objects.filter(ended_at=None, ends_at__lte=now).order_by("pk")
    ended, last = 0, 0
    while batch := list(due.filter(pk__gt=last).values_list("pk", "source_reference")[:_SWEEP_BATCH]):
        for last, reference in batch:
            try:
                with transaction.atomic():
                    membership = _lock(reference)
                    if membership is not None and _end_if_due(membership, membership.member, now):
                        ended += 1
            except Exception as error:
                log.error("membership_not_ended", membership=last, error=type(error).__name__)
    return ended


def _lock(reference: str) -> Membership | None:
    """The membership of a contribution, held until the transaction ends (SQLite holds the whole database)."""
    rows = Membership.objects.select_for_update(of=("self",)).select_related("tier")
    return rows.filter(source_kind=_CONTRIBUTION, source_reference=reference).first()


def _as_told(member: Member, plan: Plan, tier: Tier | None) -> dict[str, Any]:
    return {
        "member_id": member.pk,
        "tier": tier,
        "annual_minor": plan.annual_minor,
        "currency": plan.currency,
        "started_at": plan.started_at,
        "paid_through": plan.paid_through,
        "ends_at": plan.ends_at,
    }


def _write(membership: Membership, wanted: dict[str, Any]) -> None:
    """Store what differs. An end that turns out to be another moment is forgotten here, and found again."""
    changes = {name: value for name, value in wanted.items() if getattr(membership, name) != value}
    if "ends_at" in changes and membership.ended_at is not None:
        changes["ended_at"] = None
    if changes:
        for name, value in changes.items():
            setattr(membership, name, value)
        membership.save(update_fields=list(changes))


def _end_if_due(membership: Membership, member: Member, now: datetime) -> bool:
    """Take the step to ENDED if its time has come; True if this call took it. The row must be locked."""
    if membership.ends_at is None or membership.ends_at > now or membership.ended_at is not None:
        return False
    membership.ended_at = membership.ends_at
    membership.save(update_fields=["ended_at"])
    reference = membership.source_reference
    insert_new(
        [_step(membership, "ENDED", reference, at=membership.ends_at, now=now, why="Its end has come.")]
    )
    if now - membership.ends_at <= _NEWS_FOR and queries.get_current_membership(member, now) is None:
        person = member.person
        outbox.owe(
            kind="membership_ended",
            member=member,
            recipient=person.email,
            dedup_key=f"membership_ended:{membership.source_kind}:{reference}",
            context={
                "tier_name": membership.tier.name if membership.tier else "",
                "ended_on": _day_text(membership.ends_at, person.locale),
                "come_back_url": f"{settings.PUBLIC_BASE_URL}/",
            },
            locale=person.locale,
            now=now,
        )
    return True


def _tier_changed(
    membership: Membership, tier: Tier | None, *, at: datetime, now: datetime
) -> MembershipStep:
    before = membership.tier.slug if membership.tier else "none"
    after = tier.slug if tier else "none"
    reference = f"{before}>{after}@{at.isoformat()}"
    return _step(membership, "TIER_CHANGED", reference, at=at, now=now, why=f"From {before} to {after}.")


def _step(
    membership: Membership,
    kind: str,
    reference: str,
    *,
    at: datetime,
    now: datetime,
    why: str,
    actor: str = _SYSTEM,
) -> MembershipStep:
    return MembershipStep(
        membership=membership, kind=kind, reference=reference, at=at, recorded_at=now, why=why, actor=actor
    )


def _day_text(moment: datetime, locale: str) -> str:
    """The newsroom's day of a moment, in words of the reader's language."""
    return format_date(moment.astimezone(ZoneInfo(settings.NEWSROOM_TIME_ZONE)), "long", locale=locale)
