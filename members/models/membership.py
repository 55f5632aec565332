"""The right to be called a member, and the history of how it came and went."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, NoReturn

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from members.fields import EncryptedTextField
from members.models.person import Member
from members.models.standing import Standing
from members.models.tier import CURRENCY, Tier


class Membership(Standing):
    """
    The right to be called a member, from one source.

    It stands as its last step says; only `services` writes it. Its history is in its steps. `told` is a fingerprint
    of what the ledger said last: the same again changes nothing.

    Personal data: none (it points to a member).
    """

    class Source(models.TextChoices):
        CONTRIBUTION = "CONTRIBUTION", "Recurring contribution"
        GIFT = "GIFT", "Gifts that were given once"
        COMPLIMENTARY = "COMPLIMENTARY", "Given by staff"

    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="memberships")
    source_kind = models.CharField(max_length=20, choices=Source)
    source_reference = models.CharField(max_length=100)
    tier = models.ForeignKey(  # as in Standing; the index below has it in front
        Tier, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    currency = models.CharField(max_length=3, blank=True)
    started_at = models.DateTimeField()
    resumes_at = models.DateTimeField(null=True, blank=True, help_text="When a pause is to end.")
    next_try_at = models.DateTimeField(
        null=True, blank=True, help_text="When a payment that failed is tried again."
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    told = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        permissions = [("give_membership", "Can give and end complimentary memberships")]
        constraints = [
            UniqueConstraint(fields=["source_kind", "source_reference"], name="membership_once_per_source"),
            UniqueConstraint(
                fields=["member"],
                condition=Q(source_kind="COMPLIMENTARY", ended_at=None),
                name="membership_complimentary_runs_once",
            ),
            CheckConstraint(
                condition=Q(source_kind__in=["CONTRIBUTION", "GIFT", "COMPLIMENTARY"]),
                name="membership_source_is_known",
            ),
            CheckConstraint(condition=Q(annual_minor__gte=0), name="membership_amount_not_negative"),
            CheckConstraint(
                condition=Q(source_kind="COMPLIMENTARY", currency="", annual_minor=0)
                | (~Q(source_kind="COMPLIMENTARY") & Q(currency__regex=CURRENCY)),
                name="membership_has_a_currency_iff_paid",
            ),
            CheckConstraint(
                condition=Q(ends_at=None, ends_as="")
                | Q(ends_at__isnull=False, ends_as__in=["ENDED", "LAPSED"]),
                name="membership_ends_somehow",
            ),
            CheckConstraint(
                condition=~Q(source_kind="COMPLIMENTARY") | Q(ends_at__isnull=False),
                name="membership_complimentary_has_an_end",
            ),
            CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at=F("ends_at")), name="membership_ended_when_it_should"
            ),
        ]
        indexes = [
            Index(
                fields=["ends_at"],
                name="membership_to_end",
                condition=Q(ended_at=None, ends_at__isnull=False),
            ),
            Index(fields=["started_at", "id"], name="membership_by_start"),
            Index(fields=["source_kind", "started_at", "id"], name="membership_by_source"),
            Index(fields=["tier", "started_at", "id"], name="membership_by_tier"),
        ]

    def __str__(self) -> str:
        return f"Membership {self.pk}"

    @property
    def is_complimentary(self) -> bool:
        return self.source_kind == self.Source.COMPLIMENTARY


class StaffNote(models.Model):
    """
    Why staff gave or ended a membership, in their own words. It can be deleted, unlike the step that it goes with.

    Personal data: text (encrypted), since people write names into notes.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    membership = models.ForeignKey(Membership, on_delete=models.PROTECT, related_name="notes")
    text = EncryptedTextField(bound_to="public_id")
    actor = models.CharField(max_length=60, help_text="An account of staff, such as staff:7.")
    written_at = models.DateTimeField()

    class Meta:
        ordering = ["written_at", "pk"]

    def __str__(self) -> str:
        return f"Note {self.pk}"


class AppendOnly(Exception):
    """History is added to, never changed and never taken away."""


class StepQuerySet(models.QuerySet["MembershipStep"]):
    """The steps, with the question that matters: which of them count."""

    def effective(self, known_at: datetime | None = None) -> StepQuerySet:
        """
        Those that were not taken back.

        :param known_at: as it was known at that moment: without what was recorded or taken back later.
        """
        steps = self.exclude(kind=MembershipStep.Kind.TAKEN_BACK)
        if known_at is None:
            return steps.filter(taken_back_by=None)
        taken_back_later = Q(taken_back_by=None) | Q(taken_back_by__recorded_at__gt=known_at)
        return steps.filter(taken_back_later, recorded_at__lte=known_at)

    def all_effective(self, known_at: datetime | None = None) -> StepQuerySet:
        """
        The same, for whoever reads the steps of everybody.

        Of a join with what takes a step back PostgreSQL expects one row, and chooses ways of going on that take hours
        where there are millions; of a step that nothing takes back it does not.
        """
        back = MembershipStep.objects.filter(takes_back=models.OuterRef("pk"))
        if known_at is None:
            return self.exclude(kind=MembershipStep.Kind.TAKEN_BACK).exclude(models.Exists(back))
        known = self.exclude(kind=MembershipStep.Kind.TAKEN_BACK).filter(recorded_at__lte=known_at)
        return known.exclude(models.Exists(back.filter(recorded_at__lte=known_at)))

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly("The steps of a membership are never changed.")

    def delete(self) -> NoReturn:
        raise AppendOnly("The steps of a membership are never deleted.")


class MembershipStep(Standing):
    """
    One thing that happened in the life of a membership, and how it stood afterwards. Append only.

    What turns out not to have happened is not removed: another step takes it back. The database itself refuses
    to change or delete a step (a trigger, migration 0004).

    Personal data: none (`actor` names a system, or a member of staff by id).
    """

    class Kind(models.TextChoices):
        STARTED = "STARTED", "Started"
        RENEWED = "RENEWED", "Renewed"
        AMOUNT_CHANGED = "AMOUNT_CHANGED", "Amount changed"
        TIER_CHANGED = "TIER_CHANGED", "Tier changed"
        PAST_DUE = "PAST_DUE", "A payment failed"
        RECOVERED = "RECOVERED", "Recovered"
        PAUSED = "PAUSED", "Paused"
        RESUMED = "RESUMED", "Resumed"
        CANCELLED = "CANCELLED", "Asked to leave"
        CANCELLATION_WITHDRAWN = "CANCELLATION_WITHDRAWN", "Stays after all"
        GIVEN_BACK = "GIVEN_BACK", "Money given back"
        COMPLIMENTARY_GIVEN = "COMPLIMENTARY_GIVEN", "Given by staff"
        LAPSED = "LAPSED", "Lapsed"
        ENDED = "ENDED", "Ended"
        TAKEN_BACK = "TAKEN_BACK", "An earlier entry was wrong"

    membership = models.ForeignKey(Membership, on_delete=models.PROTECT, related_name="steps")
    kind = models.CharField(max_length=24, choices=Kind)
    reference = models.CharField(max_length=255)
    edition = models.PositiveSmallIntegerField(default=1, help_text="Counts the times that it was recorded.")
    at = models.DateTimeField(help_text="When it happened, not when we heard of it.")
    place = models.PositiveSmallIntegerField(default=0, help_text="Its place among those of the same moment.")
    recorded_at = models.DateTimeField()
    why = models.CharField(max_length=200)
    actor = models.CharField(max_length=60)
    takes_back = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="taken_back_by"
    )

    objects = StepQuerySet.as_manager()

    class Meta:
        ordering = ["at", "place", "id"]
        constraints = [
            UniqueConstraint(
                fields=["membership", "kind", "reference", "edition"], name="membership_step_recorded_once"
            ),
            CheckConstraint(
                condition=Q(kind="TAKEN_BACK", takes_back__isnull=False)
                | (~Q(kind="TAKEN_BACK") & Q(takes_back=None)),
                name="membership_step_takes_back_iff_so_called",
            ),
        ]
        indexes = [Index(fields=["membership", "at"], name="membership_step_by_moment")]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"

    @property
    def is_complimentary(self) -> bool:
        return self.membership.is_complimentary

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly("The steps of a membership are never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("The steps of a membership are never deleted.")
