"""
How often an appeal was shown and how often held back, by day and variant: numbers without people.

Only answers that were drawn by lot are counted, for only there is something to compare; and they are never kept by a
shared cache, so that each comes from here. Counting must not cost a reader time, nor the database the lock of a row for
each: every process adds up by itself and writes what it has when the last writing is ten seconds ago. A process that
dies takes at most those seconds with it, of those who were shown as of those who were not.
"""

from __future__ import annotations

import threading
from collections import Counter
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F

from donations.models import AskCount
from members.rows import insert_new

PAUSE = timedelta(seconds=10)  # between two writings
_log = structlog.get_logger(__name__)

_Key = tuple[int, int | None, date, bool]


class _Sheet:
    """What this process has counted and not written down."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts: Counter[_Key] = Counter()
        self.written_at: datetime | None = None

    def add(self, key: _Key, now: datetime) -> Counter[_Key]:
        """One more; what is to be written now, if this caller is to do it."""
        with self.lock:
            self.counts[key] += 1
            is_soon = self.written_at is not None and timedelta(0) <= now - self.written_at < PAUSE
            return Counter() if is_soon else self._take(now)

    def take(self, now: datetime) -> Counter[_Key]:
        with self.lock:
            return self._take(now)

    def _take(self, now: datetime) -> Counter[_Key]:
        taken, self.counts, self.written_at = self.counts, Counter(), now
        return taken

    def put_back(self, counts: Counter[_Key]) -> None:
        with self.lock:
            self.counts += counts


_sheet = _Sheet()


def note(campaign: int, variant: int | None, *, is_held: bool, now: datetime) -> None:
    """Count one answer. Never fails: an appeal is worth more than a number."""
    day = now.astimezone(ZoneInfo(settings.NEWSROOM_TIME_ZONE)).date()
    _write(_sheet.add((campaign, variant, day, is_held), now))


def write_now(*, now: datetime) -> None:
    """Write down all that this process has counted."""
    _write(_sheet.take(now))


def _write(counts: Counter[_Key]) -> None:
    if not counts:
        return
    try:
        with transaction.atomic():
            for (campaign, variant, day, is_held), number in sorted(counts.items(), key=_in_order):
                column = "held" if is_held else "shown"
                row = AskCount.objects.filter(campaign=campaign, variant=variant, day=day)
                if not row.update(**{column: F(column) + number}):
                    insert_new([AskCount(campaign_id=campaign, variant_id=variant, day=day)])
                    row.update(**{column: F(column) + number})
    except IntegrityError:
        _log.warning("asks of a campaign or variant that is gone not counted")
    except DatabaseError as error:
        _log.warning("asks not counted yet", error=type(error).__name__)
        _sheet.put_back(counts)


def _in_order(item: tuple[_Key, int]) -> tuple[int, int, date, bool]:
    """The same order for everybody, so that two that write at once wait for each other only once."""
    (campaign, variant, day, is_held), _ = item
    return campaign, variant or 0, day, is_held
