"""
The table of calls that the API knows. Each module writes its own rows beside the functions that answer them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.params import Fields

Handler = Callable[..., dict[str, Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """``handler(account, given, **ids)`` answers ``method`` on ``path``; ``given`` was read by ``fields``."""

    method: str
    path: str
    fields: Fields
    needed: tuple[str, ...]
    handler: Handler


ROUTES: list[Route] = []


def _on(method: str, path: str, fields: Fields, needed: tuple[str, ...]) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        ROUTES.append(Route(method, path, fields, needed, handler))
        return handler

    return register


def get(
    path: str, fields: Fields | None = None, needed: tuple[str, ...] = ()
) -> Callable[[Handler], Handler]:
    """Answer GET on this path."""
    return _on("GET", path, fields or {}, needed)


def post(
    path: str, fields: Fields | None = None, needed: tuple[str, ...] = ()
) -> Callable[[Handler], Handler]:
    """Answer POST on this path."""
    return _on("POST", path, fields or {}, needed)


def delete(
    path: str, fields: Fields | None = None, needed: tuple[str, ...] = ()
) -> Callable[[Handler], Handler]:
    """Answer DELETE on this path."""
    return _on("DELETE", path, fields or {}, needed)
