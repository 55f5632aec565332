"""Plans as the ledger would tell them, for tests of memberships."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from members.models import Membership
from members.services import Paid, Plan

DAY = timedelta(days=1)
MONTH = 30 * DAY


def paid(number: int, at: datetime, **changes: Any) -> Paid:
    """Payment number so and so of thirty days each; the first is no renewal."""
    payment = Paid(reference=f"invoice-{number}", at=at, through=at + MONTH, is_renewal=number > 1)
    return replace(payment, **changes)


def a_plan(now: datetime, *, months: int = 1, **changes: Any) -> Plan:
    """Five dollars a month, paid for so many times thirty days from `now`."""
    plan = Plan(
        reference="contribution-1",
        currency="USD",
        annual_minor=60_00,
        payments=tuple(paid(number + 1, now + number * MONTH) for number in range(months)),
    )
    return replace(plan, **changes)


def history(membership: Membership) -> list[tuple[str, str, datetime]]:
    """What is true of a membership: which step, about what, when."""
    steps = membership.steps.effective().order_by("at", "place")
    return [(step.kind, step.reference, step.at) for step in steps]


def kinds(membership: Membership) -> list[str]:
    return [kind for kind, _, _ in history(membership)]
