"""What a newsroom brings along: from its account at Stripe, and from files."""

from __future__ import annotations

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from donations.models.campaign import Campaign


class StripeImport(models.Model):
    """
    One import of what an account at Stripe held before us, and how far it is. Personal data: none.

    `stage` and `cursor` say where to go on: the kind of object, and the last one of Stripe's list that was dealt
    with. Each object is taken whole or not at all, and one that is in our books already is left alone: so an import
    can be killed at any time, and be run again.
    """

    class Stage(models.TextChoices):
        SUBSCRIPTIONS = "SUBSCRIPTIONS", "Subscriptions"
        INVOICES = "INVOICES", "Invoices"
        INVOICE_PAYMENTS = "INVOICE_PAYMENTS", "What paid the invoices"
        CHARGES = "CHARGES", "Charges"
        REFUNDS = "REFUNDS", "Refunds"
        DISPUTES = "DISPUTES", "Disputes"
        DONE = "DONE", "Done"

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="stripe_imports")
    livemode = models.BooleanField()
    products = models.JSONField(default=list, blank=True, help_text="Only subscriptions to these.")
    with_one_off = models.BooleanField(default=True, help_text="Whether single charges are taken as well.")
    stage = models.CharField(max_length=16, choices=Stage, default=Stage.SUBSCRIPTIONS)
    cursor = models.CharField(max_length=255, blank=True)
    counts = models.JSONField(default=dict, blank=True, help_text="By kind: looked at, taken, left out.")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at", "-pk"]
        constraints = [
            CheckConstraint(
                condition=Q(stage="DONE", finished_at__isnull=False)
                | (~Q(stage="DONE") & Q(finished_at=None)),
                name="stripe_import_finished_iff_done",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M} {self.stage}"


class StripeImportProblem(models.Model):
    """Something at Stripe that an import left out, and why. Personal data: none (Stripe's id leads to a person)."""

    run = models.ForeignKey(StripeImport, on_delete=models.CASCADE, related_name="problems")
    kind = models.CharField(max_length=40)
    stripe_id = models.CharField(max_length=255)
    code = models.CharField(max_length=40)
    what = models.CharField(max_length=300)

    class Meta:
        ordering = ["pk"]
        constraints = [
            UniqueConstraint(
                fields=["run", "kind", "stripe_id"], name="stripe_import_problem_once_per_object"
            )
        ]
        indexes = [
            models.Index(fields=["stripe_id"], name="stripe_import_problem_of"),
            models.Index(fields=["code", "id"], name="stripe_import_problem_by_code"),
            models.Index(fields=["kind", "id"], name="stripe_import_problem_by_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.stripe_id}: {self.code}"
