"""What readers change about themselves: name, language, address; and that Stripe learns of another address."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.utils.translation import gettext as _

from donations import gateway
from donations.account import letters
from donations.errors import DonationError, InvalidWish, PaymentsUnavailable
from donations.models import Contribution, StripeCustomer
from members import addresses, doorbell, outbox, people, self_service, sign_in
from members.models import AddressChange, Member, SignInToken

log = structlog.get_logger(__name__)

LINK_LIFE = timedelta(hours=1)
BATCH = 50  # changes in one sweep


def set_language(reader: Member, locale: str) -> None:
    """Write to this reader in another language, also about what was begun in the one before."""
    self_service.set_locale(reader, locale)
    Contribution.objects.filter(member__in=people.members_of(reader.pk)).update(locale=locale)


def ask_for_address(reader: Member, email: str, *, locale: str, now: datetime) -> None:
    """
    Send a link to a new address, which its reader opens where they are signed in.

    The same happens whether or not the address is known to us.

    :raises InvalidWish: it is no e-mail address, or the reader's own as it is.
    """
    try:
        address = addresses.normalise(email)
    except addresses.InvalidAddress as error:
        raise InvalidWish(str(error), fields=("email",)) from error
    if addresses.identity(address) == addresses.identity(reader.email):
        raise InvalidWish(_("This is your address already."), code="address_unchanged", fields=("email",))
    token = sign_in.make(reader, SignInToken.Purpose.ADDRESS, address=address, life=LINK_LIFE, now=now)
    outbox.owe(
        kind=letters.CONFIRM,
        recipient=address,
        dedup_key=f"{letters.CONFIRM}:{sign_in.digest(token)}",
        context=letters.confirmation(token, locale),
        locale=locale,
        now=now,
        deliver_before=now + LINK_LIFE,
    )
    doorbell.ring("members.tasks.send_owed_mail")


def confirm_address(reader: Member, token: str, *, now: datetime) -> Member:
    """
    Take the new address whose link this is.

    :param reader: who is signed in. A link that somebody else asked for opens nothing: else a stranger's link, opened
        by mistake, would show a reader's gifts to that stranger.
    :returns: the member that stands for the person now.
    :raises sign_in.BadLink: it opens nothing, or nothing for this reader.
    :raises self_service.AddressTaken: the address is one of another person's.
    """
    found = sign_in.check(token, SignInToken.Purpose.ADDRESS, now=now)
    if found.member.person.pk != reader.pk:
        raise sign_in.BadLink
    found = sign_in.spend(token, SignInToken.Purpose.ADDRESS, now=now)
    changed = self_service.change_address(reader, found.address, now=now)
    doorbell.ring("donations.tasks.follow_addresses")
    return changed


def follow_addresses(*, now: datetime) -> int:
    """
    Tell Stripe where to write to readers who changed their address; how many changes were passed on.

    Outside of any transaction. Stripe out of reach ends the run, and the next one goes on.
    """
    passed_on = 0
    waiting = AddressChange.objects.filter(passed_on_at=None).select_related("member__merged_into")
    for change in list(waiting.order_by("made_at", "pk")[:BATCH]):
        reader = change.member.person
        theirs = StripeCustomer.objects.filter(member__in=people.members_of(reader.pk), deleted_at=None)
        for customer in list(theirs.values_list("stripe_id", flat=True)):
            try:
                # By the change and the address: a later change of the same reader is another request.
                because = f"{change.public_id}:{customer}:{reader.pk}"
                gateway.change_customer(customer, email=reader.email, because=because)
            except PaymentsUnavailable:
                return passed_on
            except DonationError as error:  # gone, or refused: asking again helps nobody
                log.warning("address not passed on", customer=customer, why=type(error).__name__)
        done = AddressChange.objects.filter(pk=change.pk, passed_on_at=None)
        passed_on += done.update(passed_on_at=now)
    return passed_on
