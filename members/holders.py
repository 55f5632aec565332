"""
Who keeps something about a reader, what it is, and how it is erased.

Each floor says it for its own tables when it starts (`register`), so that neither a download nor an erasure forgets one
of them. The steps of an erasure may be done twice, and be broken off at any statement.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise

from members import addresses, crypto, people
from members.models import DataRequest, Member


@dataclass(frozen=True, slots=True)
class Subject:
    """
    The person whom a request is about.

    :param members: all of their members by primary key, the one that is written to first.
    :param hashes: the look-up hashes of each address, by its member, under every key; none for who is erased.
    :param addresses: each address, by its member; none for who is erased.
    """

    request: DataRequest
    members: Sequence[int]
    addresses: Mapping[int, str]
    hashes: Mapping[int, Sequence[str]]

    @property
    def all_hashes(self) -> list[str]:
        return [one for hashes in self.hashes.values() for one in hashes]

    def member_with(self, email: str) -> int | None:
        """Which of their members has this address; None if it is somebody else's, or none at all."""
        try:
            wanted = crypto.lookup_hash(addresses.identity(addresses.normalise(email)))
        except addresses.InvalidAddress:
            return None
        return next((member for member, hashes in self.hashes.items() if wanted in hashes), None)


def subject_of(request: DataRequest) -> Subject:
    """Whom a request is about, as things are now: staff may have merged them with somebody meanwhile."""
    found = list(people.members_of(request.member_id).order_by("pk"))
    found.sort(key=lambda member: member.merged_into_id is not None)
    known = {member.pk: member.email for member in found if member.email}
    hashes = {pk: crypto.lookup_hashes(addresses.identity(email)) for pk, email in known.items()}
    return Subject(request, [member.pk for member in found], known, hashes)


@dataclass(frozen=True, slots=True)
class NotYet:
    """
    A step that is not done.

    :param until: when to go on; `now` for at once.
    :param problem: what it waits for, in a word of ours; for staff.
    :param cursor: how far it has come, for its next turn.
    """

    until: datetime
    problem: str = ""
    cursor: str = ""


class Refused(Exception):
    """It cannot be done while things are as they are; `code` says why, and nothing was erased."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class When(enum.Enum):
    """In which part of an erasure a step has its place."""

    BEFORE = "what has to end first; may refuse, and erases nothing"
    WHILE = "what still needs the address to find what is to be erased, or what Stripe keeps"
    TWICE = "done, and done again later: a worker that had read something may write it a moment afterwards"


@dataclass(frozen=True, slots=True)
class Step:
    """A part of an erasure, under a name that never changes. `run` returns None when it is done."""

    name: str
    when: When
    run: Callable[[Subject, datetime], NotYet | None]


Rows = list[dict[str, Any]]
Text = str | Promise


@dataclass(frozen=True, slots=True)
class Objection:
    """Why somebody cannot be erased at once: a code that stays, and a sentence that says what to do."""

    code: str
    message: Text


@dataclass(frozen=True, slots=True)
class Holder:
    """
    What a floor keeps.

    :param collect: everything about a person, by kind, as rows of plain values: texts, numbers, moments.
    :param steps: how it is erased.
    :param objection: whether something stands in the way that the reader can clear away.
    """

    name: str
    collect: Callable[[Subject], Mapping[str, Rows]]
    steps: Sequence[Step] = ()
    objection: Callable[[Subject], Objection | None] = lambda subject: None


_holders: dict[str, Holder] = {}


def register(holder: Holder) -> None:
    """Let a floor say what it keeps; a second time under the same name takes the place of the first."""
    _holders[holder.name] = holder


def get_all() -> list[Holder]:
    """All of them, from the ground floor up."""
    return list(_holders.values())


def steps(when: When) -> list[Step]:
    """The steps of that part, from the ground floor up."""
    return [step for holder in get_all() for step in holder.steps if step.when is when]


def is_anybody_erased() -> bool:
    """Whether anybody was ever erased: if not, there is nothing to guard."""
    return Member.objects.filter(erased_at__isnull=False).exists()
