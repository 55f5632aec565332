"""
One sweep over all that has to be said before money is taken.

Its steps can run in any order and at once; this is the one in which a single sweep gets furthest.
"""

from __future__ import annotations

from datetime import datetime

from donations import holds, notices, price_changes


def sweep(*, now: datetime) -> int:
    """Plan, decide, tell Stripe, and decide about what that has changed; how many mails were handed to the outbox."""
    notices.plan_renewals(now=now)
    owed = notices.decide_due(now=now)
    if holds.tell_stripe(now=now) + price_changes.apply_due(now=now):
        owed += notices.decide_due(now=now)
    return owed
