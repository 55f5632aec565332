"""What a reader (or somebody for them) asked to change about a contribution, and how it ended."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from donations.models.contribution import Contribution

UNDO_FOR = timedelta(hours=24)


class ContributionChange(models.Model):
    """
    One change that somebody asked for. Personal data: none.

    Written down before Stripe is asked, and never changed after that but for what became of it: ASKED → TAKEN (Stripe
    said yes) → CONFIRMED (Stripe's event brought it into the books), or REFUSED, or UNCLEAR (no answer came; if an
    event tells of it after all, it is CONFIRMED). Of one contribution only one is ASKED at a time. `SubscriptionChange`
    holds what happened at Stripe, whoever brought it about; this holds who wanted it.
    """

    class Kind(models.TextChoices):
        AMOUNT = "AMOUNT", "Amount"
        INTERVAL = "INTERVAL", "Interval"
        FEE_COVER = "FEE_COVER", "Fee cover"
        PAUSE = "PAUSE", "Pause"
        RESUME = "RESUME", "Go on after a pause"
        STOP = "STOP", "Stop"
        KEEP = "KEEP", "Go on after all"
        ONE_TIME = "ONE_TIME", "Meant to give once"
        CARD = "CARD", "Another card"
        WITHDRAWAL = "WITHDRAWAL", "Withdrawal from the contract"

    TERMS = (Kind.AMOUNT, Kind.INTERVAL, Kind.FEE_COVER)

    class State(models.TextChoices):
        ASKED = "ASKED", "Stripe is being asked"
        TAKEN = "TAKEN", "Stripe said yes"
        CONFIRMED = "CONFIRMED", "Confirmed by Stripe's event"
        REFUSED = "REFUSED", "Refused; all is as it was"
        UNCLEAR = "UNCLEAR", "Stripe did not answer"
        OVERTAKEN = "OVERTAKEN", "Something else took its place"

    class Reason(models.TextChoices):
        TOO_EXPENSIVE = "too_expensive", "I cannot afford it at the moment"
        SELDOM_READ = "seldom_read", "I seldom read it"
        COVERAGE = "coverage", "I am not content with the reporting"
        ELSEWHERE = "elsewhere", "I support others now"
        PAYMENT = "payment", "There was trouble with payments"
        SAFETY = "safety", "It is not safe for me"
        OTHER = "other", "Another reason"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    contribution = models.ForeignKey(Contribution, on_delete=models.PROTECT, related_name="changes")
    kind = models.CharField(max_length=12, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.ASKED)
    before: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        default=dict, help_text="How it stood."
    )
    after: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        default=dict, help_text="How it was to be."
    )
    actor = models.CharField(
        max_length=60,
        help_text="“reader” (signed in), “link” (of a mail), “stripe”, or “staff:” and a number.",
    )
    reason = models.CharField(
        max_length=20, blank=True, choices=Reason, help_text="Why it was stopped, if the reader said so."
    )
    instead_of_stopping = models.BooleanField(
        default=False, help_text="Whether it was chosen on the page on which contributions are stopped."
    )
    once = models.CharField(
        max_length=100, blank=True, help_text="Names one pressing of one button, or one link."
    )
    undoes = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by"
    )
    asked_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True, help_text="When its end was known.")
    problem = models.CharField(max_length=60, blank=True, help_text="The code with which it was refused.")

    class Meta:
        ordering = ["-asked_at", "-pk"]
        constraints = [
            UniqueConstraint(
                fields=["contribution"], condition=Q(state="ASKED"), name="contribution_change_one_at_a_time"
            ),
            UniqueConstraint(
                fields=["contribution", "once"],
                condition=~Q(once="") & ~Q(state__in=["REFUSED", "UNCLEAR"]),
                name="contribution_change_once",
            ),
            UniqueConstraint(
                fields=["undoes"],
                condition=Q(undoes__isnull=False) & ~Q(state__in=["REFUSED", "UNCLEAR", "OVERTAKEN"]),
                name="contribution_change_undone_once",
            ),
            CheckConstraint(
                condition=Q(state__in=["ASKED", "TAKEN", "CONFIRMED", "REFUSED", "UNCLEAR", "OVERTAKEN"]),
                name="contribution_change_state_known",
            ),
            CheckConstraint(
                condition=Q(state__in=["ASKED", "TAKEN", "UNCLEAR"], settled_at=None)
                | (~Q(state__in=["ASKED", "TAKEN", "UNCLEAR"]) & Q(settled_at__isnull=False)),
                name="contribution_change_settled_at_iff_settled",
            ),
            CheckConstraint(
                condition=Q(kind="STOP") | Q(reason=""), name="contribution_change_reason_of_a_stop"
            ),
        ]
        indexes = [
            models.Index(
                fields=["asked_at"],
                condition=Q(state__in=["ASKED", "TAKEN", "UNCLEAR"]),
                name="contribution_change_unsettled",
            ),
            models.Index(fields=["asked_at", "id"], name="contribution_change_by_moment"),
            models.Index(fields=["kind", "asked_at", "id"], name="contribution_change_by_kind"),
            models.Index(fields=["state", "asked_at", "id"], name="contribution_change_by_state"),
            models.Index(
                fields=["asked_at", "id"],
                condition=Q(instead_of_stopping=True),
                name="contribution_change_saves",
            ),
            models.Index(
                fields=["reason", "asked_at", "id"],
                condition=~Q(reason=""),
                name="contribution_change_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of contribution {self.contribution_id} {self.state}"

    @property
    def undo_until(self) -> datetime:
        """Until when it can be undone by a press of a button in its mail."""
        return self.asked_at + UNDO_FOR


class Withdrawal(models.Model):
    """
    A reader withdrew from the contract within the days that a law gives. Personal data: none.

    It takes effect when it is declared. What follows is a task's work, which can stop anywhere and be resumed: the
    subscription ends at Stripe, each payment goes back, and when the books say that all of it did, it is closed.
    """

    contribution = models.OneToOneField(Contribution, on_delete=models.PROTECT, related_name="withdrawal")
    declared_at = models.DateTimeField()
    actor = models.CharField(max_length=60)
    place = models.CharField(max_length=60, help_text="Whose rule it was declared under.")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When Stripe was told to end it.")
    returned_at = models.DateTimeField(
        null=True, blank=True, help_text="When Stripe was told to give everything back."
    )
    closed_at = models.DateTimeField(null=True, blank=True, help_text="When the books said that all is back.")
    next_try_at = models.DateTimeField(null=True, blank=True, db_index=True)
    problem = models.CharField(
        max_length=60, blank=True, help_text="What stands in the way; people have to look."
    )

    class Meta:
        ordering = ["-declared_at", "-pk"]
        constraints = [
            CheckConstraint(
                condition=Q(closed_at=None) | Q(next_try_at=None), name="withdrawal_closed_needs_no_try"
            )
        ]
        indexes = [
            models.Index(fields=["declared_at", "id"], name="withdrawal_by_moment"),
            models.Index(fields=["place", "declared_at", "id"], name="withdrawal_by_place"),
            models.Index(
                fields=["problem", "declared_at", "id"],
                condition=~Q(problem=""),
                name="withdrawal_with_problem",
            ),
            models.Index(fields=["declared_at", "id"], condition=Q(closed_at=None), name="withdrawal_open"),
        ]

    def __str__(self) -> str:
        return f"Withdrawal from contribution {self.contribution_id}"
