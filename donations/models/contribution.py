"""What a reader wants to give, and the subscription at Stripe that repeats it."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import CheckConstraint, Q

from donations.intervals import Interval
from donations.models.campaign import INTERVALS, Campaign
from donations.money import Money
from members.fields import EncryptedTextField
from members.models import Member


class Contribution(models.Model):
    """
    One reader's intent to give, once or every month or year.

    Written down before Stripe is asked for anything, so that no money can arrive for a gift that we never
    heard of. Its amount is what the reader chose and never changes; a later change of a recurring gift is
    the subscription's. Personal data: email, name, checkout_url (encrypted), until the gift has a member;
    recovery_url (encrypted), of a page that was left unpaid, while Stripe would open it again; variant and
    was_held_out, which lot of a test it was.
    """

    class CheckoutState(models.TextChoices):
        CREATED = "CREATED", "Written down"
        OPEN = "OPEN", "At Stripe's page"
        COMPLETED = "COMPLETED", "Through Stripe's page"
        EXPIRED = "EXPIRED", "Left unpaid"

    class Origin(models.TextChoices):
        CHECKOUT = "CHECKOUT", "Begun on our page or through our API"
        STRIPE = "STRIPE", "Was at Stripe before us"
        FILE = "FILE", "Read from a file"
        STAFF = "STAFF", "Entered by staff"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, related_name="contributions", db_index=False
    )  # the index below has it in front
    member = models.ForeignKey(
        Member, null=True, blank=True, on_delete=models.PROTECT, related_name="contributions"
    )
    interval = models.CharField(max_length=8, choices=INTERVALS)
    amount_minor = models.BigIntegerField()
    fee_cover_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    email = EncryptedTextField(bound_to="public_id", blank=True, default="")
    name = EncryptedTextField(bound_to="public_id", blank=True, default="")
    locale = models.CharField(max_length=16, default="en")
    source: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict, blank=True)
    variant = models.ForeignKey(
        "donations.AskVariant",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="contributions",
        db_index=False,
        help_text="In which way of asking the gift was begun, where several were tried.",
    )
    was_held_out = models.BooleanField(
        null=True, help_text="Whether the lot said not to ask; empty where there was no hold-out."
    )
    newsletter_consent = models.BooleanField(default=False)
    reminder_consent = models.BooleanField(
        default=False, help_text="Whether the reader wants one e-mail if the page is left unpaid."
    )
    return_url = models.CharField(max_length=500, blank=True)
    membership_months = models.PositiveSmallIntegerField(
        default=0, help_text="For how long a gift that was given once makes a member."
    )
    livemode = models.BooleanField()
    created_at = models.DateTimeField()
    origin = models.CharField(
        max_length=8, choices=Origin, default=Origin.CHECKOUT, db_default=Origin.CHECKOUT.value
    )
    imported_at = models.DateTimeField(
        null=True, blank=True, help_text="No mail is sent about what happened up to then."
    )

    # The first request's key (keyed hash) and what it asked for (keyed hash), to know it again.
    idempotency_hash = models.CharField(max_length=120, null=True, blank=True, unique=True)
    request_fingerprint = models.CharField(max_length=120, blank=True)

    checkout_state = models.CharField(max_length=10, choices=CheckoutState, default=CheckoutState.CREATED)
    checkout_url = EncryptedTextField(bound_to="public_id", blank=True, default="")
    checkout_expires_at = models.DateTimeField(null=True, blank=True)
    checkout_attempt = models.PositiveIntegerField(
        default=1, help_text="Which try to get a page from Stripe."
    )
    checkout_attempted_at = models.DateTimeField(help_text="When that try began.")
    checkout_problem = models.CharField(max_length=100, blank=True, help_text="Why Stripe gave us no page.")
    stripe_session_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    stripe_customer_id = models.CharField(max_length=255, blank=True)

    # Stripe's link to a copy of the page that was left: whoever follows it sees the reader's address there.
    recovery_url = EncryptedTextField(bound_to="public_id", blank=True, default="", db_default=b"")
    recovery_expires_at = models.DateTimeField(null=True, blank=True)
    copy_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="copies",
        help_text="The contribution whose page was recovered and paid more than once; this is one of the others.",
    )

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            CheckConstraint(condition=Q(amount_minor__gt=0), name="contribution_amount_positive"),
            CheckConstraint(condition=Q(fee_cover_minor__gte=0), name="contribution_fee_cover_not_negative"),
            CheckConstraint(
                condition=Q(interval__in=[i.value for i in Interval]), name="contribution_interval_known"
            ),
            CheckConstraint(
                condition=Q(checkout_state__in=["CREATED", "OPEN", "COMPLETED", "EXPIRED"]),
                name="contribution_checkout_state_known",
            ),
            CheckConstraint(
                condition=~Q(checkout_state="OPEN") | Q(stripe_session_id__isnull=False),
                name="contribution_open_has_session",
            ),
            CheckConstraint(
                condition=Q(origin__in=["CHECKOUT", "STRIPE", "FILE", "STAFF"]),
                name="contribution_origin_known",
            ),
            CheckConstraint(
                condition=~Q(origin__in=["STRIPE", "FILE"]) | Q(imported_at__isnull=False),
                name="contribution_imported_has_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=Q(checkout_state__in=["CREATED", "OPEN"]),
                name="contribution_undecided",
            ),
            models.Index(
                fields=["recovery_expires_at"],
                condition=Q(recovery_expires_at__isnull=False),
                name="contribution_recoverable",
            ),
            models.Index(fields=["created_at", "id"], name="contribution_by_beginning"),
            models.Index(
                fields=["stripe_customer_id"],
                condition=~Q(stripe_customer_id=""),
                name="contribution_of_customer",
            ),
            models.Index(fields=["campaign", "created_at", "id"], name="contribution_by_campaign"),
            models.Index(
                fields=["variant", "created_at", "id"],
                condition=Q(variant__isnull=False),
                name="contribution_by_variant",
            ),
            models.Index(fields=["interval", "created_at", "id"], name="contribution_by_interval"),
            models.Index(
                fields=["created_at", "id"],
                condition=Q(checkout_state="EXPIRED"),
                name="contribution_expired",
            ),
            models.Index(
                fields=["created_at", "id"], condition=Q(was_held_out=True), name="contribution_held_out"
            ),
            models.Index(
                fields=["created_at", "id"], condition=Q(was_held_out=False), name="contribution_not_held_out"
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.total} {self.interval} {self.checkout_state}"

    @property
    def amount(self) -> Money:
        """The gift itself."""
        return Money(self.amount_minor, self.currency)

    @property
    def fee_cover(self) -> Money:
        """What the reader adds so that the gift arrives whole."""
        return Money(self.fee_cover_minor, self.currency)

    @property
    def total(self) -> Money:
        """What Stripe charges: the gift and its cover."""
        return self.amount + self.fee_cover

    @property
    def is_recurring(self) -> bool:
        return self.interval != Interval.ONCE

    def is_past(self, at: datetime | None) -> bool:
        """Whether something happened before the contribution was imported, so that its reader is not written to."""
        return self.imported_at is not None and at is not None and at <= self.imported_at

    @property
    def can_be_recovered(self) -> bool:
        """Whether Stripe is asked for a link to a copy of the page: only where the reader agreed to a mail with it."""
        return self.reminder_consent and bool(self.email)

    def mark_open(self, *, session_id: str, url: str, expires_at: datetime) -> bool:
        """
        Take the step from CREATED to OPEN. False if someone was here before.

        Stripe's event may come before this: then the session's id is already here and the state is past OPEN.
        """
        self.stripe_session_id, self.checkout_url, self.checkout_expires_at = session_id, url, expires_at
        sealed = Contribution._meta.get_field("checkout_url").seal(self, url)
        moved = Contribution.objects.filter(pk=self.pk, checkout_state=self.CheckoutState.CREATED).update(
            checkout_state=self.CheckoutState.OPEN,
            stripe_session_id=session_id,
            checkout_url=sealed,
            checkout_expires_at=expires_at,
            checkout_problem="",
        )
        if moved:
            self.checkout_state = self.CheckoutState.OPEN
        return moved == 1


class StripeCustomer(models.Model):
    """Stripe's record of a payer. Personal data: none (only Stripe's ids; Stripe holds the rest)."""

    stripe_id = models.CharField(max_length=255, unique=True)
    member = models.ForeignKey(
        Member, null=True, blank=True, on_delete=models.PROTECT, related_name="stripe_customers"
    )
    livemode = models.BooleanField()
    default_payment_method = models.CharField(max_length=255, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.stripe_id


class Subscription(models.Model):
    """
    The subscription at Stripe that repeats a contribution, as Stripe last described it. Personal data: none.

    `as_of` is the moment (Stripe's clock, to the second) of the description that is applied here; an older
    description never replaces a newer one. `revision` counts the changes, for optimistic locking.
    """

    class State(models.TextChoices):
        INCOMPLETE = "INCOMPLETE", "First payment open"
        ACTIVE = "ACTIVE", "Active"
        PAST_DUE = "PAST_DUE", "Payment failed, being tried again"
        UNPAID = "UNPAID", "Payment failed, not tried any more"
        PAUSED = "PAUSED", "Paused"
        CANCELLED = "CANCELLED", "Ended"

    contribution = models.OneToOneField(Contribution, on_delete=models.PROTECT, related_name="subscription")
    stripe_id = models.CharField(max_length=255, unique=True)
    stripe_customer_id = models.CharField(max_length=255, blank=True, db_index=True)
    state = models.CharField(max_length=12, choices=State, default=State.INCOMPLETE)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    interval = models.CharField(max_length=8, choices=INTERVALS)
    item_id = models.CharField(max_length=255, blank=True)
    product_id = models.CharField(max_length=255, blank=True)
    default_payment_method = models.CharField(max_length=255, blank=True)
    card_given_at = models.DateTimeField(
        null=True, blank=True, help_text="When the reader last gave another card."
    )
    current_period_end = models.DateTimeField(null=True, blank=True)
    next_payment_at = models.DateTimeField(null=True, blank=True)
    pause_resumes_at = models.DateTimeField(null=True, blank=True)
    cancel_at = models.DateTimeField(null=True, blank=True, help_text="When it is going to end.")
    cancelled_at = models.DateTimeField(null=True, blank=True, help_text="When the end was asked for.")
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=40, blank=True)
    was_made_one_time = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether its reader wanted to give once and said so in time.",
    )
    as_of = models.DateTimeField(null=True, blank=True)
    as_of_event = models.CharField(max_length=255, blank=True)
    has_changed = models.BooleanField(default=False, help_text="Whether there are changes to look at.")
    revision = models.PositiveBigIntegerField(default=0)

    class Meta:
        permissions = [
            ("stop_subscription", "Can end contributions for readers who ask"),
            ("pause_subscription", "Can pause contributions and let them go on"),
            ("change_amount", "Can change the amount of contributions"),
        ]
        constraints = [
            CheckConstraint(condition=Q(amount_minor__gt=0), name="subscription_amount_positive"),
            CheckConstraint(
                condition=Q(interval__in=["month", "year"]), name="subscription_interval_recurring"
            ),
            CheckConstraint(
                condition=Q(state__in=["INCOMPLETE", "ACTIVE", "PAST_DUE", "UNPAID", "PAUSED", "CANCELLED"]),
                name="subscription_state_known",
            ),
            CheckConstraint(
                condition=Q(state="CANCELLED", ended_at__isnull=False)
                | (~Q(state="CANCELLED") & Q(ended_at=None)),
                name="subscription_ended_at_iff_cancelled",
            ),
        ]
        indexes = [models.Index(fields=["currency"], condition=Q(state="ACTIVE"), name="subscription_active")]

    def __str__(self) -> str:
        return f"{self.stripe_id} {self.amount} {self.interval} {self.state}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def upcoming_payment_at(self) -> datetime | None:
        """When the card will be charged next, in UTC; None when it will not."""
        if self.state in (self.State.CANCELLED, self.State.PAUSED, self.State.UNPAID, self.State.INCOMPLETE):
            return None
        if self.cancel_at and self.current_period_end and self.cancel_at <= self.current_period_end:
            return None
        return max(filter(None, [self.next_payment_at, self.current_period_end]), default=None)
