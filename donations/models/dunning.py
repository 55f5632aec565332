"""A renewal that failed, from its first refusal to its end, and what its reader was told."""

from __future__ import annotations

from django.db import models
from django.db.models import CheckConstraint, Q

from donations.models.payment import Payment


class Dunning(models.Model):
    """
    One renewal that was refused at least once. Personal data: none.

    There is one for each such payment, also if we heard of the refusal after the money: so the share of failed
    renewals that were recovered does not depend on the order of events. `mails` counts what was handed to the
    outbox; each mail's key is made of it.
    """

    class State(models.TextChoices):
        OPEN = "OPEN", "Being tried again"
        RECOVERED = "RECOVERED", "The money came after all"
        LOST = "LOST", "It never came, and Stripe gave up"
        STOPPED = "STOPPED", "The contribution was ended meanwhile"

    payment = models.OneToOneField(Payment, on_delete=models.PROTECT, related_name="dunning")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    first_failed_at = models.DateTimeField()
    last_failed_at = models.DateTimeField()
    acted_at = models.DateTimeField(
        null=True, blank=True, help_text="When the reader last gave another card."
    )
    mails = models.PositiveSmallIntegerField(default=0, help_text="Handed to the outbox so far.")
    next_look_at = models.DateTimeField(
        null=True, blank=True, help_text="When to decide about the next mail; empty: no more mails."
    )
    quiet_because = models.CharField(
        max_length=20, blank=True, help_text="Why the last look brought no mail."
    )
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "failed renewal"
        ordering = ["-first_failed_at", "-pk"]
        constraints = [
            CheckConstraint(
                condition=Q(state__in=["OPEN", "RECOVERED", "LOST", "STOPPED"]), name="dunning_state_known"
            ),
            CheckConstraint(
                condition=Q(state="OPEN", closed_at=None) | (~Q(state="OPEN") & Q(closed_at__isnull=False)),
                name="dunning_closed_at_iff_over",
            ),
            CheckConstraint(
                condition=Q(state="OPEN") | Q(next_look_at=None), name="dunning_over_is_not_looked_at"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_look_at"],
                condition=Q(state="OPEN", next_look_at__isnull=False),
                name="dunning_to_look_at",
            ),
            models.Index(fields=["first_failed_at", "id"], name="dunning_by_beginning"),
            models.Index(fields=["state", "first_failed_at", "id"], name="dunning_by_state"),
            models.Index(
                fields=["quiet_because", "first_failed_at", "id"],
                condition=~Q(quiet_because=""),
                name="dunning_quiet",
            ),
        ]

    def __str__(self) -> str:
        return f"failed renewal {self.pk} {self.state}"
