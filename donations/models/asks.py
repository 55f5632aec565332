"""What is tried out in an appeal: tests of words and amounts, a hold-out, a switch for all of it, and counts."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint

from donations import regions
from donations.models.campaign import INTERVALS, Campaign, check_amounts

REGIONS = [(key, name) for key, (name, _) in regions.REGIONS.items()]


def _new_seed() -> str:
    return secrets.token_hex(16)


class AskTest(models.Model):
    """
    Several ways to ask, between which readers are divided by lot; it runs in one campaign for a stated time.

    Of several tests that could be a reader's, one for their country comes first, then one for their region, then one
    for everybody; among equals the lowest position. The seed decides the lots: with another seed they are drawn anew.
    Personal data: none (who got which lot is stored nowhere).
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="tests")
    slug = models.SlugField("name", max_length=64, help_text="Stands in reports; letters, digits, dashes.")
    position = models.PositiveSmallIntegerField(default=0, help_text="The lowest comes first.")
    seed = models.CharField(
        max_length=64,
        default=_new_seed,
        help_text="Decides who gets what. Leave it while the test runs; another seed draws all lots anew.",
    )
    region = models.CharField(
        max_length=10, blank=True, choices=REGIONS, help_text="Only for readers there; empty: for all."
    )
    countries = models.CharField(
        max_length=300, blank=True, help_text="Only for readers in these countries: codes such as NL BE."
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            UniqueConstraint(fields=["campaign", "slug"], name="ask_test_once_per_campaign"),
            CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")), name="ask_test_ends_after_start"
            ),
            CheckConstraint(condition=Q(region="") | Q(countries=""), name="ask_test_in_one_kind_of_place"),
            CheckConstraint(condition=~Q(seed=""), name="ask_test_has_a_seed"),
        ]

    def __str__(self) -> str:
        return self.slug

    def is_running(self, now: datetime) -> bool:
        return self.starts_at <= now and (self.ends_at is None or now < self.ends_at)

    def clean(self) -> None:
        """Raise ValidationError, naming the field, for a place that does not exist."""
        codes = re.findall(r"[^\s,;]+", self.countries.upper())
        unknown = [code for code in codes if not regions.is_country(code)]
        if unknown:
            raise ValidationError(
                {"countries": f"There is no country {unknown[0]}; write codes such as NL BE."}
            )
        if codes and self.region:
            raise ValidationError({"countries": "Choose a region or name countries, not both."})
        if self.ends_at and self.starts_at and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": "It ends after it started."})
        self.countries = " ".join(dict.fromkeys(codes))


class AskVariant(models.Model):
    """
    One of the ways to ask in a test. What is left empty is the campaign's own. Personal data: none.

    A variant that changes nothing is the control. One that gifts came from stays.
    """

    test = models.ForeignKey(AskTest, on_delete=models.CASCADE, related_name="variants")
    slug = models.SlugField("name", max_length=64)
    weight = models.PositiveSmallIntegerField(
        default=1,
        help_text="Its share of the readers, beside the others' weights. A change draws some lots anew.",
    )
    is_safe = models.BooleanField(
        default=False, help_text="May be shown on pages that are marked as sensitive."
    )
    title = models.CharField("heading", max_length=120, blank=True)
    message = models.TextField(blank=True, help_text="Plain text; an empty line begins a new paragraph.")
    button = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["test", "pk"]
        constraints = [UniqueConstraint(fields=["test", "slug"], name="ask_variant_once_per_test")]

    def __str__(self) -> str:
        return f"{self.test.slug}:{self.slug}"


class VariantAsk(models.Model):
    """
    The amounts that a variant suggests, in one currency for one interval of its campaign. Personal data: none.

    Limits are the campaign's: a variant changes what is suggested, not what is taken.
    """

    variant = models.ForeignKey(AskVariant, on_delete=models.CASCADE, related_name="asks")
    currency = models.CharField(max_length=3)
    interval = models.CharField(max_length=8, choices=INTERVALS)
    suggested = models.JSONField(help_text="Amounts in minor units, such as [200, 500, 1000].")
    default_minor = models.BigIntegerField()

    class Meta:
        ordering = ["currency", "interval"]
        constraints = [
            UniqueConstraint(
                fields=["variant", "currency", "interval"], name="variant_ask_once_per_currency_and_interval"
            ),
            CheckConstraint(condition=Q(default_minor__gt=0), name="variant_ask_default_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.interval}"

    def clean(self) -> None:
        """Raise ValidationError, naming the field, for amounts that the campaign would not take."""
        if self.variant_id is None and self.variant.test_id is None:
            return  # a variant without a test has a problem of its own
        ask = self.variant.test.campaign.asks.filter(currency=self.currency, interval=self.interval).first()
        if ask is None:
            raise ValidationError(
                {
                    "currency": "The campaign does not ask in this currency at this interval; add it there first."
                }
            )
        if problems := check_amounts(ask, self.suggested, self.default_minor):
            raise ValidationError(problems)


class AskCount(models.Model):
    """
    How often an appeal with a test or a hold-out was asked for on a day, and shown or held back. Personal data: none.

    Counts answers, not people: nobody is known again. Without a variant it counts what was asked in the campaign's own
    words. The day is the newsroom's.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="ask_counts")
    variant = models.ForeignKey(
        AskVariant, null=True, blank=True, on_delete=models.CASCADE, related_name="counts"
    )
    day = models.DateField()
    shown = models.PositiveBigIntegerField(default=0)
    held = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["-day", "campaign", "variant"]
        constraints = [
            UniqueConstraint(
                fields=["campaign", "day", "variant"],
                condition=Q(variant__isnull=False),
                name="ask_count_once_per_day_and_variant",
            ),
            UniqueConstraint(
                fields=["campaign", "day"], condition=Q(variant=None), name="ask_count_once_per_day"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.campaign_id}"


class AskSwitch(models.Model):
    """
    The one row with which staff stop all asking: no page asks anybody any more, within a minute.

    The support page stays open to whoever goes there. Personal data: none.
    """

    is_off = models.BooleanField(
        "ask nobody", default=False, help_text="While this is on, no page asks anybody; it takes a minute."
    )

    class Meta:
        verbose_name = verbose_name_plural = "switch for all asks"
        constraints = [CheckConstraint(condition=Q(pk=1), name="ask_switch_is_one_row")]

    def __str__(self) -> str:
        return "Nobody is asked" if self.is_off else "Asking"
