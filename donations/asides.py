"""
A small form of an upper floor inside the form of the support page, such as "remind me later".

It lies inside the giving form, so that without any script its button brings along what was chosen there. This floor
knows nothing of what it does: whoever has such a form registers it when the house starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse

# What is chosen in the giving form: campaign, interval, currency and, if it can be read, amount; and the language.
Wish = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Aside:
    """
    What the support page has to know of it.

    :param template: included at the end of the giving form, with `aside`: what `draw` or `answer` returned.
    :param draw: what it shows beside that wish; `is_outage` when payments do not work just now.
    :param is_meant: whether a post of the whole form is about it, rather than about giving.
    :param answer: does what its button says and returns where to go, or what it shows to say what is wrong.
    :param offer: the same choices for a widget, in the active language, as JSON holds them.
    """

    template: str
    draw: Callable[[Wish, bool, datetime], Mapping[str, Any]]
    is_meant: Callable[[HttpRequest], bool]
    answer: Callable[[HttpRequest, Wish, datetime], HttpResponse | Mapping[str, Any]]
    offer: Callable[[datetime], dict[str, Any]]


_registered: list[Aside] = []


def register(aside: Aside) -> None:
    """Show it on the support page; there is one."""
    _registered[:] = [aside]


def get() -> Aside | None:
    """The one that was registered; None if none was."""
    return _registered[0] if _registered else None
