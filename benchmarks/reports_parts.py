"""
The parts of `benchmarks.reports` that run inside the house: laying out its books, and asking.

    python -m benchmarks.reports_parts lay_out PAYMENTS
    python -m benchmarks.reports_parts measure PAYMENTS     prints one line of JSON
    python -m benchmarks.reports_parts file PAYMENTS        likewise, about an export
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

from benchmarks import books, raw_reports, reports_file
from benchmarks.books import NOW, PER_MEMBER, START

_ROUNDS = 7


def measure(payments: int) -> dict[str, Any]:
    """Milliseconds of each question, beside what it is measured by."""
    from donations.reports import catalogue, dashboard, kept, rebuilding
    from donations.reports.catalogue import Question
    from donations.reports.periods import Granularity, Period
    from donations.reports.plans import Filters

    rebuilding.sum_anew()
    rebuilding.take_stock()
    kept.LARGE = 0  # so that a small trial goes the way of a large house
    ever = Question(Period(START.date(), NOW.date()), Granularity.MONTH, Filters(), NOW)
    began = time.perf_counter()
    reckoned = kept.reckon(now=NOW)
    found: dict[str, Any] = {
        "payments": payments,
        "members": payments // PER_MEMBER,
        "reckoned": reckoned,
        "reckon_seconds": round(time.perf_counter() - began, 1),
        "reckon_peak_mb": reports_file.peak_mb(),
    }
    usual = catalogue.usual(NOW)
    asked: dict[str, Callable[[], object]] = {
        name: lambda name=name: catalogue.ask(name, usual)  # type: ignore[misc]  # mypy knows no default of a lambda
        for name in catalogue.names()
    }
    asked["revenue of all years"] = lambda: catalogue.ask("revenue", ever)
    asked["dashboard"] = lambda: dashboard.dashboard(month=date(2026, 11, 1), currency=None, now=NOW)
    found["ms"] = {name: _ms(question) for name, question in asked.items()}
    raw = {name: _ms(partial(_sql, said), rounds=2) for name, said in raw_reports.STATEMENTS.items()}
    raw["dashboard"] = sum(raw[name] for name in raw_reports.OF_THE_DASHBOARD)
    found["raw_ms"] = raw
    found["of_raw"] = {name: raw[name] / found["ms"][name] for name in raw}
    found["refresh_ms"] = _refresh()
    found |= _rebuild()
    return found


def _refresh() -> float:
    """Carrying a day's late data over: two hundred entries of one day in all currencies, and the day's sums again."""
    from donations.models import JournalEntry
    from donations.reports import rebuilding, rollups

    day = date(2026, 11, 1)
    spent = []
    for _ in range(_ROUNDS):
        late = list(JournalEntry.objects.filter(day=day).order_by("pk").values_list("pk", flat=True)[:200])
        JournalEntry.objects.filter(pk__in=late).update(is_rolled_up=False)
        began = time.perf_counter()
        rollups.roll_up()
        spent.append((time.perf_counter() - began) * 1000)
    rebuilding.sum_anew()  # these were added twice
    return statistics.median(spent)


def _rebuild() -> dict[str, Any]:
    """
    All sums anew, where none is left and where none is wrong, beside the statements that state them by day.

    These fill a table like that of the sums by day, and may use as much memory. Months are ours alone to make.
    """
    from donations.reports import rebuilding

    _sql(f"SET work_mem = '{rebuilding._MEMORY}'")
    _sql("CREATE TABLE stated (LIKE donations_revenueday INCLUDING ALL)")

    def bare() -> float:
        _sql("TRUNCATE stated")
        return _ms(
            lambda: [_sql(statement) for statement in (_STATED.format("campaign_id"), _STATED.format("0"))], 1
        )

    def from_nothing() -> float:
        _sql("TRUNCATE donations_revenueday, donations_revenuemonth")
        return _ms(rebuilding.sum_anew, 1)

    times = [(bare(), from_nothing(), _ms(rebuilding.sum_anew, 1)) for _ in range(3)]
    _sql("DROP TABLE stated")
    _sql("RESET work_mem")
    return {
        "stated_ms": statistics.median(bare for bare, _, _ in times),
        "rebuild_ms": statistics.median(ours for _, ours, _ in times),
        "rebuild_of_stated": statistics.median(bare / ours for bare, ours, _ in times),
        "right_rebuild_ms": statistics.median(ours for _, _, ours in times),
        "right_rebuild_of_stated": statistics.median(bare / ours for bare, _, ours in times),
    }


_STATED = """
    INSERT INTO stated (day, campaign_id, "interval", currency, kind, count, amount_minor, fee_minor)
    SELECT day, {0} AS of, "interval", currency, kind, SUM(count), SUM(amount_minor), SUM(fee_minor)
    FROM donations_journalentry WHERE is_rolled_up GROUP BY day, of, "interval", currency, kind
"""


def _sql(statement: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)
        if cursor.description:
            cursor.fetchall()


def _ms(question: Callable[[], object], rounds: int = _ROUNDS) -> float:
    spent = []
    for number in range(rounds + (rounds > 1)):
        began = time.perf_counter()
        question()
        if number or rounds == 1:  # the first one pays for caches
            spent.append((time.perf_counter() - began) * 1000)
    return statistics.median(spent)


def main(part: str, payments: int) -> None:
    import django

    django.setup()
    match part:
        case "lay_out":
            books.lay_out(payments)
        case "measure":
            print(json.dumps(measure(payments)))
        case "file":
            print(json.dumps(reports_file.measure()))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
