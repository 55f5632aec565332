"""The report: a table for people, JSON lines for programs, and each ratio beside its target."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.rounds import CONNECTIONS, ROUNDS, SECONDS, Row
from benchmarks.servers import THREADS, WORKERS

QUERIES_FOR_A_RENEWAL = 14


def show(rows: dict[str, Row], renewals: dict[str, Any], *, seconds: float) -> None:
    """Print everything."""
    limit = rows["limit"].median("per_second")
    nothing = rows["nothing"].median("per_second")
    print(
        f"\n{WORKERS} workers × {THREADS} threads, {CONNECTIONS} connections, "
        f"medians of {ROUNDS} rounds of {SECONDS:g} s; {seconds:.0f} s in all\n"
    )
    print(f"{'':62}{'requests/s':>11}{'of limit':>10}{'of bare':>9}{'p50 ms':>8}{'p99 ms':>8}{'CPU µs':>8}")
    for row in rows.values():
        speed = row.median("per_second")
        print(
            f"{row.name:62}{speed:11,.0f}{speed / limit:10.2f}{speed / nothing:9.2f}"
            f"{row.median('p50_ms'):8.1f}{row.median('p99_ms'):8.1f}{row.median('cpu_us'):8.0f}"
        )
    print(
        f"\nRenewals, one process: {renewals['events']} events of {renewals['renewals']} renewals at "
        f"{renewals['per_second']:,.0f} events/s ({renewals['renewals_per_second']:,.0f} renewals/s), "
        f"{renewals['cpu_us']:,.0f} CPU µs and {renewals['queries_an_event']:.1f} queries an event"
    )
    print("\nTargets")
    targets = _targets(rows, renewals, limit=limit, nothing=nothing)
    for name, found, wanted, is_met in targets:
        print(f"  {'met   ' if is_met else 'MISSED'}  {name:64}{found:10.2f}   {wanted}")
    print()
    for key, row in rows.items():
        print(json.dumps({"row": key, **_figures(row)}))
    print(json.dumps({"row": "renewals", **renewals}))
    for name, found, wanted, is_met in targets:
        print(json.dumps({"target": name, "found": round(found, 3), "wanted": wanted, "met": is_met}))


def _figures(row: Row) -> dict[str, float]:
    names = ("per_second", "p50_ms", "p99_ms", "cpu_us")
    return {name: round(row.median(name), 2) for name in names}


def _targets(
    rows: dict[str, Row], renewals: dict[str, Any], *, limit: float, nothing: float
) -> list[tuple[str, float, str, bool]]:
    def speed(name: str) -> float:
        return rows[name].median("per_second")

    receipt = speed("webhook") / limit
    tail = rows["webhook"].median("p99_ms") / rows["limit"].median("p99_ms")
    create = speed("create") / limit
    paced = rows["paced"].median("p99_ms")
    campaign = speed("campaign") / nothing
    queries = renewals["queries_for_invoice_paid"]
    calls = renewals["stripe_calls"]
    return [
        ("webhook receipt, of the limit", receipt, "at least 0.80", receipt >= 0.80),
        ("webhook receipt, p99 of the limit's", tail, "at most 1.50", tail <= 1.5),
        ("contribution without Stripe's time, of the limit", create, "at least 0.35", create >= 0.35),
        ("contribution at 100 requests/s, p99 in ms", paced, "at most 100", paced <= 100),
        ("campaign, cached, of the bare view", campaign, "at least 0.70", campaign >= 0.70),
        (
            "queries to book a renewal (invoice.paid)",
            queries,
            f"at most {QUERIES_FOR_A_RENEWAL}",
            queries <= QUERIES_FOR_A_RENEWAL,
        ),
        ("calls to Stripe to book the renewals", calls, "none", calls == 0),
    ]
