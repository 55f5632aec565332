"""The tables of the people; each file has one subject."""

from members.models.membership import (
    AppendOnly,
    Membership,
    MembershipState,
    MembershipStep,
    Tier,
    TierThreshold,
)
from members.models.message import Message
from members.models.person import Consent, Member, Merge

__all__ = [
    "AppendOnly",
    "Consent",
    "Member",
    "Membership",
    "MembershipState",
    "MembershipStep",
    "Merge",
    "Message",
    "Tier",
    "TierThreshold",
]
