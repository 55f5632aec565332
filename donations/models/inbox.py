"""What Stripe told us, word for word, and how far we are with it."""

from __future__ import annotations

from django.db import models
from django.db.models import CheckConstraint, Q

from members.fields import EncryptedTextField

# Types of which nearly every event is: those that each payment brings.
MANY = (
    "charge.succeeded",
    "charge.updated",
    "checkout.session.completed",
    "customer.subscription.updated",
    "invoice.created",
    "invoice.paid",
    "invoice_payment.paid",
    "payment_intent.succeeded",
)


class StripeEvent(models.Model):
    """
    One event, however often Stripe sends it. Personal data: the payload (encrypted, purged by age).

    RECEIVED → PROCESSED | IGNORED | PARKED | QUARANTINED. A parked event speaks of something that we do not
    know yet; it is woken when that arrives. A quarantined one cannot be believed or has failed too often:
    a person looks at it and replays it.
    """

    class State(models.TextChoices):
        RECEIVED = "RECEIVED", "Waits"
        PROCESSED = "PROCESSED", "Done"
        IGNORED = "IGNORED", "Not our business"
        PARKED = "PARKED", "Speaks of something unknown"
        QUARANTINED = "QUARANTINED", "Needs a person"

    stripe_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=120)
    state = models.CharField(max_length=12, choices=State, default=State.RECEIVED)
    livemode = models.BooleanField()
    api_version = models.CharField(max_length=40, blank=True)
    occurred_at = models.DateTimeField(help_text="When it happened, by Stripe's clock.")
    received_at = models.DateTimeField()
    payload = EncryptedTextField(bound_to="stripe_id", blank=True, default="")
    processed_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    waits_for = models.CharField(
        max_length=255, blank=True, help_text="The id that a parked event waits for."
    )
    problem = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-received_at", "-pk"]
        constraints = [
            CheckConstraint(
                condition=Q(state__in=["RECEIVED", "PROCESSED", "IGNORED", "PARKED", "QUARANTINED"]),
                name="stripe_event_state_known",
            ),
            CheckConstraint(
                condition=~Q(state="PROCESSED") | Q(processed_at__isnull=False), name="event_done_has_time"
            ),
        ]
        indexes = [
            models.Index(fields=["received_at"], condition=Q(state="RECEIVED"), name="stripe_event_waiting"),
            models.Index(fields=["waits_for"], condition=Q(state="PARKED"), name="stripe_event_parked"),
            models.Index(
                fields=["received_at"],
                condition=Q(state__in=["PARKED", "QUARANTINED"]),
                name="stripe_event_set_aside",
            ),
            models.Index(fields=["received_at", "id"], name="stripe_event_by_arrival"),
            models.Index(
                fields=["received_at", "id"], condition=Q(state="IGNORED"), name="stripe_event_ignored"
            ),
            models.Index(
                fields=["received_at", "id"],
                condition=Q(state="QUARANTINED"),
                name="stripe_event_quarantined",
            ),
            models.Index(
                fields=["type", "received_at", "id"],
                condition=~Q(type__in=MANY),
                name="stripe_event_of_type",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stripe_id} {self.type} {self.state}"


class ReconcileRun(models.Model):
    """
    One comparison with Stripe: since when, what was seen, what had been missed or differed. Personal data: none.
    """

    class Scope(models.TextChoices):
        EVENTS = "EVENTS", "Events that never came"
        OBJECTS = "OBJECTS", "What Stripe has beside what our books say"

    scope = models.CharField(max_length=10, choices=Scope, default=Scope.EVENTS)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    since = models.DateTimeField()
    seen = models.PositiveIntegerField(default=0)
    missed = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M} {self.missed} of {self.seen} missed"


class ReconcileFinding(models.Model):
    """Where our books and Stripe differed when they were compared, and what came of it. Personal data: none."""

    class Outcome(models.TextChoices):
        FOUND = "FOUND", "Found, nothing was done"
        REPAIRED = "REPAIRED", "Repaired"
        STILL_DIFFERS = "STILL_DIFFERS", "Still differs"
        UNKNOWN_AT_STRIPE = "UNKNOWN", "Stripe does not list it"

    run = models.ForeignKey(ReconcileRun, on_delete=models.CASCADE, related_name="findings")
    kind = models.CharField(max_length=40)
    stripe_id = models.CharField(max_length=255)
    what = models.CharField(max_length=300)
    outcome = models.CharField(max_length=14, choices=Outcome)
    found_at = models.DateTimeField()

    class Meta:
        ordering = ["-found_at", "-pk"]
        indexes = [
            models.Index(fields=["outcome", "found_at"], name="reconcile_finding_by_outcome"),
            models.Index(fields=["found_at", "id"], name="reconcile_finding_by_moment"),
            models.Index(fields=["stripe_id"], name="reconcile_finding_of_object"),
            models.Index(fields=["kind", "found_at", "id"], name="reconcile_finding_by_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.stripe_id}: {self.what}"
