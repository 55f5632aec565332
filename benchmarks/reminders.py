"""
Reminders that are due at once: how fast they are decided about and handed to the outbox, and in how much memory.

`python -m benchmarks.reminders [ROWS] [SECONDS]` lays out so many due reminders (1,000,000) on a fresh PostgreSQL
database and lets dispatchers run for so long (20 s), beside the bare loop: claim ids with SKIP LOCKED, mark them,
nothing else. Each row is a person, a sealed address, a decision with all its questions, and a sealed mail.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import place

BATCH = 1000
LEAST = 0.35  # of the bare loop
MORE_WITH_TWO = 1.6


def main(rows: int, seconds: float) -> int:
    """Print a table and one JSON line; 0 however fast it was, 1 if it could not be measured."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix="sustainer-bench-") as scratch,
            place.prepared(Path(scratch)) as here,
        ):
            found = _measure(here, rows, seconds)
    except place.NoDatabase as problem:
        print(problem, file=sys.stderr)
        return 1
    bare, one, two = found["bare"], found["one"], found["two"]
    print(f"\n{rows:,} reminders due at once, batches of {BATCH:,}, at most {seconds:g} s each\n")
    print(f"  bare claim loop, 1 worker      {bare['per_second']:10,.0f} rows/s   {bare['peak_mb']:6.0f} MB")
    print(f"  decided and handed, 1 worker   {one['per_second']:10,.0f} rows/s   {one['peak_mb']:6.0f} MB")
    print(f"  decided and handed, 2 workers  {two['per_second']:10,.0f} rows/s   {two['peak_mb']:6.0f} MB")
    print(f"  of the bare loop: {one['per_second'] / bare['per_second']:.2f} (at least {LEAST})")
    print(f"  two of one: {two['per_second'] / one['per_second']:.2f} (at least {MORE_WITH_TWO})")
    print(f"  memory gained over {one['rows']:,} rows: {one['gained_mb']:.1f} MB")
    print(json.dumps({"row": "reminders", "due": rows, **found}))
    return 0


def _measure(here: place.Place, rows: int, seconds: float) -> dict[str, Any]:
    environment = {**here.environment, "LOG_LEVEL": "ERROR", "REMINDER_HOLD_OUT_PERCENT": "0"}
    _run(environment, "lay_out", rows, seconds)
    found = {"bare": _run(environment, "bare", rows, seconds)}
    for name, workers in (("one", 1), ("two", 2)):
        _put_back(here.database_url)
        running = [_start(environment, "dispatch", rows, seconds) for _ in range(workers)]
        parts = [_finish(process) for process in running]
        found[name] = {
            "rows": sum(part["rows"] for part in parts),
            "per_second": sum(part["per_second"] for part in parts),
            "peak_mb": max(part["peak_mb"] for part in parts),
            "gained_mb": max(part["gained_mb"] for part in parts),
        }
    return found


def _put_back(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as link:
        link.execute("TRUNCATE members_message")
        link.execute("UPDATE reminders_remindersend SET state = 'PLANNED', decided_at = NULL, handed_on = NULL, "
                     "handovers = 0 WHERE state <> 'PLANNED'")  # fmt: skip
        link.execute(
            "UPDATE reminders_reminder SET state = 'SCHEDULED', ended_at = NULL WHERE state <> 'SCHEDULED'"
        )
        link.execute("VACUUM ANALYZE reminders_remindersend, reminders_reminder")


def _start(environment: dict[str, str], part: str, rows: int, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.reminders", part, str(rows), str(seconds)],
        cwd=place.ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def _finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate()
    assert process.returncode == 0, "the part that failed says why above"
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def _run(environment: dict[str, str], part: str, rows: int, seconds: float) -> dict[str, Any]:
    return _finish(_start(environment, part, rows, seconds))


# --- The parts, each a process of its own


def _lay_out(rows: int) -> dict[str, Any]:
    from django.conf import settings
    from django.utils import timezone

    from donations.models import Campaign
    from members import crypto
    from reminders import calendar
    from reminders.models import Reminder

    now = timezone.now()
    month = calendar.add_months(now.date(), 0)
    campaign = Campaign.objects.values_list("pk", flat=True)[0]
    email = Reminder._meta.get_field("email")
    urls = settings.DATABASES["default"]
    began = time.perf_counter()
    with psycopg.connect(
        host=urls["HOST"],
        port=urls["PORT"],
        dbname=urls["NAME"],
        user=urls["USER"],
        password=urls["PASSWORD"],
    ) as link:
        with link.cursor().copy(
            "COPY reminders_reminder (id, public_id, kind, state, email, email_hash, locale, time_zone, country, "
            "campaign_id, interval, amount_minor, currency, source, consent_version, period, anchor_day, "
            "mails_promised, mails_without_answer, held_out, created_at) FROM STDIN"
        ) as copy:
            for number in range(1, rows + 1):
                row = Reminder(public_id=uuid.uuid4())
                address = f"reader{number}@example.org"
                sealed = bytes(email.seal(row, address))
                copy.write_row(
                    (number, row.public_id, "ONE_OFF", "SCHEDULED", sealed, crypto.lookup_hash(address), "en", "",
                     "US", campaign, "month", 500, "USD", "{}", "reminder-1", month, 1, 1, 0, False, now)
                )  # fmt: skip
        link.execute(
            "INSERT INTO reminders_remindersend (reminder_id, period, step, state, reason, rid, person, "
            "due_at, ready_at, handovers, conversion, value_currency) "
            "SELECT id, period, 1, 'PLANNED', '', gen_random_uuid(), email_hash, %s, %s, 0, '', '' "
            "FROM reminders_reminder",
            (now, now),
        )
    return {"seconds": time.perf_counter() - began}


def _loop(step: Any, seconds: float) -> dict[str, Any]:
    step()  # the first batch pays for caches and connections
    base = _rss()
    done, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        count = step()
        done += count
        if count < BATCH:
            break
    elapsed = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "rows": done,
        "per_second": done / elapsed,
        "peak_mb": peak,
        "gained_mb": _rss() - base,
    }


def _rss() -> float:
    """Megabytes that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024 / 1024


def _bare(seconds: float) -> dict[str, Any]:
    from django.db import transaction
    from django.utils import timezone

    from reminders.models import ReminderSend

    now = timezone.now()

    def step() -> int:
        due = ReminderSend.objects.filter(state="PLANNED", ready_at__lte=now).order_by("ready_at", "id")
        with transaction.atomic():
            ids = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True)[:BATCH])
            return ReminderSend.objects.filter(pk__in=ids, state="PLANNED").update(
                state="EXPIRED", decided_at=now
            )

    return _loop(step, seconds)


def _dispatch(seconds: float) -> dict[str, Any]:
    from django.utils import timezone

    from reminders import calendar, dispatch, zones

    zone = zones.of_reader(time_zone="", country="US")
    morning = calendar.next_morning(timezone.now(), zone)  # nobody is written to at night
    return _loop(lambda: dispatch.dispatch_due(now=morning, limit=BATCH).handed_over, seconds)


def _part(name: str, rows: int, seconds: float) -> None:
    import django

    django.setup()
    if name == "lay_out":
        print(json.dumps(_lay_out(rows)))
    else:
        print(json.dumps(_bare(seconds) if name == "bare" else _dispatch(seconds)))


if __name__ == "__main__":
    given = sys.argv[1:]
    if given and given[0] in ("lay_out", "bare", "dispatch"):
        _part(given[0], int(given[1]), float(given[2]))
    else:
        os.chdir(place.ROOT)
        sys.exit(main(int(given[0]) if given else 1_000_000, float(given[1]) if len(given) > 1 else 20))
