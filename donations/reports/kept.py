"""
Answers that are kept, so that a report opens at once in a house of any size.

Where there is little to add up, each answer is reckoned when somebody asks, and true to the second. Where there is
much, a worker reckons those that somebody asked for lately, and the ones that everybody asks first, every half an hour;
whoever asks gets what was reckoned last, with the moment that it is as of (docs/decisions/0039). Revenue is read from
its sums by day, and never kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import F, Max, Q

from donations.errors import ReportNotReady
from donations.models import KeptAnswer
from donations.reports import plans
from members import doorbell
from members.models import MembershipStep

LARGE = 20_000  # steps of memberships; up to here a report takes less than a second
FRESH = timedelta(minutes=30)  # then it is reckoned anew
WANTED = timedelta(days=2)  # since somebody last asked
_NOTE_EVERY = timedelta(minutes=10)
_LEASE = timedelta(minutes=15)
_log = structlog.get_logger(__name__)

Make = Callable[[dict[str, Any], datetime], Any]
Asked = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """Figures, and the moment that they are as of."""

    data: Any
    as_of: datetime


_makers: dict[str, Make] = {}
_first_asked: dict[str, Callable[[datetime], Asked]] = {}


def register(what: str, make: Make, first_asked: Callable[[datetime], Asked]) -> None:
    """
    :param make: reckons an answer from what was asked, at a moment.
    :param first_asked: what is asked if nobody chooses anything.
    """
    _makers[what] = make
    _first_asked[what] = first_asked


def get(what: str, asked: Asked, *, now: datetime, is_quick: bool = False) -> Answer:
    """
    The answer to a question, as JSON has it.

    :param is_quick: it takes no time in a house of any size. It is told as it was made then, with days that are dates:
        making JSON of ten years and reading it again would take longer than they do.
    :raises ReportNotReady: a worker is reckoning it; ask again soon.
    """
    if is_quick:
        return Answer(_makers[what](asked, now), now)
    if not is_large():
        return Answer(_as_told(_makers[what](asked, now)), now)
    digest = _digest(what, asked)
    kept = KeptAnswer.objects.filter(digest=digest).first()
    if kept is None:
        kept, _ = KeptAnswer.objects.get_or_create(
            digest=digest, defaults={"what": what, "asked": asked, "asked_at": now}
        )
    elif kept.asked_at < now - _NOTE_EVERY:
        KeptAnswer.objects.filter(pk=kept.pk).update(asked_at=now)
    if kept.made_at is None:
        doorbell.ring("donations.tasks.reckon_reports")
        raise ReportNotReady("This is being reckoned. Please ask again in a minute.")
    return Answer(kept.answer, kept.made_at)


def is_large() -> bool:
    """Whether there is so much that reports take a while. One look into an index."""
    return (MembershipStep.objects.aggregate(last=Max("pk"))["last"] or 0) > LARGE


# --- Reckoning


def reckon(*, now: datetime) -> int:
    """Reckon what is asked and not fresh, the unanswered first; forget what nobody asks any more. How many."""
    KeptAnswer.objects.filter(asked_at__lt=now - WANTED).delete()
    if not is_large():
        return 0
    for what, first in _first_asked.items():
        asked = first(now)
        KeptAnswer.objects.get_or_create(
            digest=_digest(what, asked), defaults={"what": what, "asked": asked, "asked_at": now}
        )
    made = 0
    with plans.remembered():
        for kept in _due(now):
            made += _reckon(kept, now)
    return made


def _due(now: datetime) -> Iterator[KeptAnswer]:
    stale = Q(made_at=None) | Q(made_at__lte=now - FRESH)
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    for kept in KeptAnswer.objects.filter(stale, free).order_by(F("made_at").asc(nulls_first=True), "pk"):
        claim = KeptAnswer.objects.filter(stale, free, pk=kept.pk)
        if claim.update(leased_until=now + _LEASE):
            yield kept


def _reckon(kept: KeptAnswer, now: datetime) -> bool:
    mine = KeptAnswer.objects.filter(pk=kept.pk, leased_until=now + _LEASE)
    try:
        answer = _as_told(_makers[kept.what](kept.asked, now))
    except (
        Exception
    ):  # one question that cannot be answered must not hold up the others; the lease keeps it waiting
        _log.exception("report failed", what=kept.what)
        return False
    return bool(mine.update(answer=answer, made_at=now, leased_until=None))


def _as_told(data: Any) -> Any:
    return json.loads(json.dumps(data, cls=DjangoJSONEncoder))


def _digest(what: str, asked: Asked) -> str:
    return hashlib.sha256(json.dumps([what, asked], sort_keys=True).encode()).hexdigest()
