"""Appeals: what a newsroom asks for, in which currencies and amounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint

from donations import currencies
from donations.intervals import Interval
from donations.money import AmountRefused, Money

INTERVALS = [(interval.value, interval.value.capitalize()) for interval in Interval]
CEILING_FACTOR = (
    10_000  # the most that is taken is this many times the least (PRODUCT.md G3, after Wikimedia)
)


class Campaign(models.Model):
    """
    An appeal to readers. Personal data: none.

    It is running while it is published, has begun and has not ended; only then is anything given to it.
    """

    slug = models.SlugField(max_length=64, unique=True)
    title = models.CharField(max_length=120)
    message = models.TextField(blank=True, help_text="Plain text; an empty line begins a new paragraph.")
    thank_you = models.TextField(blank=True, help_text="Shown when a gift has arrived.")
    button = models.CharField(
        max_length=40, blank=True, help_text="Words on the widget's button; empty: Continue."
    )
    newsletter_text = models.CharField(
        max_length=200,
        blank=True,
        help_text="What the widget's newsletter box says; empty: it has none. "
        "Change CONSENT_TEXT_VERSION when you change what readers agree to.",
    )
    locale = models.CharField(max_length=16, default="en")
    default_interval = models.CharField(max_length=8, choices=INTERVALS, default=Interval.MONTH.value)
    default_currency = models.CharField(max_length=3, default="USD")
    payment_methods = models.JSONField(
        default=list, blank=True, help_text='Icons to show, such as ["visa", "mastercard", "apple_pay"].'
    )
    goal_minor = models.BigIntegerField(
        null=True, blank=True, help_text="In minor units of the default currency."
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    is_published = models.BooleanField(default=True)
    reminds_abandoned = models.BooleanField(
        default=False,
        help_text="Offer readers one e-mail if they leave the payment page unpaid; only those who say yes get it.",
    )
    is_safe = models.BooleanField(
        default=False,
        help_text="The words above may be shown on pages that are marked as sensitive. "
        "Without this, only variants of tests that are marked so are shown there.",
    )
    hold_out_percent = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(100)],
        help_text="Of 100 readers, so many are asked nothing by lot, to see what asking brings.",
    )
    hold_out_starts_at = models.DateTimeField(null=True, blank=True, help_text="Empty: with the campaign.")
    hold_out_ends_at = models.DateTimeField(null=True, blank=True, help_text="Empty: with the campaign.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-starts_at", "slug"]
        constraints = [
            CheckConstraint(
                condition=Q(goal_minor=None) | Q(goal_minor__gt=0), name="campaign_goal_positive"
            ),
            CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")), name="campaign_ends_after_start"
            ),
            CheckConstraint(
                condition=Q(default_interval__in=[i.value for i in Interval]), name="campaign_interval_known"
            ),
            CheckConstraint(
                condition=Q(hold_out_percent__lte=100), name="campaign_hold_out_is_a_share_of_100"
            ),
            CheckConstraint(
                condition=Q(hold_out_starts_at=None)
                | Q(hold_out_ends_at=None)
                | Q(hold_out_ends_at__gt=F("hold_out_starts_at")),
                name="campaign_hold_out_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    def is_running(self, now: datetime) -> bool:
        return self.is_published and self.starts_at <= now and (self.ends_at is None or now < self.ends_at)

    def has_ended(self, now: datetime) -> bool:
        return self.ends_at is not None and self.ends_at <= now

    def is_holding_out(self, now: datetime) -> bool:
        """Whether some readers are asked nothing at that moment."""
        return (
            self.hold_out_percent > 0
            and (self.hold_out_starts_at is None or self.hold_out_starts_at <= now)
            and (self.hold_out_ends_at is None or now < self.hold_out_ends_at)
        )

    @property
    def goal(self) -> Money | None:
        return None if self.goal_minor is None else Money(self.goal_minor, self.default_currency)


class Ask(models.Model):
    """
    What one campaign suggests in one currency for one interval. Personal data: none.

    Amounts are minor units. The default is one of the suggestions; the minimum is never below Stripe's.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="asks")
    currency = models.CharField(max_length=3)
    interval = models.CharField(max_length=8, choices=INTERVALS)
    suggested = models.JSONField(help_text="Amounts in minor units, such as [200, 500, 1000].")
    default_minor = models.BigIntegerField()
    minimum_minor = models.BigIntegerField()
    maximum_minor = models.BigIntegerField(
        null=True, blank=True, help_text="Empty: 10,000 times the minimum."
    )

    class Meta:
        ordering = ["currency", "interval"]
        constraints = [
            UniqueConstraint(
                fields=["campaign", "currency", "interval"], name="ask_once_per_currency_and_interval"
            ),
            CheckConstraint(condition=Q(minimum_minor__gt=0), name="ask_minimum_positive"),
            CheckConstraint(
                condition=Q(default_minor__gte=F("minimum_minor")), name="ask_default_not_below_minimum"
            ),
            CheckConstraint(
                condition=Q(maximum_minor=None) | Q(maximum_minor__gte=F("default_minor")),
                name="ask_maximum_not_below_default",
            ),
            CheckConstraint(condition=Q(interval__in=[i.value for i in Interval]), name="ask_interval_known"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.interval}"

    @property
    def minimum(self) -> Money:
        return Money(self.minimum_minor, self.currency)

    @property
    def maximum(self) -> Money:
        """The most that is taken at once: what the editor set, else 10,000 times the minimum; within Stripe's limit."""
        limit = currencies.get(self.currency).maximum_minor
        wanted = self.minimum_minor * CEILING_FACTOR if self.maximum_minor is None else self.maximum_minor
        return Money(min(wanted, limit), self.currency)

    def clean(self) -> None:
        """Raise ValidationError, naming the field, for amounts that Stripe or a reader could not use."""
        try:
            self.minimum.check_chargeable()
        except (AmountRefused, ValueError) as error:
            raise ValidationError({"minimum_minor": str(error)}) from error
        if problems := check_amounts(self, self.suggested, self.default_minor):
            raise ValidationError(problems)


def check_amounts(ask: Ask, suggested: Any, default_minor: int) -> dict[str, Any]:
    """What is wrong with amounts that are suggested within an ask's limits, by field; empty if nothing is."""
    amounts = suggested if isinstance(suggested, list) else []
    if not amounts or not all(type(amount) is int for amount in amounts):
        return {"suggested": "Give a list of whole numbers (minor units), such as [200, 500, 1000]."}
    if not all(
        Money(amount, ask.currency).is_chargeable() and ask.minimum_minor <= amount <= ask.maximum.minor
        for amount in amounts
    ):
        return {"suggested": f"Each amount must lie between {ask.minimum} and {ask.maximum}."}
    if default_minor not in amounts:
        return {"default_minor": "The default must be one of the suggested amounts."}
    return {}
