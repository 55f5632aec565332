"""
The one way in which steps of memberships leave a SQLite database: when the whole database is emptied.

The trigger of migration 0005 asks `history_may_be_emptied()`. Connections of ours answer no, but for the time in
which `manage.py flush` runs; a program that is not ours has no such function, and its DELETE fails as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

_emptying: ContextVar[bool] = ContextVar("emptying", default=False)


@contextmanager
def emptying() -> Iterator[None]:
    """Inside, the history may go with everything else."""
    token = _emptying.set(True)
    try:
        yield
    finally:
        _emptying.reset(token)


def introduce(connection: BaseDatabaseWrapper, **_signal: Any) -> None:
    """Give a new connection to SQLite the function that the trigger asks."""
    if connection.vendor == "sqlite":
        connection.connection.create_function("history_may_be_emptied", 0, _emptying.get)
