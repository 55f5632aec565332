"""What rows look like on a reader's pages: words and days in the active language, amounts as people write them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import translation
from django.utils.translation import gettext_lazy

from donations import letters, queries
from donations.models import Contribution, Payment, Subscription
from donations.statuses import Status

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
class PaymentLine:
    """A payment as its giver sees it; what was given back of it is "" if nothing was."""

    id: UUID
    on: str
    amount: str
    word: str
    returned: str
    title: str
    receipt_number: str


def payment(row: Payment) -> PaymentLine:
    """One payment, with its contribution's campaign at hand."""
    language = translation.get_language()
    return PaymentLine(
        id=row.public_id,
        on=day(row.paid_at or row.created_at),
        amount=row.amount.format(language),
        word=str(PAYMENT[Payment.State(row.state)]),
        returned=row.refunded.format(language) if row.refunded_minor else "",
        title=row.contribution.campaign.title,
        receipt_number=row.receipt_number or "",
    )


def day(moment: datetime | None) -> str:
    """The newsroom's day of a moment in words; "" for none."""
    return letters.day_text(moment, translation.get_language()) if moment else ""
