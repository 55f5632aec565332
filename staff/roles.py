"""
Who may do what: the roles of a membership team, as permissions.

Each role is a group of Django's that is made, and kept as written here, whenever the database is migrated. Somebody can
have several. Nobody but a superuser can do everything. Who only reads this table knows all that a role can.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_PEOPLE = (
    "member membership membershipstep consent merge message bounce datarequest staffnote tier tierthreshold"
)
_MONEY = (
    "ask campaign contribution stripecustomer subscription subscriptionchange payment refund dispute doublecharge "
    "dunning notice cardwatch offlinegift contributionchange withdrawal leaving"
)
_IMPORTS = "stripeimport stripeimportproblem fileimport"
_BOOKS = "payout balanceentry stripeevent reconcilerun reconcilefinding"
_REMINDERS = "reminder remindersend unsubscription turnedaway switch"


def _may(verbs: str, app: str, models: str) -> frozenset[str]:
    return frozenset(f"{app}.{verb}_{model}" for verb in verbs.split() for model in models.split())


_LOOK = (
    _may("view", "members", _PEOPLE)
    | _may("view", "donations", _MONEY)
    | _may("view", "reminders", _REMINDERS)
    | {"donations.view_reports"}
)
_CAMPAIGNS = (
    _may("view add change delete", "donations", "ask asktest askvariant variantask")
    | _may("view add change", "donations", "campaign")
    | _may("view", "donations", "askcount askswitch campaignchange")
    | {"donations.change_askswitch"}
)

ROLES: Final[Mapping[str, frozenset[str]]] = {
    # Sees how things stand, and nobody's address or name.
    "viewer": _LOOK,
    # Answers readers' letters: addresses, one at a time; ends, pauses and changes what a reader asks for. No refunds.
    "support": _LOOK
    | {
        "members.reveal_member",
        "members.give_membership",
        "members.merge_member",
        "members.resend_message",
        "members.start_datarequest",
        "donations.record_offlinegift",
        "donations.stop_subscription",
        "donations.pause_subscription",
        "donations.change_amount",
        "donations.change_notice",
        "reminders.change_reminder",
    }
    | _may("add delete", "members", "bounce"),
    # Keeps the books: refunds, payouts, exports, what Stripe says. No addresses.
    "finance": _LOOK
    | _may("view", "donations", _BOOKS)
    | _may("view", "donations", _IMPORTS)
    | {
        "donations.refund_payment",
        "donations.export_data",
        "donations.record_offlinegift",
        "donations.void_offlinegift",
        "donations.change_stripeevent",
    }
    | _may("view add change", "donations", "dayrate"),
    # Writes the appeals, and sees nothing of who answers them.
    "editor": _CAMPAIGNS,
    # Sets the house up: tiers, the switch of reminders, what is imported, accounts of staff; reads the audit log.
    # Moves no money.
    "admin": _LOOK
    | _CAMPAIGNS
    | _may("view", "donations", _BOOKS)
    | _may("add change delete", "members", "tier tierthreshold")
    | _may("view", "members", "auditentry")
    | _may("view add change", "auth", "user")
    | _may("view", "auth", "group")
    | _may("view", "donations", f"{_IMPORTS} dayrate")
    | {"reminders.change_switch", "donations.change_stripeevent", "donations.import_file"},
}


def make(**_signal: object) -> None:
    """Make the groups, or bring them to what is written above; other groups are left alone."""
    from django.contrib.auth.models import Group, Permission

    known = {
        f"{app}.{codename}": pk
        for app, codename, pk in Permission.objects.values_list("content_type__app_label", "codename", "pk")
    }
    wanted = {name: {known[right] for right in rights if right in known} for name, rights in ROLES.items()}
    there = {
        group.name: group for group in Group.objects.filter(name__in=ROLES).prefetch_related("permissions")
    }
    for name, rights in wanted.items():
        group = there.get(name) or Group.objects.create(name=name)
        has = {permission.pk for permission in group.permissions.all()} if name in there else set()
        if has != rights:
            group.permissions.set(rights)
