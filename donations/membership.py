"""
What the ledger tells the ground floor about memberships: all that it knows now, after each change.

Nothing here is remembered or decided: a plan is read from the rows of the contribution, and `members` follows it
in the same transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import F, Min, Q

from donations.models import Contribution, Dispute, Payment, Refund, SubscriptionChange
from donations.money import Money
from members import services as members
from members.models import Member

if TYPE_CHECKING:
    from donations.models import Subscription
    from members.models import Membership

Change = SubscriptionChange.Kind


def follow(
    contribution: Contribution, member: Member, new: list[Payment], *, now: datetime
) -> Membership | None:
    """
    Tell of a contribution as it stands now; the membership that stands for it, None if there is none.

    :param new: the payments that were not told before.
    """
    if contribution.is_recurring:
        subscription: Subscription | None = getattr(contribution, "subscription", None)
        if subscription is None:
            return None
        return members.follow_plan(member=member, plan=_plan(contribution, subscription), now=now)
    if new and settings.ONE_OFF_MEMBERSHIP_MONTHS and not contribution.membership_months:
        # What the newsroom promised at the time counts, whatever it promises others later.
        contribution.membership_months = settings.ONE_OFF_MEMBERSHIP_MONTHS
        contribution.save(update_fields=["membership_months"])
    if not contribution.membership_months:
        return None
    return members.follow_plan(member=member, plan=_plan_of_gifts(member, contribution.currency), now=now)


# --- A recurring contribution


def _plan(contribution: Contribution, subscription: Subscription) -> members.Plan:
    rows = list(
        Payment.objects.filter(contribution=contribution)
        .order_by()
        .annotate(lost_at=_LOST_AT)
        .values(*_OF_PAYMENTS, "period_end", "is_renewal", "next_attempt_at", "dunning__first_failed_at")
    )
    returned = _given_back(rows)
    by_kind: dict[str, list[SubscriptionChange]] = defaultdict(list)
    for change in subscription.changes.all() if subscription.has_changed else ():
        by_kind[change.kind].append(change)
    return members.Plan(
        reference=str(contribution.public_id),
        currency=subscription.currency,
        annual_minor=contribution.total.annualised(contribution.interval).minor,
        payments=tuple(
            members.Paid(
                reference=_reference(row),
                at=row["paid_at"],
                through=row["period_end"],
                is_renewal=row["is_renewal"],
                given_back_at=returned.get(row["pk"]),
            )
            for row in rows
            if row["state"] == Payment.State.SUCCEEDED
        ),
        failures=tuple(
            members.Failed(_reference(row), row["dunning__first_failed_at"])
            for row in rows
            if row["dunning__first_failed_at"]
        ),
        amounts=_amounts(contribution, by_kind[Change.AMOUNT]),
        pauses=_switches(by_kind[Change.PAUSE]),
        wishes_to_leave=_switches(by_kind[Change.WISH_TO_END]),
        retries=tuple(
            members.Switch(reference_of(change), change.at, bool(change.is_on))
            for change in {(one.at, one.is_on): one for one in by_kind[Change.UNCOLLECTED]}.values()
        ),
        ended_at=subscription.ended_at,
        is_lost=subscription.end_reason == "payment_failed",
        next_try_at=max(
            (
                row["next_attempt_at"]
                for row in rows
                if row["state"] == Payment.State.FAILED and row["next_attempt_at"]
            ),
            default=None,
        ),
    )


def _amounts(contribution: Contribution, changes: list[SubscriptionChange]) -> tuple[members.Amount, ...]:
    told = _in_order(
        changes,
        start=(contribution.total.minor, contribution.interval),
        before=lambda change: (change.amount_before, change.interval_before),
        after=lambda change: (change.amount_after, change.interval_after),
    )
    return tuple(
        members.Amount(
            reference_of(change),
            change.at,
            Money(change.amount_after or 0, contribution.currency).annualised(change.interval_after).minor,
        )
        for change in told
    )


def _switches(changes: list[SubscriptionChange]) -> tuple[members.Switch, ...]:
    told = _in_order(
        changes,
        start=(False, None),
        before=lambda change: change.was_on,
        after=lambda change: (change.is_on, change.until),
        of=lambda state: state[0],
    )
    return tuple(
        members.Switch(reference_of(change), change.at, bool(change.is_on), change.until) for change in told
    )


def _in_order(
    changes: list[SubscriptionChange],
    *,
    start: Any,
    before: Callable[[SubscriptionChange], Any],
    after: Callable[[SubscriptionChange], Any],
    of: Callable[[Any], Any] = lambda state: state,
) -> list[SubscriptionChange]:
    """
    The changes as they followed on each other, without those that changed nothing (an event told twice in other words).

    Stripe's moments are whole seconds. Of several in one second, the one comes first that starts where we are.
    """
    state, told = start, []
    for _, same_moment in groupby(sorted(changes, key=lambda change: (change.at, change.event_id)), _moment):
        left = list(same_moment)
        while left:
            change = next((one for one in left if before(one) == of(state)), left[0])
            left.remove(change)
            if after(change) != state:
                told.append(change)
                state = after(change)
    return told


def _moment(change: SubscriptionChange) -> datetime:
    return change.at


def reference_of(change: SubscriptionChange) -> str:
    """A change is known by its moment: several events may tell of it, and any of them may come first."""
    return f"{change.kind}:{change.at:%Y-%m-%dT%H:%M:%SZ}"


# --- Gifts that are given once


def _plan_of_gifts(member: Member, currency: str) -> members.Plan:
    """
    All gifts of a member in one currency, for one membership that each of them prolongs.

    Two of them can be told at the same time, each under the lock of its own contribution: so the member is locked
    before the gifts are read, and whoever comes second sees both.
    """
    Member.objects.select_for_update(no_key=True).only("pk").get(pk=member.pk)
    rows = list(
        Payment.objects.filter(
            contribution__member=member,
            contribution__membership_months__gt=0,
            currency=currency,
            state__in=[Payment.State.SUCCEEDED, Payment.State.VOIDED],
        )
        .order_by()
        .annotate(lost_at=_LOST_AT)
        .values(
            *_OF_PAYMENTS,
            months=F("contribution__membership_months"),
            voided_at=F("offline_gift__voided_at"),
        )
    )
    # What was entered by mistake made a member until that was noticed.
    returned = _given_back(rows) | {row["pk"]: row["voided_at"] for row in rows if row["voided_at"]}
    return members.Plan(
        source=members.Source.GIFT,
        reference=f"{member.public_id}:{currency}",
        currency=currency,
        annual_minor=0,
        payments=tuple(
            members.Paid(
                reference=_reference(row),
                at=row["paid_at"],
                months=row["months"],
                annual_minor=row["amount_minor"] * 12 // row["months"],
                given_back_at=returned.get(row["pk"]),
            )
            for row in rows
        ),
    )


# --- What both read of a payment

_OF_PAYMENTS = (
    "pk",
    "public_id",
    "stripe_invoice_id",
    "state",
    "paid_at",
    "amount_minor",
    "refunded_minor",
    "lost_at",
)
_LOST_AT = Min("disputes__lost_at", filter=Q(disputes__state=Dispute.State.LOST))


def _reference(row: dict[str, Any]) -> str:
    return str(row["stripe_invoice_id"] or row["public_id"])


def _given_back(rows: Iterable[dict[str, Any]]) -> dict[int, datetime]:
    """When each payment that is ours no longer had gone back whole: by refunds, or by a dispute that was lost."""
    found = {row["pk"]: row["lost_at"] for row in rows if row["lost_at"]}
    whole = {row["pk"]: row["amount_minor"] for row in rows if row["refunded_minor"] >= row["amount_minor"]}
    if whole:
        refunds = Refund.objects.filter(payment__in=whole, state__in=Refund.IN_EFFECT)
        for pk, amount, at in refunds.order_by("created_at", "pk").values_list(
            "payment", "amount_minor", "created_at"
        ):
            if whole[pk] > 0:
                whole[pk] -= amount
                if whole[pk] <= 0:
                    found[pk] = min(found.get(pk, at), at)
    return found
