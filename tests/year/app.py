"""
The Celery app as the year runs it: the house's own, with two differences.

Reconciliation is not in beat's timetable, because the year shows what is missing without it and rings for it once,
at its end. And a worker says when it is done with a task, so that nobody has to guess.
"""

from __future__ import annotations

import sys
from typing import Any

from celery import signals

from config.celery import app

__all__ = ["app"]

app.conf.beat_schedule = {
    name: entry for name, entry in app.conf.beat_schedule.items() if "reconcil" not in entry["task"]
}


@signals.task_postrun.connect
def _say_done(task_id: str, **_: Any) -> None:
    sys.stdout.write(f"done {task_id}\n")  # one piece: two threads may say it at once
    sys.stdout.flush()
