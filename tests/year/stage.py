"""
The house on its stage: the real processes in a folder of their own, and the question whether all is quiet.

It is the supervisor of `make demo` with another offline Stripe (in memory, with bank accounts in three currencies
only) and the year's own Celery app. The clock is moved in steps; after each, `settle` waits until nobody has
anything left to do, by asking and never by sleeping for a guess.
"""

from __future__ import annotations

import base64
import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import redis

from config import demo
from tests.year.offline import Stripe

# Beat's sweeps by real seconds would come at another moment of the year on each machine.
QUIET = {
    "DJANGO_SETTINGS_MODULE": "tests.year.settings",
    "LOG_LEVEL": "WARNING",
    "SWEEP_SECONDS": "3600",
    "REMINDER_CONSENT_VERSION": "reminder-1",
}
# Said where the post lost all word of a payment until it was too late to announce it, and where a reader wishes a
# second gift undone that the bank takes back already.
EXPECTED = ("charged without a notice", "code=charge_disputed", "a second charge could not be undone")
SETTLE_IN = "eur,usd,gbp"
PATIENCE = 90  # seconds of looking without any progress
SWEEP_AFTER = 1.0  # seconds without progress
LOOK_EVERY = 0.02


class Stuck(Exception):
    """Something is left to do and nobody does it; the message says what."""


class Stage(demo.House):
    """The processes of a year. `start` and `stop` as those of the demo."""

    def __init__(self, data_dir: Path, *, services: Mapping[str, str]) -> None:
        super().__init__(0, 0, data_dir, say=self._hear, services={**QUIET, **_keys(), **services})
        self.stripe = Stripe(self.sandbox_url)
        self.complaints: list[str] = []
        self.tail: list[str] = []
        self._done: set[str] = set()
        self._news = threading.Condition()

    def _hear(self, name: str, line: str) -> None:
        if line.startswith("done "):
            with self._news:
                self._done.add(line.removeprefix("done "))
                self._news.notify_all()
            return
        if self.tail and self._is_end_of_traceback(name, line):
            self.complaints.append(f"{name}: {line}")
        self.tail = [*self.tail[-40:], f"{name}: {line}"]
        if ("Traceback" in line or "[error" in line) and not any(word in line for word in EXPECTED):
            self.complaints.append(f"{name}: {line}")

    def _is_end_of_traceback(self, name: str, line: str) -> bool:
        """Whether this is the line that says what went wrong, after those that say where."""
        return self.tail[-1].startswith(f"{name}:     ") and bool(
            re.match(r"[A-Za-z_.]+(Error|Exception)?:", line)
        )

    def _run(self, name: str, command: list[str]) -> None:
        ours = {"config": "tests.year.app"} if name in ("worker", "beat") else {}
        command = [ours.get(word, word) for word in command]
        if name == "worker":  # SQLite takes one writer at a time: a second thread would only stand in the way
            command[command.index("--concurrency") + 1] = "1"
        super()._run(name, command)

    def _sandbox_flags(self) -> list[str]:
        flags = super()._sandbox_flags()
        place = flags.index("--state")
        return [*flags[:place], *flags[place + 2 :], "--settle-in", SETTLE_IN]

    def cpu_seconds(self) -> dict[str, float]:
        """What each part (with its own children) and this process have used of the processor; {} without /proc."""
        used = {"year": time.process_time()}
        for part in self.parts:
            try:
                used[part.name] = sum(_ticks(pid) for pid in _family(part.process.pid)) / os.sysconf(
                    "SC_CLK_TCK"
                )
            except OSError:
                return {}
        return used

    def _gunicorn_flags(self) -> list[str]:
        """One web process: two cores have the worker, the offline Stripe and the year to carry as well."""
        flags = super()._gunicorn_flags()
        flags[flags.index("--workers") + 1] = "1"
        return flags

    def stop(self) -> None:
        """As the demo's; and nothing of ours stays behind in a broker that others use."""
        super().stop()
        url, queue = self.services.get("CELERY_BROKER_URL", ""), self.services.get("YEAR_QUEUE", "")
        if queue and url.startswith("redis"):
            with redis.Redis.from_url(url) as server:
                server.delete(queue, f"_kombu.binding.{queue}")

    # --- Time and quiet ---

    def move_to(self, moment: datetime) -> None:
        """Move everybody's clock to a moment that lies ahead."""
        self.stripe.control("clock", to=moment.isoformat())

    def run(self, task: str, *arguments: object) -> None:
        """Let a worker run a task, and return when it has. Raises Stuck."""
        from tests.year.app import app

        task_id = str(uuid.uuid4())
        app.send_task(task, args=arguments, task_id=task_id)
        silent = 0  # seconds, as `wait` counts them
        with self._news:
            while task_id not in self._done:
                silent += not self._news.wait(1.0)
                if silent > PATIENCE:
                    raise Stuck(f"{task} did not end.\n" + "\n".join(self.tail))
            self._done.clear()

    def wait(self, left: Callable[[], dict[str, int]]) -> None:
        """
        Return when `left` finds nothing. What was not rung for is swept for, as beat would.

        Raises Stuck when for a long while nothing becomes less or other.
        """
        seen, idle = None, 0
        while found := {name: count for name, count in left().items() if count}:
            # Looks are counted and not seconds: a machine that slept, or had other things to do, is not stuck.
            seen, idle = found, idle + 1 if found == seen else 0
            if idle > PATIENCE / LOOK_EVERY:
                raise Stuck(f"There was left to do, and nothing moved: {found}.\n" + "\n".join(self.tail))
            if idle and idle % (SWEEP_AFTER / LOOK_EVERY) == 0:
                self._sweep_for_rung()
            if self._over.wait(LOOK_EVERY):
                raise self._why_over()

    def _sweep_for_rung(self) -> None:
        from tests.year.app import RUNG, app

        for task in RUNG:
            app.send_task(task)


def _keys() -> dict[str, str]:
    """Keys of the house's own, which nobody needs to know afterwards."""
    made = {name: base64.b64encode(os.urandom(32)).decode() for name in ("FIELD", "LOOKUP", "SECRET")}
    return {
        "FIELD_ENCRYPTION_KEYS": f"year:{made['FIELD']}",
        "LOOKUP_HASH_KEYS": f"year:{made['LOOKUP']}",
        "SECRET_KEY": made["SECRET"] * 2,
    }


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]


def _ticks(pid: int) -> int:
    return sum(
        int(ticks) for ticks in Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:13]
    )
