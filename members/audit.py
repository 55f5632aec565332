"""
The audit log: who of the staff saw and changed what.

Each entry holds the hash of the one before, so the whole log is one chain: `verify` finds the first place at which it
was touched. Its last hash, noted somewhere else, vouches for all that came before; each entry also says its hash in
the operators' log, so that cutting off the end shows as well.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from django.db import connection, models, transaction
from django.http import HttpRequest

from members.models import AuditEntry, AuditReason

Act = AuditEntry.Act
BEGINNING = "0" * 64
UNKNOWN = "unknown"  # whoever did not sign in
_LOCK = 7_112_026  # PostgreSQL's advisory lock of this log; any number that nobody else uses
_log = structlog.get_logger(__name__)


def record(
    *,
    actor: str,
    act: Act,
    now: datetime,
    what: str = "",
    subject: str = "",
    member_id: int | None = None,
    facts: dict[str, Any] | None = None,
    why: str = "",
) -> AuditEntry:
    """
    Add an entry. Writers queue here until the one before has committed, so that there is one chain.

    :param what: of which kind, in a word of ours.
    :param subject: the row, as `subject_of` names it.
    :param facts: ids, amounts and codes, never personal data.
    :param why: what the member of staff says; kept sealed beside the entry.
    """
    with transaction.atomic():
        _queue()
        last = AuditEntry.objects.order_by("-number").only("number", "hash").first()
        salt = uuid.uuid4()
        entry = AuditEntry(
            number=last.number + 1 if last else 1,
            at=now,
            actor=actor,
            act=act,
            what=what,
            subject=subject,
            member_id=member_id,
            facts=facts or {},
            why_digest=_digest(salt, why) if why else "",
            previous=last.hash if last else BEGINNING,
        )
        entry.hash = _hash_of(entry)
        entry.save(force_insert=True)
        if why:
            AuditReason.objects.create(public_id=salt, entry=entry, text=why)
    _log.info("audit", number=entry.number, act=str(act), head=entry.hash)
    return entry


def actor_of(request: HttpRequest) -> str:
    """How the log names whoever sent this request."""
    user = getattr(request, "user", None)
    return f"staff:{user.pk}" if user is not None and user.is_authenticated else UNKNOWN


def subject_of(row: models.Model) -> str:
    """How the log names a row."""
    return f"{row._meta.label_lower}:{row.pk}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: how many entries hold, the last hash; and where it breaks first, and how."""

    entries: int
    head: str
    broken_at: int | None = None
    problem: str = ""
    knows_expected: bool = True


def verify(*, expected: str = "") -> Verdict:
    """
    Walk along the whole chain.

    :param expected: a hash that was noted earlier, and has to be in the chain still.
    """
    number, head, found = 0, BEGINNING, not expected
    reasons = AuditEntry.objects.order_by("number").select_related("reason")
    for entry in reasons.iterator(chunk_size=1000):
        problem = _problem(entry, number, head)
        if problem:
            return Verdict(number, head, entry.number, problem, found)
        number, head = entry.number, entry.hash
        found = found or head == expected
    return Verdict(number, head, knows_expected=found)


def _problem(entry: AuditEntry, number: int, head: str) -> str:
    if entry.number != number + 1:
        return f"entry {number + 1} is missing"
    if entry.previous != head:
        return "it does not follow on the entry before"
    if entry.hash != _hash_of(entry):
        return "it was changed"
    reason: AuditReason | None = getattr(entry, "reason", None)
    if reason is not None and entry.why_digest != _digest(reason.public_id, reason.text):
        return "its reason was changed"
    return ""


def _queue() -> None:
    """Wait for whoever writes just now. SQLite has one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _hash_of(entry: AuditEntry) -> str:
    content = [
        entry.number,
        entry.at.astimezone(UTC).isoformat(),
        entry.actor,
        str(entry.act),
        entry.what,
        entry.subject,
        entry.member_id,
        entry.facts,
        entry.why_digest,
        entry.previous,
    ]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(salt: uuid.UUID, why: str) -> str:
    return hashlib.sha256(salt.bytes + why.encode()).hexdigest()
