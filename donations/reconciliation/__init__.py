"""
Reconciliation: what Stripe knows and we do not goes through the same inbox as everything else.

Two comparisons. `events` looks for events that never came: exact and cheap, but Stripe lists them for 30 days only.
`objects` looks at the things themselves, subscriptions, charges, refunds and so on: it finds what no event tells any
more, and it is the drift report for staff. Both first make sure that this is the account our books are about.
"""

from donations.reconciliation.account import WrongAccount, WrongMode, must_be_ours
from donations.reconciliation.comparisons import KINDS
from donations.reconciliation.events import HORIZON, USUAL, Report, due_since, reconcile
from donations.reconciliation.objects import Comparison, Drift, compare, must_be_our_mode, tell_inbox

__all__ = [
    "HORIZON",
    "KINDS",
    "USUAL",
    "Comparison",
    "Drift",
    "Report",
    "WrongAccount",
    "WrongMode",
    "compare",
    "due_since",
    "must_be_our_mode",
    "must_be_ours",
    "reconcile",
    "tell_inbox",
]
