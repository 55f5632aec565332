"""Stripe's account of our money: each line of it, and the payouts by which it reaches the bank."""

from __future__ import annotations

from django.db import models
from django.db.models import CheckConstraint, F, Q

from donations.models.payment import Dispute, Payment, Refund
from donations.money import Money

MANY = ("", "charge", "payment")  # kinds of which nearly every line is; "" waits for its figures


class Payout(models.Model):
    """
    A sum on its way from Stripe to the newsroom's bank. Personal data: none.

    Stripe tells which lines of the balance an automatic payout is made of; of one that was asked for by hand it does
    not, so that it is never compared. `listed_minor` is what the lines come to, once they were fetched. A payout
    below zero takes money from the bank account.
    """

    class State(models.TextChoices):
        PENDING = "PENDING", "Not sent yet"
        IN_TRANSIT = "IN_TRANSIT", "On its way"
        PAID = "PAID", "At the bank"
        FAILED = "FAILED", "Sent back by the bank"
        CANCELLED = "CANCELLED", "Called off"
        OTHER = "OTHER", "In a state that we do not know"

    # The later of two descriptions is the one with the higher rank: a bank can still send back what seemed paid.
    RANK = {"OTHER": 0, "PENDING": 1, "IN_TRANSIT": 2, "PAID": 3, "FAILED": 4, "CANCELLED": 4}

    stripe_id = models.CharField(max_length=255, unique=True)
    state = models.CharField(max_length=10, choices=State)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    is_automatic = models.BooleanField()
    created_at = models.DateTimeField()
    arrives_at = models.DateTimeField(help_text="When the bank has it, as Stripe expects.")
    failure_code = models.CharField(max_length=60, blank=True)
    can_be_listed = models.BooleanField(
        default=False, help_text="Stripe knows by now which lines of the balance it is made of."
    )
    listed_at = models.DateTimeField(null=True, blank=True)
    listed_minor = models.BigIntegerField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            CheckConstraint(
                condition=Q(state__in=["PENDING", "IN_TRANSIT", "PAID", "FAILED", "CANCELLED", "OTHER"]),
                name="payout_state_known",
            ),
            CheckConstraint(
                condition=Q(listed_at=None, listed_minor=None)
                | Q(listed_at__isnull=False, listed_minor__isnull=False),
                name="payout_listed_with_its_sum",
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=Q(listed_at=None, can_be_listed=True),
                name="payout_to_list",
            )
        ]

    def __str__(self) -> str:
        return f"{self.stripe_id} {self.amount} {self.state}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def difference(self) -> Money | None:
        """What is paid out beyond the lines; zero when they add up, None while nobody knows the lines."""
        if self.listed_minor is None:
            return None
        return Money(self.amount_minor - self.listed_minor, self.currency)


class BalanceEntry(models.Model):
    """
    One line of Stripe's account of our money: a balance transaction. Personal data: none.

    The id is often known before the figures: such a row waits (`net_minor` is empty) until they are fetched.
    Once filled its figures never change. Amounts are minor units of the settlement currency; net = amount − fee.

    Its cause is a payment, a refund or a dispute of ours. A line that was first met in a payout may have none:
    Stripe's own fees, what other software charged in the same account, or a gift of which the event is not here yet.
    """

    stripe_id = models.CharField(max_length=255, unique=True)
    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT, related_name="balance_entries")
    refund = models.ForeignKey(Refund, null=True, on_delete=models.PROTECT, related_name="balance_entries")
    dispute = models.ForeignKey(Dispute, null=True, on_delete=models.PROTECT, related_name="balance_entries")
    payout = models.ForeignKey(Payout, null=True, on_delete=models.PROTECT, related_name="lines")
    kind = models.CharField(max_length=40, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    amount_minor = models.BigIntegerField(null=True)
    fee_minor = models.BigIntegerField(null=True)
    net_minor = models.BigIntegerField(null=True)
    exchange_rate = models.CharField(max_length=32, blank=True)
    occurred_at = models.DateTimeField(null=True)
    available_on = models.DateTimeField(null=True)
    noted_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "balance entries"
        constraints = [
            CheckConstraint(
                condition=Q(amount_minor=None, fee_minor=None, net_minor=None)
                | Q(net_minor=F("amount_minor") - F("fee_minor")),
                name="balance_entry_net_is_amount_less_fee",
            ),
            CheckConstraint(
                condition=Q(refund=None, dispute=None)
                | Q(payment=None, dispute=None)
                | Q(payment=None, refund=None),
                name="balance_entry_has_at_most_one_cause",
            ),
        ]
        indexes = [
            models.Index(fields=["noted_at"], condition=Q(net_minor=None), name="balance_entry_waiting"),
            models.Index(fields=["kind", "id"], condition=~Q(kind__in=MANY), name="balance_entry_of_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.stripe_id} {self.currency} {self.net_minor}"
