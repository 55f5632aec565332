"""
A process that dies between any two steps, for tests.

A step is what leaves the process: an SQL statement, a commit, a call to Stripe, a mail handed over. What was
committed, told to Stripe or mailed before the end has happened; an open transaction has not; nothing after it is
done. Dying before step 0, 1, … and after the last one is dying everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from requests.adapters import HTTPAdapter

from members.courier import Courier

# Brackets around statements: nothing can be seen of them from outside.
_BRACKETS = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK")


class Crash(BaseException):
    """The end of a process. No `except Exception` sees it, as none sees a kill."""


class Process:
    """
    Does `act` and dies before the step with this number; after its work, if it has no more steps than that.

    `steps` names those that were done.
    """

    def __init__(self, die_before: int | None = None) -> None:
        self._die_before = die_before
        self.steps: list[str] = []
        self.is_dead = False

    def run(self, act: Callable[[], Any]) -> None:
        """Let the process live until it dies, or until its work is done."""
        with self._watched():
            try:
                act()
            except Crash:
                assert self.is_dead
            else:
                assert not self.is_dead, "something caught the end of the process"

    def _step(self, name: str, act: Callable[[], Any]) -> Any:
        if self.is_dead or len(self.steps) == self._die_before:
            self.is_dead = True
            raise Crash(name)
        done = act()
        self.steps.append(name)
        return done

    @contextmanager
    def _watched(self) -> Iterator[None]:
        commit, call, mail = BaseDatabaseWrapper._commit, HTTPAdapter.send, Courier.send  # type: ignore[attr-defined]

        def statement(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if sql.startswith(_BRACKETS):
                return execute(sql, params, many, context)
            return self._step(sql[:60], lambda: execute(sql, params, many, context))

        def committed(wrapper: Any) -> None:
            try:
                self._step("COMMIT", lambda: commit(wrapper))
            except Crash:
                wrapper._rollback()  # as a database does when its client is gone
                raise

        def called(adapter: Any, request: Any, *args: Any, **options: Any) -> Any:
            name = f"{request.method} {request.path_url.split('?')[0]}"
            return self._step(name, lambda: call(adapter, request, *args, **options))

        def mailed(courier: Any, message: Any) -> Any:
            return self._step("MAIL", lambda: mail(courier, message))

        with (
            connection.execute_wrapper(statement),
            mock.patch.object(BaseDatabaseWrapper, "_commit", committed),
            mock.patch.object(HTTPAdapter, "send", called),
            mock.patch.object(Courier, "send", mailed),
        ):
            yield


def steps_of(act: Callable[[], Any]) -> list[str]:
    """The steps of a piece of work that nothing interrupts."""
    process = Process()
    process.run(act)
    return process.steps
