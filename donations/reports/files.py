"""
Files that a worker makes: asked for, made piece by piece, fetched by whoever asked, forgotten after a day.

A row is the order, and a sweep looks for it, so that neither a lost task nor a worker that dies loses a file. The link
to a file is made anew whenever its page is shown; it holds for ten minutes, and for the account that it was made for.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.contrib.auth.models import User
from django.core import signing
from django.db import transaction
from django.db.models import F, Q

from donations.models import ExportFile, ExportPiece
from donations.reports import exports
from donations.reports.catalogue import Question
from donations.reports.serializers import QuestionInput
from members import doorbell

LARGE = 20_000  # rows; more than these are not made while somebody waits
MOST = 10  # files that one account may have at a time
KEPT = timedelta(days=1)
LINK_HOLDS = timedelta(minutes=10)
_LEASE = timedelta(minutes=30)
_TURNS = 3
_SALT = "donations.reports.files"
_BLOCK = 1_000_000  # bytes of a workbook in one piece
_log = structlog.get_logger(__name__)
State = ExportFile.State


class TooMany(Exception):
    """Whoever asks has as many files already as one may have."""


def is_large(export: exports.Export, question: Question) -> bool:
    """Whether there are more rows than somebody should wait for."""
    return export.rows(question).order_by()[: LARGE + 1].count() > LARGE


def order(name: str, kind: str, question: Question, *, account: User, now: datetime) -> ExportFile:
    """Ask for a file. Raises TooMany."""
    export = exports.get(name)
    assert export is not None, "the page looked for it"
    if ExportFile.objects.filter(account=account).count() >= MOST:
        raise TooMany
    file = ExportFile.objects.create(
        account=account,
        export=name,
        kind=kind,
        asked={
            "from": str(question.period.first),
            "to": str(question.period.last),
            **({"currency": question.filters.currency} if question.filters.currency else {}),
            **({"campaign": question.filters.campaign} if question.filters.campaign else {}),
        },
        rows=export.rows(question).order_by().count(),
        asked_at=now,
    )
    doorbell.ring("donations.tasks.make_exports")
    return file


def of(account: User) -> list[ExportFile]:
    """The files of somebody, the latest first."""
    return list(ExportFile.objects.filter(account=account))


# --- Making


def make_waiting(*, now: datetime) -> int:
    """Make the files that wait, and forget those that are old; how many were made."""
    ExportFile.objects.filter(asked_at__lte=now - KEPT).delete()
    given_up = ExportFile.objects.filter(state=State.MAKING, leased_until__lte=now, turn__gte=_TURNS)
    given_up.update(state=State.FAILED, leased_until=None)
    waiting = Q(state=State.WAITING) | Q(state=State.MAKING, leased_until__lte=now)
    made = 0
    for file in ExportFile.objects.filter(waiting).select_related("account").order_by("pk"):
        claim = ExportFile.objects.filter(waiting, pk=file.pk, turn=file.turn)
        if not claim.update(state=State.MAKING, leased_until=now + _LEASE, turn=F("turn") + 1, rows_done=0):
            continue
        file.turn += 1
        try:
            made += _make(file)
        except Exception:  # one file that cannot be made must not hold up the others
            _log.exception("export failed", export=str(file.public_id))
            _mine(file).update(state=State.FAILED, leased_until=None)
    return made


def _make(file: ExportFile) -> bool:
    """Make it, unless somebody else does by now. False if so, or if whoever asked may not have it any more."""
    export = exports.get(file.export)
    if export is None or not (file.account.is_active and file.account.has_perm(exports.PERMISSION)):
        _mine(file).update(state=State.FAILED, leased_until=None)
        return False
    question = question_of(file)
    numbers = itertools.count()
    with transaction.atomic():
        if not _mine(file).update(turn=file.turn):
            return False
        ExportPiece.objects.filter(file=file).delete()
    if file.kind == "xlsx":

        def progress(rows: int) -> None:
            _mine(file).update(rows_done=rows)

        with exports.as_workbook(export, question, progress=progress) as book:
            while block := book.read(_BLOCK):
                if not _keep(file, next(numbers), block):
                    return False
    else:
        done = 0
        if not _keep(file, next(numbers), exports.beginning(export)):
            return False
        for piece in exports.pieces(export, question):
            done += piece.rows
            if not _keep(file, next(numbers), piece.content, rows_done=done):
                return False
    return bool(_mine(file).update(state=State.READY, leased_until=None))


def _mine(file: ExportFile) -> Any:
    return ExportFile.objects.filter(pk=file.pk, state=State.MAKING, turn=file.turn)


def _keep(file: ExportFile, number: int, content: bytes, **progress: int) -> bool:
    """Keep a piece, if the file is still ours to make."""
    with transaction.atomic():
        if not _mine(file).update(turn=file.turn, **progress):
            return False
        ExportPiece.objects.create(file=file, number=number, content=zlib.compress(content, 1))
    return True


def question_of(file: ExportFile) -> Question:
    """What was asked."""
    wanted = QuestionInput(data=file.asked)
    wanted.is_valid(raise_exception=True)
    return wanted.question(now=file.asked_at)


# --- Fetching


def link_of(file: ExportFile, *, now: datetime) -> str:
    """The last part of the address at which its owner, and nobody else, may fetch it for ten minutes."""
    until = int((now + LINK_HOLDS).timestamp())
    return signing.dumps([str(file.public_id), file.account_id, until], salt=_SALT)


def find(link: str, *, account: User, now: datetime) -> ExportFile | None:
    """The file behind a link; None if it is not this account's, is over, or never was one."""
    try:
        public_id, account_id, until = signing.loads(link, salt=_SALT)
    except signing.BadSignature:
        return None
    if account_id != account.pk or until <= now.timestamp():
        return None
    return ExportFile.objects.filter(
        public_id=public_id, account=account, state=State.READY, asked_at__gt=now - KEPT
    ).first()


def content_of(file: ExportFile) -> Iterator[bytes]:
    """The file, piece by piece."""
    for number in ExportPiece.objects.filter(file=file).values_list("number", flat=True):
        # One by one: a server would send all pieces at once, and they may be many.
        (content,) = ExportPiece.objects.filter(file=file, number=number).values_list("content", flat=True)
        yield zlib.decompress(content)
