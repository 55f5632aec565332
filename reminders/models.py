"""Who asked to be asked again, each mail that came of it and why or why not, and who wants none any more."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from donations.intervals import Interval
from donations.models import Campaign
from members.fields import EncryptedTextField, LookupHashField
from reminders import codes

_INTERVALS = [(interval.value, interval.value.capitalize()) for interval in Interval]


class Reminder(models.Model):
    """
    One reader's wish to be asked again: once, every few months, or when payments work again.

    PENDING_CONFIRM → SCHEDULED → DONE, or CANCELLED by the reader, or EXPIRED (never confirmed, or too late).
    Its mails are its sends. The last three states are final; the address is forgotten some weeks after.

    Personal data: email (encrypted, erased after the end); email_hash (keyed hash); locale, time_zone, country.
    """

    class Kind(models.TextChoices):
        ONE_OFF = "ONE_OFF", "Once"
        RECURRING = "RECURRING", "Every few months"
        ABANDONED = "ABANDONED", "Left the payment page"
        OUTAGE = "OUTAGE", "When payments work again"

    class State(models.TextChoices):
        PENDING_CONFIRM = "PENDING_CONFIRM", "Waits for the reader's yes"
        SCHEDULED = "SCHEDULED", "Planned"
        DONE = "DONE", "Done"
        CANCELLED = "CANCELLED", "Stopped by the reader"
        EXPIRED = "EXPIRED", "Too late, or never confirmed"

    OPEN = ("PENDING_CONFIRM", "SCHEDULED")

    public_id = models.UUIDField(default=codes.new_id, unique=True, editable=False)
    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=16, choices=State)
    email = EncryptedTextField(bound_to="public_id", blank=True, default="")
    email_hash = LookupHashField(of="email")
    locale = models.CharField(max_length=16)
    time_zone = models.CharField(max_length=64, blank=True, default="")
    country = models.CharField(max_length=2, blank=True, default="")
    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, null=True, blank=True, related_name="reminders", db_index=False
    )  # the index below has it in front
    interval = models.CharField(max_length=8, choices=_INTERVALS, blank=True, default="")
    amount_minor = models.BigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True, default="")
    source: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict, blank=True)
    consent_version = models.CharField(max_length=60)
    contribution_id = models.UUIDField(
        null=True, blank=True, unique=True, help_text="The contribution that was left unpaid."
    )

    period = models.DateField(help_text="The month of the next mail, else of the last, as its first day.")
    anchor_day = models.PositiveSmallIntegerField()
    frequency_months = models.PositiveSmallIntegerField(null=True, blank=True)
    mails_promised = models.PositiveSmallIntegerField(
        default=1, help_text="How many mails the reader was told of; of a recurring one, each time."
    )
    mails_without_answer = models.PositiveSmallIntegerField(
        default=0, help_text="Mails since the last gift, or the last button that the reader pressed."
    )
    held_out = models.BooleanField(
        default=False, help_text="Drawn by lot to get no mail, so that it can be seen what the others change."
    )
    created_at = models.DateTimeField()
    confirm_by = models.DateTimeField(null=True, blank=True)
    confirm_sent_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            CheckConstraint(
                condition=Q(kind__in=["ONE_OFF", "RECURRING", "ABANDONED", "OUTAGE"]),
                name="reminder_kind_known",
            ),
            CheckConstraint(
                condition=Q(state__in=["PENDING_CONFIRM", "SCHEDULED", "DONE", "CANCELLED", "EXPIRED"]),
                name="reminder_state_known",
            ),
            CheckConstraint(
                condition=Q(kind="RECURRING", frequency_months__gte=1, frequency_months__lte=24)
                | (~Q(kind="RECURRING") & Q(frequency_months=None)),
                name="reminder_frequency_iff_recurring",
            ),
            CheckConstraint(
                condition=Q(anchor_day__gte=1, anchor_day__lte=31), name="reminder_anchor_is_a_day"
            ),
            CheckConstraint(
                condition=Q(mails_promised__gte=1, mails_promised__lte=2),
                name="reminder_promises_two_at_most",
            ),
            CheckConstraint(
                condition=Q(amount_minor=None) | (Q(amount_minor__gt=0) & ~Q(currency="") & ~Q(interval="")),
                name="reminder_amount_is_whole_wish",
            ),
            CheckConstraint(
                condition=Q(state__in=["PENDING_CONFIRM", "SCHEDULED"], ended_at=None)
                | Q(state__in=["DONE", "CANCELLED", "EXPIRED"], ended_at__isnull=False),
                name="reminder_ended_at_iff_final",
            ),
            CheckConstraint(
                condition=~Q(state="PENDING_CONFIRM") | Q(confirm_by__isnull=False),
                name="reminder_pending_has_a_limit",
            ),
            # One reader has one reminder for a month, one that repeats, and one that waits for payments.
            UniqueConstraint(
                fields=["email_hash", "period"],
                condition=Q(kind="ONE_OFF", state__in=["PENDING_CONFIRM", "SCHEDULED"]),
                name="reminder_once_per_person_and_month",
            ),
            UniqueConstraint(
                fields=["email_hash", "kind"],
                condition=Q(
                    kind__in=["RECURRING", "ABANDONED", "OUTAGE"], state__in=["PENDING_CONFIRM", "SCHEDULED"]
                ),
                name="reminder_once_per_person_and_kind",
            ),
        ]
        indexes = [
            Index(fields=["email_hash"], name="reminder_of_person"),
            Index(fields=["confirm_by"], condition=Q(state="PENDING_CONFIRM"), name="reminder_pending"),
            Index(fields=["ended_at"], condition=Q(ended_at__isnull=False), name="reminder_ended"),
            Index(fields=["created_at", "id"], name="reminder_by_beginning"),
            Index(fields=["state", "created_at", "id"], name="reminder_by_state"),
            Index(fields=["kind", "created_at", "id"], name="reminder_by_kind"),
            Index(fields=["campaign", "created_at", "id"], name="reminder_by_campaign"),
            Index(fields=["created_at", "id"], condition=Q(held_out=True), name="reminder_held_out"),
        ]

    def __str__(self) -> str:
        return f"Reminder {str(self.public_id)[:8]}"

    @property
    def is_recurring(self) -> bool:
        return self.kind == self.Kind.RECURRING


class ReminderSend(models.Model):
    """
    One mail of one reminder: when it was promised, what became of it, and what the reader did then.

    PLANNED → HANDED_OVER (to the outbox) → SENT or FAILED; or SUPPRESSED with a reason, HELD_OUT, or EXPIRED.
    `rid` is in the mail's link to the support page. Personal data: person (keyed hash of the encrypted address).
    """

    class State(models.TextChoices):
        PLANNED = "PLANNED", "Planned"
        HANDED_OVER = "HANDED_OVER", "In the outbox"
        SENT = "SENT", "Sent"
        FAILED = "FAILED", "Could not be delivered"
        SUPPRESSED = "SUPPRESSED", "Not sent, for a reason"
        HELD_OUT = "HELD_OUT", "Not sent, to compare"
        EXPIRED = "EXPIRED", "Not sent, too late"

    class Step(models.IntegerChoices):
        FIRST = 1, "First"
        SECOND = 2, "Second"
        KEEP_GOING = 3, "Shall we go on?"

    class Reason(models.TextChoices):
        GIVEN = "given", "Gave since asking"
        RECURRING = "recurring", "Gives regularly"
        UNSUBSCRIBED = "unsubscribed", "Wants no reminders"
        BOUNCED = "bounced", "The address does not take mail"
        DISPUTED = "disputed", "Asked the bank for money back lately"
        CAMPAIGN_OVER = "campaign_over", "The appeal is over"
        CAP = "cap", "Had a reminder lately, or many this year"
        ONE_OFF_INSTEAD = "one_off_instead", "A single reminder comes in the same month"
        ANSWERED = "answered", "Answered the first mail"
        CANCELLED = "cancelled", "Stopped by the reader"
        MOVED = "moved", "Moved to another month by the reader"
        ADDRESS_UNREADABLE = "address_unreadable", "The address cannot be opened: is a key missing?"

    class Conversion(models.TextChoices):
        DIRECT = "DIRECT", "By the mail's link"
        ASSISTED = "ASSISTED", "Within 14 days, without the link"

    reminder = models.ForeignKey(Reminder, on_delete=models.PROTECT, related_name="sends")
    period = models.DateField()
    step = models.PositiveSmallIntegerField(choices=Step)
    state = models.CharField(max_length=12, choices=State, default=State.PLANNED)
    reason = models.CharField(max_length=40, blank=True, default="")
    rid = models.UUIDField(default=codes.new_id, unique=True, editable=False)
    person = LookupHashField(of="reminder__email")
    due_at = models.DateTimeField(help_text="The moment that was promised.")
    ready_at = models.DateTimeField(
        help_text="When it is looked at: later than promised if that was at night."
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    handed_on = models.DateField(
        null=True, blank=True, help_text="The UTC day on which it went to the outbox."
    )
    handovers = models.PositiveSmallIntegerField(default=0)
    begun_at = models.DateTimeField(
        null=True, blank=True, help_text="When the reader first pressed Continue after coming from this mail."
    )
    conversion = models.CharField(max_length=8, choices=Conversion, blank=True, default="")
    converted_at = models.DateTimeField(null=True, blank=True)
    value_minor = models.BigIntegerField(null=True, blank=True)
    value_currency = models.CharField(max_length=3, blank=True, default="")
    contribution_id = models.BigIntegerField(null=True, blank=True, unique=True)

    class Meta:
        ordering = ["due_at", "pk"]
        constraints = [
            UniqueConstraint(fields=["reminder", "period", "step"], name="send_once_per_period_and_step"),
            # Two dispatchers that handle two reminders of one person at once: the second is turned back.
            UniqueConstraint(
                fields=["person", "handed_on"],
                condition=Q(handed_on__isnull=False),
                name="send_once_per_person_and_day",
            ),
            CheckConstraint(
                condition=Q(
                    state__in=[
                        "PLANNED",
                        "HANDED_OVER",
                        "SENT",
                        "FAILED",
                        "SUPPRESSED",
                        "HELD_OUT",
                        "EXPIRED",
                    ]
                ),
                name="send_state_known",
            ),
            CheckConstraint(condition=Q(step__in=[1, 2, 3]), name="send_step_known"),
            CheckConstraint(
                condition=~Q(state__in=["SUPPRESSED", "FAILED"]) | ~Q(reason=""), name="send_says_why_not"
            ),
            CheckConstraint(
                condition=Q(state="PLANNED", decided_at=None)
                | (~Q(state="PLANNED") & Q(decided_at__isnull=False)),
                name="send_decided_iff_not_planned",
            ),
            CheckConstraint(
                condition=~Q(state__in=["HANDED_OVER", "SENT"]) | Q(handed_on__isnull=False),
                name="send_handed_has_a_day",
            ),
            CheckConstraint(
                condition=Q(conversion="", converted_at=None, value_minor=None, contribution_id=None)
                | (~Q(conversion="") & Q(converted_at__isnull=False, value_minor__gt=0)),
                name="send_conversion_is_whole",
            ),
        ]
        indexes = [
            Index(fields=["ready_at", "id"], condition=Q(state="PLANNED"), name="send_planned"),
            Index(fields=["id"], condition=Q(state="HANDED_OVER"), name="send_handed_over"),
            Index(fields=["person", "decided_at"], name="send_of_person"),
            Index(fields=["reminder"], condition=~Q(conversion=""), name="send_converted"),
        ]

    def __str__(self) -> str:
        return f"Send {self.pk}"

    @property
    def dedup_key(self) -> str:
        return dedup_key(self.pk, self.handovers)


def dedup_key(send: int, handovers: int) -> str:
    """What the outbox knows a send by; a new one for each handing over."""
    return f"reminder:{send}:{handovers}"


def send_of(key: str) -> int:
    """The primary key of the send that a `dedup_key` is about."""
    return int(key.split(":")[1])


class Unsubscription(models.Model):
    """
    Somebody who wants no reminders at all; a later sign-up counts only after they say yes by mail.

    Personal data: email_hash (keyed hash), kept so that the wish is not forgotten with the address.
    """

    email_hash = models.CharField(max_length=100, unique=True)
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"Unsubscription {self.pk}"


class TurnedAway(models.Model):
    """
    How many wishes for a reminder were not taken on a day, because too many came at once; of whom, nothing says.

    Personal data: none.
    """

    class Scope(models.TextChoices):
        NETWORK = "network", "From one network"
        ADDRESS = "address", "For one address"
        DOMAIN = "domain", "At one mail domain"

    day = models.DateField(help_text="The UTC day.")
    scope = models.CharField(max_length=8, choices=Scope)
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["-day", "scope"]
        verbose_name_plural = "turned away"
        constraints = [
            UniqueConstraint(fields=["day", "scope"], name="turned_away_once_per_day_and_scope"),
            CheckConstraint(
                condition=Q(scope__in=["network", "address", "domain"]), name="turned_away_scope_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.count} ({self.scope})"


class Switch(models.Model):
    """
    The one row with which staff hold all reminders back, and with which the house knows how far it has counted.

    Personal data: none.
    """

    is_paused = models.BooleanField(
        default=False,
        help_text="While this is on, nothing is sent. What is more than 7 days late then expires.",
    )
    gifts_counted_until = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name_plural = "switch"
        constraints = [CheckConstraint(condition=Q(pk=1), name="switch_is_one_row")]

    def __str__(self) -> str:
        return "Paused" if self.is_paused else "Running"
