"""What rows look like on a reader's pages: words and days in the active language, amounts as people write them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import translation
from django.utils.translation import gettext_lazy

from donations import gateway, letters, pages, queries, standing
from donations.account import queries as account
from donations.errors import DonationError
from donations.models import Contribution, Payment, Subscription
from donations.statuses import Status
from members.models import Membership, MembershipState

STATUS = {
    Status.PENDING: gettext_lazy("Not paid"),
    Status.PROCESSING: gettext_lazy("On its way"),
    Status.PAID: gettext_lazy("Paid"),
    Status.ACTIVE: gettext_lazy("Active"),
    Status.PAST_DUE: gettext_lazy("The last payment failed"),
    Status.PAUSED: gettext_lazy("Paused"),
    Status.CANCELLED: gettext_lazy("Ended"),
    Status.EXPIRED: gettext_lazy("Not paid"),
    Status.FAILED: gettext_lazy("Failed"),
    Status.REFUNDED: gettext_lazy("Given back"),
}
MEMBERSHIP = {
    MembershipState.ACTIVE: gettext_lazy("Active"),
    MembershipState.ENDING: gettext_lazy("Ends when what is paid is over"),
    MembershipState.COMPLIMENTARY: gettext_lazy("A gift of the newsroom"),
    MembershipState.GRACE: gettext_lazy("Waits for a payment"),
    MembershipState.PAUSED: gettext_lazy("Paused"),
    MembershipState.PAST_DUE: gettext_lazy("Waits for a payment"),
    MembershipState.LAPSED: gettext_lazy("Ended"),
    MembershipState.ENDED: gettext_lazy("Ended"),
}
PAYMENT = {
    Payment.State.PROCESSING: gettext_lazy("On its way"),
    Payment.State.SUCCEEDED: gettext_lazy("Paid"),
    Payment.State.FAILED: gettext_lazy("Failed"),
    Payment.State.VOIDED: gettext_lazy("Entered by mistake"),
}


@dataclass(frozen=True, slots=True)
class Gift:
    """
    A contribution as its giver sees it; "" for a day that is not known or does not come.

    :param interval: "once", "month" or "year".
    :param is_running: whether it will be charged again, or could be.
    :param ends: the day on which it will have ended, if that was asked for.
    """

    id: UUID
    title: str
    amount: str
    interval: str
    status: str
    word: str
    began: str
    next_payment: str
    ends: str
    is_running: bool


def gift(contribution: Contribution) -> Gift:
    """One contribution; its payments have to be at hand (`prefetch_related`) where there are many."""
    language = translation.get_language()
    view = queries.view_of(contribution)
    subscription: Subscription | None = getattr(contribution, "subscription", None)
    is_over = subscription is None or subscription.state == Subscription.State.CANCELLED
    ends = subscription.cancel_at if subscription and not is_over else None
    return Gift(
        id=contribution.public_id,
        title=contribution.campaign.title,
        amount=view.amount.format(language),
        interval=subscription.interval if subscription else contribution.interval,
        status=view.status.value,
        word=str(STATUS[view.status]),
        began=day(contribution.created_at),
        next_payment=day(view.next_payment_at),
        ends=day(ends),
        is_running=not is_over,
    )


@dataclass(frozen=True, slots=True)
class CardLine:
    """
    The card that is charged next, as its owner knows it.

    :param is_known: False where Stripe could not be asked; then all else is empty.
    :param brand: such as "Visa"; "" for what is no card (a bank debit, say).
    :param expires: such as "08/2029".
    """

    is_known: bool = False
    brand: str = ""
    last4: str = ""
    expires: str = ""


def card(contribution: Contribution) -> CardLine | None:
    """The card of a contribution that runs; None for others. Asks Stripe, since cards are kept nowhere here."""
    subscription: Subscription | None = getattr(contribution, "subscription", None)
    if subscription is None or subscription.state == Subscription.State.CANCELLED:
        return None
    try:
        found = gateway.get_paying_card(subscription.stripe_id, is_waited_for=True)
    except (DonationError, ValueError):
        return CardLine()
    if found is None:
        return CardLine(is_known=True)
    return CardLine(
        is_known=True,
        brand=pages.METHOD_NAMES.get(found.brand, found.brand.capitalize()),
        last4=found.last4,
        expires=f"{found.exp_month:02d}/{found.exp_year}",
    )


def fee_cover(contribution: Contribution) -> str:
    """How much of each payment is for the payment fee, as it stands now; "" for nothing."""
    _gift, cover = standing.split_of_payment(contribution, queries.view_of(contribution).amount)
    return cover.format(translation.get_language()) if cover.minor else ""


@dataclass(frozen=True, slots=True)
class MembershipLine:
    """
    A membership as its holder sees it.

    :param is_member: whether it counts now; else it is over, or waits for a payment.
    :param until: until when it is paid, or the day on which it ended.
    """

    tier: str
    is_member: bool
    word: str
    since: str
    until: str


def membership(held: Membership | None, *, now: datetime) -> MembershipLine | None:
    """A membership in words; None for none."""
    if held is None:
        return None
    state = held.state_at(now)
    return MembershipLine(
        tier=held.tier.name if held.tier else "",
        is_member=state.is_member,
        word=str(MEMBERSHIP[state]),
        since=day(held.started_at),
        until=day(held.counts_until),
    )


@dataclass(frozen=True, slots=True)
class PaymentLine:
    """A payment as its giver sees it; what was given back of it is "" if nothing was."""

    id: UUID
    on: str
    amount: str
    word: str
    returned: str
    title: str
    receipt_number: str
    has_receipt: bool


def payment(row: Payment) -> PaymentLine:
    """One payment, with its contribution's campaign at hand."""
    language = translation.get_language()
    back = account.given_back(row)
    return PaymentLine(
        id=row.public_id,
        on=day(row.paid_at or row.created_at),
        amount=row.amount.format(language),
        word=str(PAYMENT[Payment.State(row.state)]),
        returned=back.format(language) if back.minor else "",
        title=row.contribution.campaign.title,
        receipt_number=row.receipt_number or "",
        has_receipt=row.state == Payment.State.SUCCEEDED,
    )


def day(moment: datetime | None) -> str:
    """The newsroom's day of a moment in words; "" for none."""
    return letters.day_text(moment, translation.get_language()) if moment else ""
