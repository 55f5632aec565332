"""What the books keep about a person, for a download of all that is kept; `donations.erasing` erases it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from donations import erasing
from donations.models import (
    Contribution,
    ContributionChange,
    Dispute,
    DoubleCharge,
    Dunning,
    ImportedRow,
    Leaving,
    Notice,
    OfflineGift,
    Payment,
    Refund,
    StripeCustomer,
    Subscription,
    SubscriptionChange,
    Withdrawal,
)
from donations.money import Money
from members import holders
from members.holders import Objection, Rows, Subject


def register() -> None:
    """Say what this floor keeps."""
    holders.register(
        holders.Holder(name="donations", collect=collect, steps=erasing.STEPS, objection=objection)
    )


def objection(subject: Subject) -> Objection | None:
    """Nobody is erased while their card is charged: the money would come from somebody whom nobody can tell of it."""
    if not erasing.plans_of(subject).exclude(state=Subscription.State.INCOMPLETE).exists():
        return None
    return Objection(
        erasing.STILL_GIVING,
        _(
            "You give regularly at the moment. Stop your contribution first, or let it be stopped together with the "
            "erasure: then it ends at once."
        ),
    )


def collect(subject: Subject) -> Mapping[str, Rows]:
    """What they gave, what was given back or disputed, what changed, and which of Stripe's ids are theirs."""
    mine = erasing.contributions_of(subject)
    ids = [row.pk for row in mine]
    payments = Payment.objects.filter(contribution__in=ids).order_by("created_at", "pk")
    of_payments = {"payment__contribution__in": ids}
    of_plans = {"subscription__contribution__in": ids}
    return {
        "contributions": [_contribution(row) for row in mine],
        "subscriptions": _plain(
            Subscription.objects.filter(contribution__in=ids).order_by("pk"),
            "contribution__public_id state amount_minor currency interval current_period_end next_payment_at "
            "pause_resumes_at cancel_at cancelled_at ended_at end_reason stripe_id stripe_customer_id",
        ),
        "changes": _plain(
            SubscriptionChange.objects.filter(**of_plans),
            "subscription__contribution__public_id kind at is_on until amount_before amount_after interval_before "
            "interval_after",
        ),
        "asked_changes": [
            {
                "contribution": wish.contribution.public_id,
                "asked_at": wish.asked_at,
                "asked_by": wish.actor.partition(":")[0],  # not which member of staff
                "kind": wish.kind,
                "before": wish.before,
                "after": wish.after,
                "reason": wish.reason,
                "instead_of_stopping": wish.instead_of_stopping,
                "state": wish.state,
                "settled_at": wish.settled_at,
            }
            for wish in ContributionChange.objects.filter(contribution__in=ids)
            .select_related("contribution")
            .order_by("asked_at", "pk")
        ],
        "wishes_to_stop": _plain(
            Leaving.objects.filter(contribution__in=ids).order_by("started_at", "pk"),
            "contribution__public_id started_at offered_lower offered_pause offered_annual",
        ),
        "withdrawals": _plain(
            Withdrawal.objects.filter(contribution__in=ids).order_by("declared_at", "pk"),
            "contribution__public_id declared_at place ended_at returned_at closed_at",
        ),
        "payments": _plain(
            payments,
            "contribution__public_id receipt_number state amount_minor refunded_minor currency created_at paid_at "
            "is_renewal period_start period_end failure_code is_offline stripe_payment_intent_id stripe_invoice_id "
            "stripe_charge_id",
        ),
        "refunds": _plain(
            Refund.objects.filter(**of_payments).order_by("created_at", "pk"),
            "payment__receipt_number state amount_minor currency reason created_at stripe_id",
        ),
        "disputes": _plain(
            Dispute.objects.filter(**of_payments).order_by("opened_at", "pk"),
            "payment__receipt_number state amount_minor currency reason opened_at lost_at stripe_id",
        ),
        "failed_payments": _plain(
            Dunning.objects.filter(**of_payments).order_by("first_failed_at", "pk"),
            "payment__contribution__public_id state first_failed_at last_failed_at closed_at",
        ),
        "announcements": _plain(
            Notice.objects.filter(**of_plans).order_by("due_at", "pk"),
            "subscription__contribution__public_id kind state takes_at accepted_at",
        ),
        "second_charges": _plain(
            DoubleCharge.objects.filter(second__contribution__in=ids).order_by("noticed_at", "pk"),
            "second__receipt_number state noticed_at decided_at",
        ),
        "gifts_beside_stripe": [
            {
                "payment": gift.payment.receipt_number,
                "method": gift.method,
                "received_on": gift.received_on,
                "reference": gift.reference,
                "note": gift.note,
                "voided_at": gift.voided_at,
                "void_reason": gift.void_reason,
            }
            for gift in OfflineGift.objects.filter(**of_payments).select_related("payment").order_by("pk")
        ],
        "imported_rows": _plain(
            ImportedRow.objects.filter(member__in=subject.members).order_by("pk"), "file__uploaded_at number"
        ),
        "at_stripe": _plain(
            StripeCustomer.objects.filter(member__in=subject.members).order_by("pk"), "stripe_id deleted_at"
        ),
    }


def _contribution(row: Contribution) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "campaign": row.campaign.title,
        "interval": row.interval,
        "amount": _decimal(row.amount),
        "fee_cover": _decimal(row.fee_cover),
        "currency": row.currency,
        "begun_at": row.created_at,
        "state": row.checkout_state,
        "email": row.email,
        "name": row.name,
        "language": row.locale,
        "page": row.source,
        "return_url": row.return_url,
        "way_of_asking": row.variant.title if row.variant else "",
        "was_held_out": row.was_held_out,
        "newsletter_consent": row.newsletter_consent,
        "reminder_consent": row.reminder_consent,
        "imported_at": row.imported_at,
        "stripe_session_id": row.stripe_session_id,
        "stripe_customer_id": row.stripe_customer_id,
    }


def _plain(rows: QuerySet[Any], columns: str) -> Rows:
    """Rows of plain columns; sums in minor units as decimal text, under a name without "minor"."""
    names = columns.split()
    return [_readable(dict(zip(names, values, strict=True))) for values in rows.values_list(*names)]


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    currency = row.get("currency")
    told: dict[str, Any] = {}
    for name, value in row.items():
        if name.endswith("_minor") and currency:
            told[name.removesuffix("_minor")] = None if value is None else _decimal(Money(value, currency))
        else:
            told[_SHORT.get(name, name)] = value
    return told


_SHORT = {
    "contribution__public_id": "contribution",
    "subscription__contribution__public_id": "contribution",
    "payment__contribution__public_id": "contribution",
    "payment__receipt_number": "payment",
    "second__receipt_number": "payment",
    "file__uploaded_at": "uploaded_at",
}


def _decimal(money: Money) -> str:
    return str(money).split(" ")[1]
