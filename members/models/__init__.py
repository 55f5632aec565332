"""The tables of the people; each file has one subject."""

from members.models.audit import AuditEntry, AuditReason
from members.models.bounce import Bounce
from members.models.duplicate import Mark, TwoPeople
from members.models.membership import AppendOnly, Membership, MembershipStep, StaffNote
from members.models.message import Message
from members.models.person import Consent, Member, Merge
from members.models.sign_in import AddressChange, ReaderSession, SignInToken
from members.models.standing import STANDING, MembershipState, Standing
from members.models.tier import Tier, TierThreshold

__all__ = [
    "STANDING",
    "AddressChange",
    "AppendOnly",
    "AuditEntry",
    "AuditReason",
    "Bounce",
    "Consent",
    "Mark",
    "Member",
    "Membership",
    "MembershipState",
    "MembershipStep",
    "Merge",
    "Message",
    "ReaderSession",
    "SignInToken",
    "StaffNote",
    "Standing",
    "Tier",
    "TierThreshold",
    "TwoPeople",
]
