"""
Erasing a person: the steps, one after the other, by whichever worker is there.

Before anything is erased, what would write to the reader or charge them comes to its end, and a last mail has left.
Then each floor erases its own (`holders`), and the member's row loses address and name. A worker that had read the
address just before may still write it somewhere: so what was erased is looked through again a quarter of an hour later.

Each step may be done twice, and what is done of a request is written down after each, under a claim. A worker that dies
leaves a lease, and whoever comes after it carries on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from members import addresses, audit, crypto, holders
from members.holders import NotYet, Refused, Subject, When
from members.models import DataRequest, ErasedAddress, Member, Message
from members.people import members_of
from members.rows import insert_new

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=10)  # longer than a task may run
LOOK_AGAIN = timedelta(minutes=15)  # longer than any worker keeps what it has read
MAIL_MAY_TAKE = timedelta(days=2)  # by then the outbox has given a mail up
_SOON = timedelta(minutes=1)
_LONGEST_GAP = timedelta(hours=6)
LAST_MAIL = "erasure_begins"

State = DataRequest.State


def waiting(now: datetime) -> QuerySet[DataRequest]:
    """The requests that somebody should take up now."""
    return DataRequest.objects.filter(
        Q(next_look_at=None) | Q(next_look_at__lte=now),
        Q(leased_until=None) | Q(leased_until__lte=now),
        state__in=DataRequest.OPEN,
    )


def claim(pk: int, *, now: datetime) -> DataRequest | None:
    """The request, for one worker alone for some minutes; None if somebody else has it, or it does not wait."""
    if not waiting(now).filter(pk=pk).update(state=State.WORKING, leased_until=now + LEASE):
        return None
    return DataRequest.objects.get(pk=pk)


def carry_on(pk: int, *, now: datetime) -> bool:
    """Go on erasing somebody, as far as that can be done now. False if nobody waits for it, or another has it."""
    request = claim(pk, now=now)
    if request is None:
        return False
    with tried(request, now=now):
        for name, run in _plan():
            if name in request.steps:
                continue
            try:
                while (result := run(holders.subject_of(request), now)) and result.until <= now:
                    _note(request, cursor=result.cursor)
            except Refused as reason:
                refuse(request, reason.code, now=now)
                return True
            if result is not None:
                _note(
                    request,
                    cursor=result.cursor,
                    problem=result.problem,
                    next_look_at=result.until,
                    leased_until=None,
                )
                return True
            if not _note(request, steps=[*request.steps, name], cursor="", problem="", attempts=0):
                return True  # our lease ran out, and another worker goes on
        _close(request, now=now)
    return True


def _plan() -> Iterator[tuple[str, Callable[[Subject, datetime], NotYet | None]]]:
    for when in (When.BEFORE, When.WHILE, When.TWICE):
        for step in holders.steps(when):
            yield step.name, step.run
    yield "person", _forget_person
    yield "wait", _wait
    for step in holders.steps(When.TWICE):
        yield f"{step.name} again", step.run


@contextlib.contextmanager
def tried(request: DataRequest, *, now: datetime) -> Iterator[None]:
    """Whatever goes wrong on our side is tried again, with growing gaps and for ever: it was promised."""
    try:
        yield
    except Exception as error:
        gap = min(_SOON * 2 ** min(request.attempts, 10), _LONGEST_GAP)
        log.error(
            "data request failed",
            request=str(request.public_id),
            done=request.steps,
            error=type(error).__name__,
        )
        _note(
            request,
            problem=type(error).__name__[:60],
            attempts=request.attempts + 1,
            next_look_at=now + gap,
            leased_until=None,
        )


def _note(request: DataRequest, **what: Any) -> bool:
    """Write down how far a request is, if it is still ours."""
    ours = DataRequest.objects.filter(pk=request.pk, state=State.WORKING, leased_until=request.leased_until)
    moved = ours.update(**what)
    for name, value in what.items():
        setattr(request, name, value)
    return moved == 1


def finish(request: DataRequest, *, now: datetime, **more: Any) -> bool:
    """Take the step to DONE. False if another worker did."""
    return _note(
        request, state=State.DONE, done_at=now, leased_until=None, next_look_at=None, problem="", **more
    )


def refuse(request: DataRequest, code: str, *, now: datetime) -> bool:
    """Take the step to REFUSED, with the code of the reason."""
    log.info("data request refused", request=str(request.public_id), code=code)
    return _note(
        request, state=State.REFUSED, done_at=now, leased_until=None, next_look_at=None, problem=code[:60]
    )


# --- The member's own row, and the end


def _forget_person(subject: Subject, now: datetime) -> NotYet | None:
    """
    Take address and name from all members of the person, and remember that nobody comes back under these addresses.

    In one transaction: from its commit on an address is either a member's or an erased one.
    """
    with transaction.atomic():
        rows = list(
            Member.objects.select_for_update()
            .filter(pk__in=[*members_of(subject.request.member_id).values_list("pk", flat=True)])
            .order_by("pk")
        )
        for member in rows:
            if member.erased_at is not None:
                continue
            _remember(member, now)
            member.email_hash = f"erased:{member.public_id.hex}"
            member.email = member.name = ""
            member.locale = settings.LANGUAGE_CODE  # the house's, and nobody's
            member.name_told_at, member.erased_at = None, now
            member.save(update_fields=["email_hash", "email", "name", "name_told_at", "locale", "erased_at"])
    return None


def _remember(member: Member, now: datetime) -> None:
    hashes = _hashes_of(member.email)
    insert_new([ErasedAddress(email_hash=one, erased_at=now) for one in hashes])
    ErasedAddress.objects.filter(email_hash__in=hashes, erased_at__lt=now).update(erased_at=now)


def _hashes_of(email: str) -> list[str]:
    return crypto.lookup_hashes(addresses.identity(email))


def is_erased(hashes: list[str], *, at: datetime) -> bool:
    """Whether the reader with this address was erased after that moment: then what happened makes nobody a member."""
    return ErasedAddress.objects.filter(email_hash__in=hashes, erased_at__gte=at).exists()


def _wait(subject: Subject, now: datetime) -> NotYet | None:
    erased_at = Member.objects.get(pk=subject.request.member_id).erased_at
    if erased_at is None:
        return NotYet(
            now + _SOON, "not_erased"
        )  # merged away while we worked; the next look sees the person anew
    return None if now >= erased_at + LOOK_AGAIN else NotYet(erased_at + LOOK_AGAIN)


def _close(request: DataRequest, *, now: datetime) -> None:
    """It is done; and that it was done stands in the audit log, which names a row and no person."""
    with transaction.atomic():
        if not finish(request, now=now):
            return
        audit.record(
            actor=request.asked_by,
            act=audit.Act.DONE,
            what="erase a reader",
            subject=audit.subject_of(request),
            member_id=request.member_id,
            now=now,
        )
    log.info("reader erased", request=str(request.public_id), member=request.member_id)


# --- The last mail


def last_mail_of(request: DataRequest) -> str:
    """What the outbox knows the mail by which tells a reader that they are erased."""
    return f"{LAST_MAIL}:{request.public_id}"


def let_last_mail_leave(subject: Subject, now: datetime) -> NotYet | None:
    """A step of an erasure: the reader is told before their address is gone."""
    request = subject.request
    on_its_way = Message.objects.filter(
        dedup_key=last_mail_of(request), state__in=[Message.State.OWED, Message.State.SENDING]
    )
    if not on_its_way.exists() or now >= request.asked_at + MAIL_MAY_TAKE:
        return None
    return NotYet(now + _SOON, "last_mail")
