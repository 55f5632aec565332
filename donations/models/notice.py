"""What a reader is told before money is taken, whether it was told, and what waits for that."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from donations.models.contribution import Subscription
from donations.money import Money


class Notice(models.Model):
    """
    One thing that a reader has to know about a payment to come. Personal data: none.

    `charge_at` is when Stripe would take the money (or the price would change) if nobody did anything, and names
    the notice; `takes_at` is the moment that the mail speaks of. They differ when the mail went out too late for
    the first: then the payment is held at Stripe until the second.
    """

    class Kind(models.TextChoices):
        RENEWAL = "RENEWAL", "An annual payment comes"
        PRICE = "PRICE", "The amount changes"
        CARD = "CARD", "The card will have expired"

    class State(models.TextChoices):
        PLANNED = "PLANNED", "To be told"
        HANDED_OVER = "HANDED_OVER", "In the outbox"
        ACCEPTED = "ACCEPTED", "Told: the mail server took it"
        UNSENDABLE = "UNSENDABLE", "Cannot be told by mail"
        DROPPED = "DROPPED", "Not needed any more"

    class Hold(models.TextChoices):
        NONE = "NONE", "No"
        WANTED = "WANTED", "Stripe is being told to wait"
        HELD = "HELD", "Stripe waits"
        LETTING_GO = "LETTING_GO", "Stripe is being told to go on"
        RELEASED = "RELEASED", "Stripe may go on"

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=10, choices=Kind)
    reference = models.CharField(max_length=120, help_text="Names it among those of its subscription.")
    charge_at = models.DateTimeField()
    takes_at = models.DateTimeField()
    due_at = models.DateTimeField(help_text="When the mail should go out.")
    latest_at = models.DateTimeField(help_text="After this moment it is too late for what it is about.")
    state = models.CharField(max_length=12, choices=State, default=State.PLANNED)
    reason = models.CharField(
        max_length=60, blank=True, help_text="Why it stands so, where that needs a word."
    )
    mails = models.PositiveSmallIntegerField(default=0, help_text="Handed to the outbox so far.")
    next_look_at = models.DateTimeField(
        null=True, blank=True, help_text="When to decide anew; empty: nothing is left to decide."
    )
    accepted_at = models.DateTimeField(null=True, blank=True)
    actor = models.CharField(
        max_length=60,
        blank=True,
        help_text="Who of the staff announced the change, or told the reader in another way.",
    )
    hold = models.CharField(max_length=10, choices=Hold, default=Hold.NONE)
    held_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)
    old_amount_minor = models.BigIntegerField(null=True, blank=True)
    new_amount_minor = models.BigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    applied_at = models.DateTimeField(
        null=True, blank=True, help_text="When Stripe was told of the new amount."
    )
    problem = models.CharField(max_length=200, blank=True, help_text="What stands in the way at Stripe.")

    class Meta:
        ordering = ["-charge_at", "-pk"]
        constraints = [
            UniqueConstraint(fields=["subscription", "kind", "reference"], name="notice_once"),
            CheckConstraint(condition=Q(kind__in=["RENEWAL", "PRICE", "CARD"]), name="notice_kind_known"),
            CheckConstraint(
                condition=Q(state__in=["PLANNED", "HANDED_OVER", "ACCEPTED", "UNSENDABLE", "DROPPED"]),
                name="notice_state_known",
            ),
            CheckConstraint(
                condition=Q(hold__in=["NONE", "WANTED", "HELD", "LETTING_GO", "RELEASED"]),
                name="notice_hold_known",
            ),
            CheckConstraint(
                condition=Q(state="ACCEPTED", accepted_at__isnull=False)
                | (~Q(state="ACCEPTED") & Q(accepted_at=None)),
                name="notice_accepted_at_iff_accepted",
            ),
            CheckConstraint(
                condition=Q(kind="PRICE", new_amount_minor__gt=0)
                | (~Q(kind="PRICE") & Q(new_amount_minor=None)),
                name="notice_amount_iff_price",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_look_at"],
                condition=Q(next_look_at__isnull=False),
                name="notice_to_look_at",
            ),
            models.Index(fields=["charge_at", "id"], name="notice_by_charge"),
            models.Index(fields=["state", "charge_at", "id"], name="notice_by_state"),
            models.Index(fields=["kind", "charge_at", "id"], name="notice_by_kind"),
            models.Index(
                fields=["hold", "charge_at", "id"], condition=~Q(hold="NONE"), name="notice_with_hold"
            ),
            models.Index(
                fields=["reason", "charge_at", "id"], condition=~Q(reason=""), name="notice_with_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference} {self.state}"

    @property
    def new_amount(self) -> Money | None:
        return None if self.new_amount_minor is None else Money(self.new_amount_minor, self.currency)

    @property
    def dedup_key(self) -> str:
        """The outbox's key of the mail that was handed over last."""
        return f"notice:{self.pk}:{self.mails}"


class CardWatch(models.Model):
    """
    For which payment of a subscription we last asked Stripe how long the card lasts. Personal data: none.

    The answer is not kept: which card there is, and how long it lasts, is Stripe's to know (RELIABILITY.md, 5.2).
    """

    subscription = models.OneToOneField(Subscription, on_delete=models.PROTECT, related_name="card_watch")
    looked_30_for = models.DateTimeField(null=True, blank=True)
    looked_7_for = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "card watches"

    def __str__(self) -> str:
        return f"card of subscription {self.subscription_id}"

    def looked_for(self, days: int) -> datetime | None:
        """The payment for which the look `days` before it was made last."""
        found: datetime | None = getattr(self, f"looked_{days}_for")
        return found
