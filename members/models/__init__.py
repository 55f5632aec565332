"""The tables of the people; each file has one subject."""

from members.models.bounce import Bounce
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
    "Bounce",
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
