"""The report: a table for people, JSON lines for programs, and each ratio beside its target."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks import reminders, reports, staff
from benchmarks.rounds import CONNECTIONS, ROUNDS, SECONDS, Row
from benchmarks.servers import THREADS, WORKERS


@dataclass(frozen=True, slots=True)
class Apart:
    """What is measured without requests; empty where it was not asked for."""

    renewals: dict[str, Any]
    reminders: dict[str, Any]
    reports: dict[str, Any]
    staff: dict[str, Any]


def show(rows: dict[str, Row], apart: Apart, *, seconds: float) -> None:
    """Print everything."""
    renewals = apart.renewals
    print(
        f"\n{WORKERS} workers × {THREADS} threads, {CONNECTIONS} connections, "
        f"medians of {ROUNDS} rounds of {SECONDS:g} s; {seconds:.0f} s in all\n"
    )
    print(f"{'':48}{'requests/s':>11}{'of limit':>10}{'of bare':>9}{'p50 ms':>8}{'p99 ms':>8}{'CPU µs':>8}")
    for row in rows.values():
        print(
            f"{row.name:48}{row.median('per_second'):11,.0f}"
            f"{row.ratio(rows['limit']):10.2f}{row.ratio(rows['nothing']):9.2f}"
            f"{row.median('p50_ms'):8.1f}{row.median('p99_ms'):8.1f}{row.median('cpu_us'):8.0f}"
        )
    if renewals:
        print(
            f"\nRenewals, one process: {renewals['events']} events of {renewals['renewals']} renewals, "
            f"{renewals['per_second']:,.0f} events/s ({renewals['renewals_per_second']:,.1f} renewals/s), "
            f"{renewals['cpu_us']:,.0f} CPU µs and {renewals['queries_an_event']:.1f} queries an event"
        )
    if apart.reminders:
        print("\nReminders:", *reminders.describe(apart.reminders), sep="\n")
    if apart.reports:
        print("\nReports:", *reports.describe(apart.reports), sep="\n")
    if apart.staff:
        print("\nStaff:", *staff.describe(apart.staff, every=False), sep="\n")
    print("\nTargets")
    targets = [
        *_targets(rows, renewals),
        *_reminder_targets(apart.reminders),
        *_report_targets(apart.reports),
        *_staff_targets(apart.staff),
    ]
    for target in targets:
        found = f"{target.found:.2f}"
        print(f"  {'met   ' if target.is_met else 'MISSED'}  {target.name:50}{found:>8}   {target.wanted}")
    print()
    for key, row in rows.items():
        figures = {name: round(row.median(name), 2) for name in ("per_second", "p50_ms", "p99_ms", "cpu_us")}
        print(json.dumps({"row": key, **figures}))
    if renewals:
        print(json.dumps({"row": "renewals", **renewals}))
    if apart.reminders:
        print(json.dumps({"row": "reminders", **apart.reminders}))
    if apart.reports:
        print(json.dumps({"row": "reports", **apart.reports}))
    if apart.staff:
        print(json.dumps({"row": "staff", **staff.summary(apart.staff)}))
    for target in targets:
        print(
            json.dumps(
                {
                    "target": target.name,
                    "found": round(target.found, 3),
                    "wanted": target.wanted,
                    "met": target.is_met,
                }
            )
        )


@dataclass(frozen=True, slots=True)
class Target:
    """What was found beside what is wanted (PERFORMANCE.md's targets)."""

    name: str
    found: float
    least: float | None = None
    most: float | None = None

    @property
    def is_met(self) -> bool:
        return self.found >= (self.least or 0) and (self.most is None or self.found <= self.most)

    @property
    def wanted(self) -> str:
        return f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"


def _targets(rows: dict[str, Row], renewals: dict[str, Any]) -> Iterator[Target]:
    limit, nothing = rows["limit"], rows["nothing"]
    if "webhook" in rows:
        yield Target("webhook receipt, of the limit", rows["webhook"].ratio(limit), least=0.80)
        yield Target("webhook receipt, p99 of the limit's", rows["webhook"].ratio(limit, "p99_ms"), most=1.5)
    if "create" in rows:
        yield Target(
            "contribution without Stripe's time, of the limit", rows["create"].ratio(limit), least=0.35
        )
    if "paced" in rows:
        yield Target("contribution at 100 requests/s, p99 in ms", rows["paced"].median("p99_ms"), most=100)
    if "campaign" in rows:
        yield Target("campaign, cached, of the bare view", rows["campaign"].ratio(nothing), least=0.70)
    if renewals:
        yield Target("queries to book a renewal", renewals["queries_for_invoice_paid"], most=14)
        yield Target("calls to Stripe to book the renewals", renewals["stripe_calls"], most=0)


def _reminder_targets(found: dict[str, Any]) -> Iterator[Target]:
    if not found:
        return
    yield Target("reminders due at once, of the bare loop", found["of_bare"], least=0.35)
    yield Target("the same, two workers of two bare loops", found["of_bare_with_two"], least=0.35)
    yield Target("the same, two workers of one", found["two_of_one"], least=1.6)
    yield Target("the same, megabytes that a worker gains", found["gained_mb"], most=8)


def _report_targets(found: dict[str, Any]) -> Iterator[Target]:
    if not found:
        return
    slowest = max(found["ms"], key=lambda name: float(found["ms"][name]))
    yield Target(f"the slowest report ({slowest}), ms", found["ms"][slowest], most=100)
    yield Target("a day's late entries carried over, ms", found["refresh_ms"], most=50)
    yield Target("all sums from nothing, of the bare statements", found["rebuild_of_stated"], least=0.5)
    yield Target("the same, where they are right", found["right_rebuild_of_stated"], least=0.5)
    yield Target("export of payments, of a bare COPY in that order", found["export_of_copy"], least=0.7)
    yield Target("the same, megabytes at most", found["export_peak_mb"], most=150)
    if found["payments"] >= reports.MEASURED_FOR:
        nearest = min(found["of_raw"], key=lambda name: float(found["of_raw"][name]))
        yield Target(
            f"the report nearest to its rows ({nearest}), times them", found["of_raw"][nearest], least=40
        )


def _staff_targets(found: dict[str, Any]) -> Iterator[Target]:
    if not found:
        return
    brief = staff.summary(found)
    yield Target("pages of staff, with more statements when larger", brief["unequal"], most=0)
    yield Target("the same, time when larger, median of pages", brief["median_ratio"], most=staff.MOST_RATIO)
    yield Target("the same, the slowest page", brief["most_ratio"], most=staff.MOST_RATIO)
