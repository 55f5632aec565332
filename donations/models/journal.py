"""What moved, told once for all: an account from which the newsroom's numbers are made."""

from __future__ import annotations

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from donations.models.campaign import INTERVALS, Campaign
from donations.models.contribution import Contribution
from donations.models.payment import Payment


class JournalEntry(models.Model):
    """
    One sum that moved, as the books had it from a moment on. Only ever added to. Personal data: none.

    What turns out to have been otherwise is taken back by an entry of the opposite sums, and told anew: so the sum of
    all entries is what the books say now, and the sum of those recorded by a moment is what they said then.

    `amount_minor` is in the currency that readers paid in; of a SETTLEMENT it and the fee are in the currency that
    Stripe settles in. `stands` and `is_rolled_up` are notes for readers in a hurry: neither changes any sum.
    """

    class Kind(models.TextChoices):
        PAYMENT = "PAYMENT", "Payment that arrived"
        REFUND = "REFUND", "Refund"
        DISPUTE = "DISPUTE", "Taken by a bank, or given back by it"
        SETTLEMENT = "SETTLEMENT", "Line of Stripe's account of our money"

    reference = models.CharField(max_length=255, help_text="Names the fact, for ever.")
    edition = models.PositiveIntegerField(default=1, help_text="Counts the entries about the same fact.")
    kind = models.CharField(max_length=10, choices=Kind)
    count = models.SmallIntegerField(default=1, help_text="1, or -1 for an entry that takes another back.")
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="journal", help_text="Which it is, or is about."
    )
    contribution = models.ForeignKey(Contribution, on_delete=models.PROTECT, related_name="+", db_index=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="+", db_index=False)
    interval = models.CharField(max_length=8, choices=INTERVALS)
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField(default=0)
    at = models.DateTimeField(help_text="When it happened.")
    day = models.DateField(help_text="The day of the newsroom's calendar on which it happened.")
    recorded_at = models.DateTimeField(help_text="When our books had it.")
    stands = models.BooleanField(
        default=True, help_text="Whether it was not taken back, and takes nothing back."
    )
    is_rolled_up = models.BooleanField(default=False, help_text="Whether the sums by day have it already.")

    class Meta:
        ordering = ["at", "pk"]
        verbose_name_plural = "journal entries"
        constraints = [
            UniqueConstraint(fields=["reference", "edition"], name="journal_entry_once"),
            UniqueConstraint(
                fields=["reference"], condition=Q(stands=True), name="journal_entry_stands_once"
            ),
            CheckConstraint(
                condition=Q(kind__in=["PAYMENT", "REFUND", "DISPUTE", "SETTLEMENT"]),
                name="journal_kind_known",
            ),
            CheckConstraint(
                condition=Q(count=1) | Q(count=-1, stands=False), name="journal_entry_tells_or_takes_back"
            ),
        ]
        indexes = [
            models.Index(fields=["day"], name="journal_by_day"),
            models.Index(fields=["id"], condition=Q(is_rolled_up=False), name="journal_to_roll_up"),
        ]

    def __str__(self) -> str:
        return f"{self.reference} ({self.edition})"


class RevenueSum(models.Model):
    """
    What moved within some days of the newsroom: the sum of its journal entries that were rolled up.

    `day` is the first of these days. Of each length there are two grains: `campaign_id` 0 is all campaigns together.
    """

    day = models.DateField()
    campaign_id = models.BigIntegerField()
    interval = models.CharField(max_length=8, choices=INTERVALS)
    currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=10, choices=JournalEntry.Kind)
    count = models.BigIntegerField(default=0)
    amount_minor = models.BigIntegerField(default=0)
    fee_minor = models.BigIntegerField(default=0)

    ALL_CAMPAIGNS = 0

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.day} {self.currency} {self.kind}"


class RevenueDay(RevenueSum):
    """The sums of one day. Personal data: none."""

    class Meta:
        default_permissions = ()
        permissions = [
            ("view_reports", "May see the newsroom's numbers"),
            ("export_data", "May export rows of the books"),
        ]
        constraints = [
            UniqueConstraint(
                fields=["campaign_id", "day", "currency", "interval", "kind"], name="revenue_day_once"
            )
        ]


class RevenueMonth(RevenueSum):
    """The sums of one month: always those of its days, so that years are read from few rows. Personal data: none."""

    class Meta:
        default_permissions = ()
        constraints = [
            UniqueConstraint(
                fields=["campaign_id", "day", "currency", "interval", "kind"], name="revenue_month_once"
            )
        ]
