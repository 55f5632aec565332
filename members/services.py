"""
What this floor does, for the floors above: let readers in, follow their plans, end memberships that are due.

The verbs live in files by subject; this is the door. Every one of them can be called again, late, or after its
successor.
"""

from members.complimentary import NotPossible, end_complimentary, give_complimentary
from members.joining import get_or_join, record_consent, withdraw_consent
from members.memberships import end_due_memberships, follow_plan, follow_tiers
from members.plans import Amount, Failed, Paid, Plan, Source, Switch

__all__ = [
    "Amount",
    "Failed",
    "NotPossible",
    "Paid",
    "Plan",
    "Source",
    "Switch",
    "end_complimentary",
    "end_due_memberships",
    "follow_plan",
    "follow_tiers",
    "get_or_join",
    "give_complimentary",
    "record_consent",
    "withdraw_consent",
]
