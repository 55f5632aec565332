"""Money that did not pass through Stripe: the newsroom itself says that it arrived."""

from __future__ import annotations

from datetime import datetime

from donations.ledger import journal
from donations.models import Contribution, OfflineGift, Payment


def note_offline(contribution: Contribution, *, at: datetime) -> Payment:
    """A gift arrived at the newsroom itself: all of a contribution that was given once."""
    return Payment.objects.create(
        contribution=contribution,
        is_offline=True,
        state=Payment.State.SUCCEEDED,
        amount_minor=contribution.total.minor,
        currency=contribution.currency,
        created_at=at,
        paid_at=at,
    )


def void_offline(gift: OfflineGift, *, now: datetime) -> bool:
    """It never arrived: it was entered by mistake. False if somebody said so before."""
    arrived = Payment.objects.filter(pk=gift.payment_id, is_offline=True, state=Payment.State.SUCCEEDED)
    if not arrived.update(state=Payment.State.VOIDED):
        return False
    journal.take_back(journal.name_of_payment(gift.payment_id), now=now)
    return True
