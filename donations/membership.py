"""
What the ledger tells the ground floor about memberships: all that it knows now, after each change.

Nothing here is remembered or decided: a plan is read from the rows of the contribution, and `members` follows it
in the same transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from django.db.models import F, Max, Min, Q

from donations.models import Contribution, Payment
from members import services as members

if TYPE_CHECKING:
    from donations.models import Subscription
    from members.models import Member, Membership


def follow(
    contribution: Contribution, member: Member, new: list[Payment], *, now: datetime
) -> Membership | None:
    """
    Tell of a contribution as it stands now; the membership that stands for it, None if there is none.

    :param new: the payments that were not told before.
    """
    if not contribution.is_recurring:
        return None
    kept = Q(state=Payment.State.SUCCEEDED) & Q(refunded_minor__lt=F("amount_minor"))
    paid = Payment.objects.filter(contribution=contribution).aggregate(
        since=Min("paid_at"), through=Max("period_end", filter=kept)
    )
    subscription: Subscription | None = getattr(contribution, "subscription", None)
    if paid["since"] is None or subscription is None:
        return None
    paid_through = max(paid["through"] or paid["since"], paid["since"])
    plan = members.Plan(
        reference=str(contribution.public_id),
        annual_minor=subscription.amount.annualised(subscription.interval).minor,
        currency=subscription.currency,
        started_at=paid["since"],
        paid_through=paid_through,
        # Whoever leaves stays a member for the time that is paid.
        ends_at=max(subscription.ended_at, paid_through) if subscription.ended_at else None,
    )
    steps: list[members.Step | None] = [_step(payment) for payment in new]
    membership = None
    for step in steps or [None]:
        membership = members.follow_plan(member=member, plan=plan, step=step, now=now)
    return membership


def _step(payment: Payment) -> members.Step:
    assert payment.paid_at is not None, "a payment that arrived has a moment (constraint)"
    kind: Literal["STARTED", "RENEWED"] = "RENEWED" if payment.is_renewal else "STARTED"
    return members.Step(
        kind=kind,
        reference=payment.stripe_invoice_id or str(payment.public_id),
        at=payment.paid_at,
        why="A payment arrived.",
        actor="stripe",
    )
