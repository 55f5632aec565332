"""
What a farewell says beyond the dates: why a membership ended, and the way back.

This floor knows no money, so whoever is the source of a membership says it, when it starts (`register`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Farewell:
    """
    :param come_back_url: where the reader gives again, filled in as it was.
    :param reason_text: why it ended, as a sentence in the reader's language; empty where there is nothing to say.
    """

    come_back_url: str
    reason_text: str = ""


_tellers: dict[str, Callable[[str], Farewell | None]] = {}


def register(source_kind: str, teller: Callable[[str], Farewell | None]) -> None:
    """Let a floor above speak about the ends of memberships from its source; asked with the source's reference."""
    _tellers[source_kind] = teller


def of(source_kind: str, reference: str) -> Farewell | None:
    """What to say about this end; None if the reader was told of it in another mail."""
    teller = _tellers.get(source_kind)
    return teller(reference) if teller else plain()


def plain() -> Farewell:
    """What is said where nobody knows more."""
    return Farewell(come_back_url=f"{settings.PUBLIC_BASE_URL}/")
