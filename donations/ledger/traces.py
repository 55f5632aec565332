"""What is remembered of a first payment, so that a second one soon after it is noticed (`donations.doubles`)."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from donations.models import ChargeTrace, Contribution, Payment
from members import crypto, duplicates
from members.models import Mark
from members.rows import insert_new


def note_trace(
    payment: Payment,
    contribution: Contribution,
    *,
    card: str = "",
    payer: tuple[str, str] = ("", ""),
    now: datetime,
) -> None:
    """
    Remember a first payment, and with which card it was made and by whom, if that is known.

    :param card: Stripe's fingerprint of the card or account; only its keyed hash is stored.
    :param payer: name and postcode; only their keyed hash is stored.
    """
    if payment.is_renewal or not settings.DOUBLE_CHARGE_DAYS:
        return
    if contribution.member is not None and contribution.member.erased_at is not None:
        return  # nobody could be asked, and nobody is to be known by it
    card_hash = hash_of(card)
    # Nobody is asked about what was paid before an import.
    looked_at = now if contribution.is_past(payment.paid_at) else None
    place_hash = duplicates.hash_of(Mark.Kind.PLACE, duplicates.place_of(*payer))
    trace = ChargeTrace(
        payment=payment, card_hash=card_hash, place_hash=place_hash, noted_at=now, looked_at=looked_at
    )
    if insert_new([trace]) or not card_hash:
        return
    ChargeTrace.objects.filter(payment=payment).exclude(card_hash=card_hash).update(
        card_hash=card_hash, place_hash=place_hash, looked_at=looked_at
    )


def hash_of(card: str) -> str:
    """The keyed hash of a card's fingerprint; empty for none."""
    return crypto.lookup_hash(f"card fingerprint:{card}") if card else ""
