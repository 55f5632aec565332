"""
What a farewell says beyond the dates: why a membership ended, and the way back.

This floor knows no money, so whoever is the source of a membership says it, when it starts (`register`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Farewell:
    """
    :param come_back_url: where the reader gives again, filled in as it was.
    :param reason_text: why it ended, as a sentence in the reader's language; empty where there is nothing to say.
    """

    come_back_url: str
    reason_text: str = ""


Teller = Callable[[str, datetime], Farewell | None]

_tellers: dict[str, Teller] = {}


def register(source_kind: str, teller: Teller) -> None:
    """Let a floor above speak about the ends of memberships from its source; asked with its reference and the end."""
    _tellers[source_kind] = teller


def of(source_kind: str, reference: str, ends_at: datetime) -> Farewell | None:
    """What to say about this end; None if the reader was told of it in another mail, or is not to be told."""
    teller = _tellers.get(source_kind)
    return teller(reference, ends_at) if teller else plain()


def plain() -> Farewell:
    """What is said where nobody knows more."""
    return Farewell(come_back_url=f"{settings.PUBLIC_BASE_URL}/")
