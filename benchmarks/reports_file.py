"""
A file of payments beside COPY, for `benchmarks.reports`: in a process of its own, the peak of whose memory is its own.
"""

from __future__ import annotations

import resource
import statistics
import time
from typing import Any

from benchmarks.books import NOW, START

ROUNDS = 3


def measure() -> dict[str, Any]:
    """A file of payments, up to a million, beside COPY of the same columns: in the same order, and as they lie."""
    from django.db import connection

    from donations.models import Payment
    from donations.reports import exports
    from donations.reports.catalogue import Question
    from donations.reports.periods import Granularity, Period
    from donations.reports.plans import Filters

    export = exports.get("payments")
    assert export is not None
    months = Payment.objects.filter(paid_at__lte=NOW).order_by("-paid_at").values_list("paid_at", flat=True)
    first = next(iter(months[999_999:1_000_000]), START)
    asked = Question(Period(first.date(), NOW.date()), Granularity.MONTH, Filters(), NOW)
    rows = export.rows(asked).values_list(*(column.source for column in export.columns))

    def bare(wanted: Any) -> int:
        sql = connection.ops.compose_sql(*wanted.query.sql_with_params())
        with connection.cursor() as cursor:
            with cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT csv)") as copy:
                for _ in copy:
                    pass
            return int(cursor.rowcount)

    def ours() -> int:
        return sum(piece.rows for piece in exports.pieces(export, asked))

    before = peak_mb()
    count = ours()
    peak = peak_mb()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        assert bare(rows.order_by("pk")) == count
        ordered = time.perf_counter()
        assert bare(rows.order_by()) == count
        lying = time.perf_counter()
        assert ours() == count
        times.append((ordered - began, lying - ordered, time.perf_counter() - lying))
    return {
        "export_rows": count,
        "export_per_second": statistics.median(count / ours for _, _, ours in times),
        "export_of_copy": statistics.median(ordered / ours for ordered, _, ours in times),
        "export_of_unordered_copy": statistics.median(lying / ours for _, lying, ours in times),
        "export_peak_mb": peak,
        "export_gained_mb": peak - before,
    }


def peak_mb() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
