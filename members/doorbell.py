"""
Tells workers that there is something to do, without ever costing or failing whoever rings.

Rows are the queue; a ring only saves the wait for the next sweep. So it goes out from a thread of its own,
many rings at once become one, and a broker that is away is one line in the log.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction

log = structlog.get_logger(__name__)


def ring(task_name: str) -> None:
    """
    Ask for a task without arguments to be run soon.

    Inside a transaction the bell rings after the commit, and not at all after a rollback: a worker that comes
    earlier would find nothing. settings.DOORBELL = "off" silences it.

    :param task_name: a registered name, such as "members.tasks.send_owed_mail".
    """
    if settings.DOORBELL == "off":
        return
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    transaction.on_commit(partial(_ring_bell, task_name, request_id), robust=True)


class Bell:
    """The thread that publishes, started with the first ring. It needs no stopping: it holds no promise."""

    def __init__(self) -> None:
        self._wanted: dict[str, str | None] = {}  # task name -> the id of the request that rang last
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def ring(self, task_name: str, request_id: str | None = None) -> None:
        with self._changed:
            is_news = task_name not in self._wanted
            self._wanted[task_name] = request_id
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
                self._thread.start()
            if is_news:  # else it goes out with the ring before, in a moment; events come by the thousand
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._wanted:
                    self._changed.wait()
                wanted, self._wanted = self._wanted, {}
            for task_name, request_id in wanted.items():
                publish(task_name, request_id)
            time.sleep(settings.DOORBELL_PAUSE)  # what is rung meanwhile goes out together, once


def publish(task_name: str, request_id: str | None) -> None:
    """Send one message to the broker; a failure is logged and forgotten, for a sweep does the work anyway."""
    headers = {"request_id": request_id} if request_id else {}
    try:
        current_app.send_task(task_name, headers=headers, ignore_result=True)
    except Exception as error:
        log.warning("doorbell_unheard", task=task_name, error=type(error).__name__)


_bell = Bell()


def _ring_bell(task_name: str, request_id: str | None) -> None:
    _bell.ring(task_name, request_id)


def _new_bell_after_fork() -> None:
    """A forked process has the bell's memory but not its thread, and perhaps its lock held for ever."""
    global _bell
    _bell = Bell()


os.register_at_fork(after_in_child=_new_bell_after_fork)
