"""
What upper floors have to say to a reader on the page about them: reminders that are planned, say.

This floor knows nothing of what it is: whoever has something registers it when the house starts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from members.models import Member


@dataclass(frozen=True, slots=True)
class Line:
    """
    One thing, and the page on which its reader does something about it.

    :param action: what the link says, such as "Stop it".
    """

    text: str
    url: str
    action: str


@dataclass(frozen=True, slots=True)
class Panel:
    """Some lines under a heading, in the active language."""

    title: str
    lines: Sequence[Line]


# Given a reader and now, what there is to say; None for nothing.
Source = Callable[[Member, datetime], Panel | None]
_sources: dict[str, Source] = {}


def register(name: str, source: Source) -> None:
    """Ask it for each page about a reader; once under each name."""
    _sources[name] = source


def get_panels(reader: Member, *, now: datetime) -> list[Panel]:
    """What all of them have to say, in the order in which they were registered."""
    return [panel for source in _sources.values() if (panel := source(reader, now)) is not None]
