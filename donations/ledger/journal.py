"""
The journal: each sum that moved is told once, in the transaction in which the books learn of it.

An entry is never changed. What the books know better by now (a payment that came earlier than it seemed, a refund that
failed) is taken back and told anew. Whoever writes here holds the contribution's lock, or has just filled a line of
Stripe's account, which happens once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from donations.models import BalanceEntry, Contribution, JournalEntry, Payment, Refund
from donations.reports import periods
from members.rows import insert_new

Kind = JournalEntry.Kind


@dataclass(frozen=True, slots=True)
class Fact:
    """What an entry says, whenever it was recorded."""

    reference: str
    kind: str
    payment_id: int
    contribution_id: int
    campaign_id: int
    interval: str
    currency: str
    amount_minor: int
    fee_minor: int
    at: datetime

    def entry(self, *, now: datetime, edition: int = 1, sign: int = 1) -> JournalEntry:
        """The entry that tells it; with a sign of -1, the one that takes it back."""
        return JournalEntry(
            reference=self.reference,
            edition=edition,
            kind=self.kind,
            count=sign,
            payment_id=self.payment_id,
            contribution_id=self.contribution_id,
            campaign_id=self.campaign_id,
            interval=self.interval,
            currency=self.currency,
            amount_minor=sign * self.amount_minor,
            fee_minor=sign * self.fee_minor,
            at=self.at,
            day=periods.day_of(self.at),
            recorded_at=now,
            stands=sign > 0,
        )


def tell(facts: Sequence[Fact], *, now: datetime) -> None:
    """Write down what is new, and put right what was told otherwise before."""
    if insert_new([fact.entry(now=now) for fact in facts]) < len(facts):
        for fact in facts:
            _tell_again(fact.reference, fact, now=now)


def take_back(reference: str, *, now: datetime) -> None:
    """It did not happen after all, or was undone as if it had not."""
    _tell_again(reference, None, now=now)


def _tell_again(reference: str, fact: Fact | None, *, now: datetime) -> None:
    last = JournalEntry.objects.filter(reference=reference).order_by("-edition").first()
    standing = last if last is not None and last.stands else None
    told = fact_of(standing) if standing else None
    if told == fact:
        return
    edition = last.edition if last else 0
    if standing is not None and told is not None:
        JournalEntry.objects.filter(pk=standing.pk).update(stands=False)
        insert_new([told.entry(now=now, edition=edition + 1, sign=-1)])
        edition += 1
    if fact is not None:
        insert_new([fact.entry(now=now, edition=edition + 1)])


def fact_of(entry: JournalEntry) -> Fact:
    """What a standing entry says."""
    return Fact(
        reference=entry.reference,
        kind=entry.kind,
        payment_id=entry.payment_id,
        contribution_id=entry.contribution_id,
        campaign_id=entry.campaign_id,
        interval=entry.interval,
        currency=entry.currency,
        amount_minor=entry.amount_minor,
        fee_minor=entry.fee_minor,
        at=entry.at,
    )


# --- What the books say


def is_in_journal() -> Exists:
    """Of a payment that arrived: whether the journal says the same of it."""
    return Exists(
        JournalEntry.objects.filter(
            payment=OuterRef("pk"),
            kind=Kind.PAYMENT,
            stands=True,
            at=OuterRef("paid_at"),
            amount_minor=OuterRef("amount_minor"),
        )
    )


def tell_payments(payments: Iterable[Payment], contribution: Contribution, *, now: datetime) -> None:
    """These payments of a contribution arrived."""
    tell([fact_of_payment(payment, contribution) for payment in payments], now=now)


def tell_refund(refund: Refund, *, now: datetime) -> None:
    """A refund is on its way or was made; or it failed, so that the money is ours as before."""
    if refund.state in Refund.IN_EFFECT:
        tell([fact_of_refund(refund, refund.payment.contribution)], now=now)
    else:
        take_back(_name_of_refund(refund), now=now)


def tell_line(entry: BalanceEntry, *, now: datetime) -> None:
    """The figures of a line of Stripe's account are known; of one that is about nothing of ours, nothing is told."""
    tell(facts_of_line(entry), now=now)


def fact_of_payment(payment: Payment, contribution: Contribution) -> Fact:
    assert payment.paid_at is not None, "it arrived, so that it has a moment (constraint)"
    return _fact(
        name_of_payment(payment.pk),
        Kind.PAYMENT,
        payment,
        contribution,
        payment.amount_minor,
        payment.paid_at,
    )


def fact_of_refund(refund: Refund, contribution: Contribution) -> Fact:
    return _fact(
        _name_of_refund(refund),
        Kind.REFUND,
        refund.payment,
        contribution,
        -refund.amount_minor,
        refund.created_at,
    )


def facts_of_line(entry: BalanceEntry) -> list[Fact]:
    """
    What a line with its figures says: a settlement; and, if it is about a dispute, how much the reader's bank took or
    gave back, in the currency that the reader paid in.
    """
    dispute = entry.dispute
    cause = dispute or entry.refund
    payment = entry.payment or (cause.payment if cause else None)
    if payment is None or entry.amount_minor is None or entry.fee_minor is None or entry.occurred_at is None:
        return []
    contribution = payment.contribution
    settled = _fact(
        f"line:{entry.stripe_id}", Kind.SETTLEMENT, payment, contribution, entry.amount_minor, entry.occurred_at,
        currency=entry.currency, fee=entry.fee_minor,
    )  # fmt: skip
    if dispute is None or not entry.amount_minor:
        return [settled]
    amount = dispute.amount_minor if entry.amount_minor > 0 else -dispute.amount_minor
    return [
        settled,
        _fact(f"dispute:{entry.stripe_id}", Kind.DISPUTE, payment, contribution, amount, entry.occurred_at),
    ]


def lines_with_cause() -> Q:
    """The lines of Stripe's account that are about a payment, a refund or a dispute of ours, and have their figures."""
    about = Q(payment__isnull=False) | Q(refund__isnull=False) | Q(dispute__isnull=False)
    return about & Q(net_minor__isnull=False, occurred_at__isnull=False)


def name_of_payment(pk: int) -> str:
    """How the journal calls the arrival of a payment."""
    return f"payment:{pk}"


def _name_of_refund(refund: Refund) -> str:
    return f"refund:{refund.pk}"


def _fact(
    reference: str,
    kind: str,
    payment: Payment,
    contribution: Contribution,
    amount: int,
    at: datetime,
    *,
    currency: str = "",
    fee: int = 0,
) -> Fact:
    return Fact(
        reference=reference,
        kind=kind,
        payment_id=payment.pk,
        contribution_id=contribution.pk,
        campaign_id=contribution.campaign_id,
        interval=contribution.interval,
        currency=currency or payment.currency,
        amount_minor=amount,
        fee_minor=fee,
        at=at,
    )
