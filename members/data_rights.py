"""
A reader's rights over their own data: to have all of it, and to have it erased.

What is asked for is a row first; a worker answers it (`answer_waiting`), in steps that can be broken off anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from babel.dates import format_date
from django.conf import settings
from django.db import transaction

from members import archive, audit, doorbell, erasing, holders, outbox, people
from members.models import DataArchive, DataRequest, Member
from members.rows import insert_new

log = structlog.get_logger(__name__)

READER = "reader"
KEPT_FOR = timedelta(days=7)
NOT_AGAIN_FOR = timedelta(hours=1)  # a second wish within that time gets the answer of the first
DATA_READY = "data_ready"
ERASURE_BEGINS = erasing.LAST_MAIL
TASK = "members.tasks.answer_data_requests"

Kind, State = DataRequest.Kind, DataRequest.State


class ErasureRefused(Exception):
    """
    A reader cannot be erased as things are. `code` is stable; the message says what to do. Nothing was done.
    """

    def __init__(self, objection: holders.Objection) -> None:
        super().__init__(str(objection.message))
        self.code = objection.code


class Erased(Exception):
    """This member was erased: there is nothing left to hand out or to erase."""

    code = "erased"


def ask_download(member: Member, *, asked_by: str = READER, now: datetime) -> DataRequest:
    """
    Have everything about a person gathered; a mail says when it can be fetched.

    One that is under way, or was answered within the last hour, stands for a second wish.

    :raises Erased: nothing is kept about them.
    """
    kept = _kept(member)
    lately = DataRequest.objects.filter(
        member=kept, kind=Kind.DOWNLOAD, archive__made_at__gt=now - NOT_AGAIN_FOR
    )
    return lately.first() or _ask(kept, Kind.DOWNLOAD, asked_by=asked_by, now=now)


def objection_to_erasure(member: Member, *, now: datetime) -> holders.Objection | None:
    """What stands in the way of erasing somebody now; None if nothing does."""
    subject = holders.subject_of(DataRequest(member=member.person, kind=Kind.ERASE, asked_at=now))
    found = (holder.objection(subject) for holder in holders.get_all())
    return next((objection for objection in found if objection), None)


def ask_erasure(
    member: Member, *, stop_giving: bool = False, asked_by: str = READER, now: datetime
) -> DataRequest:
    """
    Have a person erased, and tell them so in the last mail that they get from us.

    :param stop_giving: end what goes on at once; without it somebody who gives regularly is refused.
    :raises ErasureRefused: something stands in the way.
    :raises Erased: they are.
    """
    kept = _kept(member)
    if not stop_giving and (objection := objection_to_erasure(kept, now=now)):
        raise ErasureRefused(objection)
    with transaction.atomic():
        request = _ask(kept, Kind.ERASE, asked_by=asked_by, now=now, stop_giving=stop_giving)
        if stop_giving and not request.stop_giving:
            DataRequest.objects.filter(pk=request.pk, state__in=DataRequest.OPEN).update(stop_giving=True)
            request.stop_giving = True
        outbox.owe(
            kind=ERASURE_BEGINS,
            member=kept,
            recipient=kept.email,
            dedup_key=erasing.last_mail_of(request),
            context={"asked_on": _day_text(now, kept.locale)},
            locale=kept.locale,
            now=now,
        )
    doorbell.ring("members.tasks.send_owed_mail")
    return request


def _kept(member: Member) -> Member:
    kept = Member.objects.get(pk=member.pk).person
    if kept.erased_at is not None:
        raise Erased("This reader was erased.")
    return kept


def _ask(
    member: Member, kind: DataRequest.Kind, *, asked_by: str, now: datetime, stop_giving: bool = False
) -> DataRequest:
    wanted = DataRequest(
        member=member, kind=kind, asked_at=now, asked_by=asked_by, stop_giving=stop_giving, next_look_at=now
    )
    if insert_new([wanted]):
        log.info("data request", request=str(wanted.public_id), kind=kind.value, by=asked_by)
    doorbell.ring(TASK)
    return DataRequest.objects.get(member=member, kind=kind, state__in=DataRequest.OPEN)


# --- How it stands, and what came of it


def get_requests(member: Member) -> list[DataRequest]:
    """The wishes of this person, newest first, each with its archive if there is one; two statements."""
    found = DataRequest.objects.filter(member__in=people.members_of(member.pk)).select_related("archive")
    return list(found.defer("archive__content")[:20])


@dataclass(frozen=True, slots=True)
class Download:
    """A zip file and what to call it."""

    name: str
    content: bytes


def can_be_opened(request: DataRequest, *, now: datetime) -> bool:
    """Whether there is a file to fetch; for requests of `get_requests`."""
    is_there = hasattr(request, "archive") and request.expires_at is not None
    return is_there and now < request.expires_at  # type: ignore[operator]  # it has a moment, see the line above


def open_download(public_id: UUID, *, member: Member, now: datetime) -> Download | None:
    """What was gathered for this person; None for somebody else's, one that is over, or one that never was."""
    found = (
        DataArchive.objects.select_related("request")
        .filter(
            request__public_id=public_id,
            request__member__in=people.members_of(member.pk),
            request__expires_at__gt=now,
        )
        .first()
    )
    if found is None:
        return None
    return Download(f"my-data-{found.made_at:%Y-%m-%d}.zip", found.content)


# --- What a worker does


def answer_waiting(*, now: datetime, limit: int = 20) -> int:
    """
    Answer what was asked for, as far as that can be done now, and throw away what was fetched long ago; how many
    requests were taken up.
    """
    forget_archives(now=now)
    waiting = erasing.waiting(now).order_by("asked_at", "pk").values_list("pk", "kind")
    taken = 0
    for pk, kind in list(waiting[:limit]):
        answer = erasing.carry_on if kind == Kind.ERASE else _gather
        taken += answer(pk, now=now)
    return taken


def forget_archives(*, now: datetime) -> int:
    """Delete the files whose time is over; how many."""
    return DataArchive.objects.filter(request__expires_at__lte=now).delete()[0]


def _gather(pk: int, *, now: datetime) -> bool:
    """Make the file and owe the mail about it, in one transaction."""
    request = erasing.claim(pk, now=now)
    if request is None:
        return False
    with erasing.tried(request, now=now):
        subject = holders.subject_of(request)
        content = archive.make(subject, now=now)
        until = now + KEPT_FOR
        with transaction.atomic():
            if not subject.addresses:
                erasing.refuse(request, "erased", now=now)
                return True
            if not erasing.finish(request, now=now, expires_at=until):
                return True  # another worker was quicker
            DataArchive.objects.create(request=request, content=content, made_at=now)
            member = Member.objects.get(pk=request.member_id).person
            outbox.owe(
                kind=DATA_READY,
                member=member,
                recipient=member.email,
                dedup_key=f"{DATA_READY}:{request.public_id}",
                context={"page_url": page_url(), "until_text": _day_text(until, member.locale)},
                locale=member.locale,
                now=now,
            )
            audit.record(
                actor=request.asked_by,
                act=audit.Act.EXPORTED,
                what="everything about a reader",
                subject=audit.subject_of(request),
                member_id=request.member_id,
                now=now,
            )
        doorbell.ring("members.tasks.send_owed_mail")
    return True


def page_url() -> str:
    """Where a reader who is signed in finds it."""
    return f"{settings.PUBLIC_BASE_URL}/account/data/"


def _day_text(at: datetime, locale: str) -> str:
    """The newsroom's day of a moment, in words of the reader's language."""
    return format_date(at.astimezone(ZoneInfo(settings.NEWSROOM_TIME_ZONE)), "long", locale=locale)
