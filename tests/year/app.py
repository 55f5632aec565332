"""
The Celery app as the year runs it: the house's own, with three differences.

Reconciliation is not in beat's timetable, because the year shows what is missing without it and asks for it once, at
its end. A worker runs several sweeps in a row if asked to, since the year asks for all of them at each stop of the
clock. And it says when it is done with a task, so that nobody has to guess.
"""

from __future__ import annotations

import sys
from typing import Any

import structlog
from celery import signals
from celery.schedules import crontab

from config.celery import app

__all__ = ["NIGHTLY", "SWEEPS", "app"]

RUNG = (  # by whoever made work for them; the others look for what has come due with time
    "donations.tasks.process_inbox",
    "donations.tasks.settle_payments",
    "members.tasks.send_owed_mail",
)

RECONCILE = ("donations.tasks.reconcile_stripe", "donations.tasks.compare_with_stripe")

_timetable = {name: entry for name, entry in app.conf.beat_schedule.items() if entry["task"] not in RECONCILE}
assert len(_timetable) == len(app.conf.beat_schedule) - len(RECONCILE), "one of them has another name now"
app.conf.beat_schedule = _timetable
SWEEPS = [
    entry["task"]
    for entry in _timetable.values()
    if entry["task"] not in RUNG and not isinstance(entry["schedule"], crontab)
]
SWEEPS.sort(key=lambda task: task == "donations.tasks.give_notice")  # last: it tells what others have planned
NIGHTLY = [entry["task"] for entry in _timetable.values() if isinstance(entry["schedule"], crontab)]


# A worker's one thread keeps its connection, as a pool does for it in production: SQLite's would be opened anew for
# each of some ten thousand tasks.
app.conf["CELERY_DB_REUSE_MAX"] = sys.maxsize


@app.task(name="tests.year.app.sweep")
def sweep(tasks: list[str]) -> None:
    """Run these tasks one after the other; one that fails is said, and does not hold up the others."""
    for name in tasks:
        try:
            app.tasks[name]()
        except Exception:
            structlog.get_logger(__name__).exception("sweep failed", sweep=name)


@signals.task_postrun.connect
def _say_done(task_id: str, **_: Any) -> None:
    sys.stdout.write(f"done {task_id}\n")  # one piece: two threads may say it at once
    sys.stdout.flush()
