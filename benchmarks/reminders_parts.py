"""
What `benchmarks.reminders` lays out and lets run: each a process of its own.

`python -m benchmarks.reminders_parts lay_out DUE` makes so many due reminders. `… bare` and `… dispatch` are workers:
each line on their input is a batch to do; each line of their output, what came of it.

The due: one single reminder each of as many readers. Of a hundred readers, 88 never gave, 10 gave before they asked
and 2 since, so that every question before a mail finds something. A hold-out of 5 would cost less than a mail, so
there is none.
"""

from __future__ import annotations

import json
import resource
import sys
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

BATCH = 2000
AT_ONCE = 10_000


def main(part: str, due: str = "0") -> None:
    import django

    django.setup()
    if part == "lay_out":
        lay_out(int(due))
        return
    step = {"bare": _bare, "dispatch": _dispatch}[part]()
    for _ in sys.stdin:
        rows = step()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"rows": rows, "held_mb": _held(), "peak_mb": peak}), flush=True)


def _held() -> float:
    """Megabytes that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024 / 1024


def _bare() -> Callable[[], int]:
    """The least that working off can be: ids that no other worker holds, marked in one update."""
    from django.db import transaction

    from reminders.models import ReminderSend

    now = morning()

    def step() -> int:
        due = ReminderSend.objects.filter(state="PLANNED", ready_at__lte=now).order_by("ready_at", "id")
        with transaction.atomic():
            ids = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True)[:BATCH])
            return ReminderSend.objects.filter(pk__in=ids, state="PLANNED").update(
                state="EXPIRED", decided_at=now
            )

    return step


def _dispatch() -> Callable[[], int]:
    from reminders import dispatch

    now = morning()

    def step() -> int:
        found = dispatch.dispatch_due(now=now, limit=BATCH)
        return found.handed_over + found.suppressed

    return step


def morning() -> datetime:
    """The next morning where these readers live: nobody is written to at night."""
    from django.utils import timezone

    from reminders import calendar, zones

    return calendar.next_morning(timezone.now(), zones.of_reader(time_zone="", country="US"))


# --- What is due


def lay_out(due: int) -> None:
    """So many reminders that are due, each of another reader."""
    from django.utils import timezone

    from donations.models import Campaign

    now = timezone.now()
    campaign = Campaign.objects.get()
    for first in range(0, due, AT_ONCE):
        _readers(range(first, min(first + AT_ONCE, due)), campaign.pk, now)


def _readers(numbers: range, campaign: int, now: datetime) -> None:
    from members import crypto
    from members.models import Member
    from members.rows import among, insert_columns
    from reminders import calendar
    from reminders.models import Reminder, ReminderSend

    addresses = [f"reader{number}@example.org" for number in numbers]
    hashes = [crypto.lookup_hash(address) for address in addresses]
    month = calendar.add_months(now.date(), 0)
    insert_columns(
        Reminder,
        each={**_sealed(Reminder, addresses), "email_hash": hashes},
        same={"kind": "ONE_OFF", "state": "SCHEDULED", "locale": "en", "country": "US", "campaign": campaign,
              "interval": "month", "amount_minor": 500, "currency": "USD", "consent_version": "reminder-1",
              "period": month, "anchor_day": 1, "created_at": now},
    )  # fmt: skip
    reminders = dict(Reminder.objects.filter(among("email_hash", hashes)).values_list("email_hash", "pk"))
    insert_columns(
        ReminderSend,
        each={
            "rid": [uuid.uuid4() for _ in hashes],
            "person": hashes,
            "reminder": [reminders[email_hash] for email_hash in hashes],
        },
        same={"period": month, "step": 1, "due_at": now, "ready_at": now},
    )
    givers = [place for place, number in enumerate(numbers) if number % 100 < 12]
    insert_columns(
        Member,
        each={
            **_sealed(Member, [addresses[place] for place in givers]),
            "email_hash": [hashes[place] for place in givers],
        },
        same={"locale": "en", "joined_at": now - timedelta(days=400)},
    )
    members = dict(Member.objects.filter(among("email_hash", hashes)).values_list("email_hash", "pk"))
    _gifts(
        campaign,
        {
            members[hashes[place]]: now + timedelta(minutes=1)
            if numbers[place] % 100 < 2
            else now - timedelta(days=400)
            for place in givers
        },
    )


def _gifts(campaign: int, given: dict[int, datetime]) -> None:
    """One gift of each of these members, at that moment."""
    from donations.models import Contribution, Payment
    from members.rows import among, insert_columns

    moments = list(given.values())
    insert_columns(
        Contribution,
        each={
            "public_id": [uuid.uuid4() for _ in given],
            "member": list(given),
            "created_at": moments,
            "checkout_attempted_at": moments,
            "stripe_session_id": [f"cs_{uuid.uuid4().hex}" for _ in given],
        },
        same={"campaign": campaign, "interval": "once", "amount_minor": 500, "currency": "USD", "livemode": False,
              "checkout_state": "COMPLETED"},
    )  # fmt: skip
    rows = Contribution.objects.filter(among("member", list(given))).values_list("member", "pk")
    contributions = dict(rows)
    insert_columns(
        Payment,
        each={
            "public_id": [uuid.uuid4() for _ in given],
            "contribution": [contributions[member] for member in given],
            "created_at": moments,
            "paid_at": moments,
            "stripe_payment_intent_id": [f"pi_{uuid.uuid4().hex}" for _ in given],
        },
        same={"state": "SUCCEEDED", "amount_minor": 500, "currency": "USD"},
    )


def _sealed(model: Any, addresses: list[str]) -> dict[str, list[Any]]:
    field = model._meta.get_field("email")
    rows = [model(public_id=uuid.uuid4()) for _ in addresses]
    return {
        "public_id": [row.public_id for row in rows],
        "email": [field.seal(row, address) for row, address in zip(rows, addresses, strict=True)],
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
