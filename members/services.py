"""
What this floor does, for the floors above: let readers in, follow their plans, end memberships that are due.

The verbs live in files by subject; this is the door. Every one of them can be called again, late, or after its
successor.
"""

from members.joining import get_or_join, record_consent
from members.memberships import Plan, Step, end_due_memberships, follow_plan

__all__ = [
    "Plan",
    "Step",
    "end_due_memberships",
    "follow_plan",
    "get_or_join",
    "record_consent",
]
