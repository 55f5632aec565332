"""The tables of the people; each file has one subject."""

from members.models.membership import AppendOnly, Membership, MembershipStep, StaffNote
from members.models.message import Message
from members.models.person import Consent, Member
from members.models.standing import STANDING, MembershipState, Standing
from members.models.tier import Tier, TierThreshold

__all__ = [
    "STANDING",
    "AppendOnly",
    "Consent",
    "Member",
    "Membership",
    "MembershipState",
    "MembershipStep",
    "Message",
    "StaffNote",
    "Standing",
    "Tier",
    "TierThreshold",
]
