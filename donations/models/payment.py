"""Money that moved: payments, what was given back, and what is disputed."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import CheckConstraint, F, Q

from donations.models.contribution import Contribution
from donations.money import Money


class Payment(models.Model):
    """
    One sum that was to move from a reader to the newsroom. Personal data: none.

    One row for each PaymentIntent (one-off) or invoice (recurring): a declined card and the next try that
    succeeds are the same payment. It knows up to three ids of Stripe, which arrive with different events. Money
    that never passed through Stripe has none: such a row `is_offline`, and an `OfflineGift` or the line of a file
    says where it came from. One that was entered by mistake is VOIDED, and keeps its number and its moment.
    `fee_minor` and `net_minor` are in the settlement currency and come with Stripe's balance transaction,
    some time after the money.
    """

    class State(models.TextChoices):
        PROCESSING = "PROCESSING", "On its way"
        SUCCEEDED = "SUCCEEDED", "Arrived"
        FAILED = "FAILED", "Failed"
        VOIDED = "VOIDED", "Entered by mistake"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    contribution = models.ForeignKey(Contribution, on_delete=models.PROTECT, related_name="payments")
    state = models.CharField(max_length=10, choices=State)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    refunded_minor = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)
    is_renewal = models.BooleanField(default=False)
    period_start = models.DateTimeField(null=True, blank=True)
    period_end = models.DateTimeField(null=True, blank=True)
    attempt_count = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    failure_code = models.CharField(max_length=100, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True, help_text="When Stripe last said why it failed.")
    failure_is_final = models.BooleanField(
        default=False,
        help_text="A declined card can be tried again on the same page; a debit that bounced cannot.",
    )
    receipt_number = models.CharField(max_length=32, null=True, blank=True, unique=True)

    is_offline = models.BooleanField(
        default=False, db_default=False, help_text="Whether it did not pass through Stripe."
    )
    stripe_payment_intent_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    stripe_invoice_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    stripe_charge_id = models.CharField(max_length=255, null=True, blank=True, unique=True)

    settlement_currency = models.CharField(max_length=3, blank=True)
    settlement_minor = models.BigIntegerField(null=True, blank=True)
    fee_minor = models.BigIntegerField(null=True, blank=True)
    net_minor = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        permissions = [("refund_payment", "Can give payments back")]
        constraints = [
            CheckConstraint(condition=Q(amount_minor__gt=0), name="payment_amount_positive"),
            CheckConstraint(
                condition=Q(state__in=["SUCCEEDED", "VOIDED"], paid_at__isnull=False)
                | (~Q(state__in=["SUCCEEDED", "VOIDED"]) & Q(paid_at=None)),
                name="payment_paid_at_iff_succeeded",
            ),
            CheckConstraint(
                condition=Q(state__in=["PROCESSING", "SUCCEEDED", "FAILED"])
                | Q(state="VOIDED", is_offline=True),
                name="payment_state_known",
            ),
            CheckConstraint(
                condition=Q(refunded_minor__gte=0) & Q(refunded_minor__lte=F("amount_minor")),
                name="payment_refunded_within_amount",
            ),
            CheckConstraint(
                condition=Q(
                    is_offline=True,
                    stripe_payment_intent_id=None,
                    stripe_invoice_id=None,
                    stripe_charge_id=None,
                )
                | (
                    Q(is_offline=False)
                    & (
                        Q(stripe_payment_intent_id__isnull=False)
                        | Q(stripe_invoice_id__isnull=False)
                        | Q(stripe_charge_id__isnull=False)
                    )
                ),
                name="payment_known_to_stripe",
            ),
            CheckConstraint(
                condition=Q(fee_minor=None, net_minor=None, settlement_minor=None)
                | Q(net_minor=F("settlement_minor") - F("fee_minor")),
                name="payment_net_is_gross_less_fee",
            ),
        ]
        indexes = [
            models.Index(fields=["contribution", "state"], name="payment_by_contribution"),
            models.Index(fields=["paid_at"], condition=Q(state="SUCCEEDED"), name="payment_paid"),
            models.Index(fields=["created_at", "id"], name="payment_by_beginning"),
            models.Index(fields=["currency", "created_at", "id"], name="payment_by_currency"),
            models.Index(
                fields=["state", "created_at", "id"],
                condition=Q(state__in=["PROCESSING", "FAILED", "VOIDED"]),
                name="payment_not_arrived",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.amount} {self.state}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def refunded(self) -> Money:
        return Money(self.refunded_minor, self.currency)

    @property
    def is_returned(self) -> bool:
        """Whether all of it was given back."""
        return self.refunded_minor >= self.amount_minor


class Refund(models.Model):
    """
    Money on its way back to a reader. Personal data: none.

    A refund that succeeded can still fail days later; then the money is ours again.
    """

    class State(models.TextChoices):
        PENDING = "PENDING", "On its way"
        REQUIRES_ACTION = "REQUIRES_ACTION", "Waits for the reader"
        SUCCEEDED = "SUCCEEDED", "Given back"
        FAILED = "FAILED", "Came back to us"
        CANCELLED = "CANCELLED", "Called off"

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    stripe_id = models.CharField(max_length=255, unique=True)
    state = models.CharField(max_length=16, choices=State)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=40, blank=True)
    failure_reason = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            CheckConstraint(condition=Q(amount_minor__gt=0), name="refund_amount_positive"),
            CheckConstraint(
                condition=Q(state__in=["PENDING", "REQUIRES_ACTION", "SUCCEEDED", "FAILED", "CANCELLED"]),
                name="refund_state_known",
            ),
        ]

    # A refund never goes back to an earlier word; the later of two descriptions is the one with the higher rank.
    RANK = {"PENDING": 0, "REQUIRES_ACTION": 1, "SUCCEEDED": 2, "FAILED": 3, "CANCELLED": 3}
    IN_EFFECT = ("PENDING", "REQUIRES_ACTION", "SUCCEEDED")

    def __str__(self) -> str:
        return f"{self.stripe_id} {Money(self.amount_minor, self.currency)} {self.state}"


class Dispute(models.Model):
    """A reader's bank asks the money back. Personal data: none."""

    class State(models.TextChoices):
        INQUIRY = "INQUIRY", "Inquiry, no money moved"
        INQUIRY_CLOSED = "INQUIRY_CLOSED", "Inquiry closed"
        NEEDS_RESPONSE = "NEEDS_RESPONSE", "Waits for our answer"
        UNDER_REVIEW = "UNDER_REVIEW", "The bank decides"
        WON = "WON", "Won"
        LOST = "LOST", "Lost"
        PREVENTED = "PREVENTED", "Prevented"
        OTHER = "OTHER", "In a state that we do not know"

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="disputes")
    stripe_id = models.CharField(max_length=255, unique=True)
    state = models.CharField(max_length=16, choices=State)
    rank = models.PositiveSmallIntegerField(default=0)
    stripe_status = models.CharField(max_length=40)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=60, blank=True)
    answer_due_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField()
    lost_at = models.DateTimeField(
        null=True, blank=True, help_text="When we first heard that it was lost; it can be won after that."
    )

    class Meta:
        ordering = ["-opened_at", "-pk"]
        constraints = [CheckConstraint(condition=Q(amount_minor__gt=0), name="dispute_amount_positive")]
        indexes = [
            models.Index(fields=["answer_due_at", "-opened_at"], name="dispute_by_deadline"),
            models.Index(fields=["state", "answer_due_at", "-opened_at"], name="dispute_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.stripe_id} {Money(self.amount_minor, self.currency)} {self.state}"

    @property
    def holds_money(self) -> bool:
        """Whether the disputed sum is taken from our balance now."""
        entries = list(self.balance_entries.all())
        return sum(entry.amount_minor or 0 for entry in entries) < 0
