"""From what a reader's letter or Stripe names to a person."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Q

from donations.models import Contribution, Payment
from members import addresses, queries
from members.models import Member


def find(term: str) -> Member | None:
    """
    The member that a whole e-mail address, an id of Stripe's, a receipt number or one of our ids leads to.
    """
    text = term.strip()
    return _by_address(text) or _by_stripe(text) or _by_number(text)


def _by_address(text: str) -> Member | None:
    try:
        return queries.get_member(text)
    except addresses.InvalidAddress:
        return None


def _by_stripe(text: str) -> Member | None:
    if len(text) > 255 or "_" not in text:
        return None
    wanted: dict[str, Any] = {
        "cus": Q(member__stripe_customers__stripe_id=text),
        "sub": Q(subscription__stripe_id=text),
        "cs": Q(stripe_session_id=text),
        "in": Q(payments__stripe_invoice_id=text),
        "pi": Q(payments__stripe_payment_intent_id=text),
        "ch": Q(payments__stripe_charge_id=text),
        "py": Q(payments__stripe_charge_id=text),
        "re": Q(payments__refunds__stripe_id=text),
        "pyr": Q(payments__refunds__stripe_id=text),
        "du": Q(payments__disputes__stripe_id=text),
        "dp": Q(payments__disputes__stripe_id=text),
    }
    condition = wanted.get(text.split("_")[0])
    if condition is None:
        return None
    found = Contribution.objects.filter(condition, member__isnull=False)
    contribution = found.select_related("member").order_by("pk").first()
    return contribution.member if contribution else None


def _by_number(text: str) -> Member | None:
    payment = Payment.objects.filter(receipt_number=text[:32]).select_related("contribution__member").first()
    if payment is not None:
        return payment.contribution.member
    try:
        public_id = uuid.UUID(text)
    except ValueError:
        return None
    member = Member.objects.filter(public_id=public_id).first()
    if member is not None:
        return member
    contribution = Contribution.objects.filter(public_id=public_id).select_related("member").first()
    return contribution.member if contribution else None
