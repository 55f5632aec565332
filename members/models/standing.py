"""How a membership stands: what is stored of it, and what that makes of a moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Case, F, Value, When

from members.models.tier import Tier


class MembershipState(models.TextChoices):
    """What a membership is at a moment; worked out from how it stands, stored nowhere."""

    ACTIVE = "ACTIVE", "Active"
    ENDING = "ENDING", "Asked to leave, and paid until then"
    COMPLIMENTARY = "COMPLIMENTARY", "Complimentary"
    GRACE = "GRACE", "A payment failed; counted for some days yet"
    PAUSED = "PAUSED", "Paused"
    PAST_DUE = "PAST_DUE", "A payment is late"
    LAPSED = "LAPSED", "Lost, for want of payments"
    ENDED = "ENDED", "Ended"

    @property
    def is_member(self) -> bool:
        """Whether somebody in this state may call themselves a member."""
        return self in _OF_MEMBERS


_OF_MEMBERS = frozenset(
    {
        MembershipState.ACTIVE,
        MembershipState.ENDING,
        MembershipState.COMPLIMENTARY,
        MembershipState.GRACE,
    }
)


class Standing(models.Model):
    """
    How a membership stands from one step in its life to the next: the columns of the membership (how it stands now)
    and of each step (how it stood after it). Abstract.

    Time alone moves it on between two steps, along dates that are fixed here when the step is recorded: a newsroom
    that changes its days of grace next year does not change how many members it had this year.
    """

    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    annual_minor = models.BigIntegerField()
    paid_through = models.DateTimeField()
    grace_until = models.DateTimeField(help_text="Until when it counts without a further payment.")
    past_due_since = models.DateTimeField(null=True, blank=True, help_text="When a renewal first failed.")
    lapses_at = models.DateTimeField(
        null=True, blank=True, help_text="When it is given up, if no payment comes."
    )
    paused_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True, help_text="When the end was asked for.")
    ends_at = models.DateTimeField(
        null=True, blank=True, help_text="When it ends, as far as we know, or ended."
    )
    ends_as = models.CharField(
        max_length=10,
        blank=True,
        choices=[(state, MembershipState(state).label) for state in ("ENDED", "LAPSED")],
    )

    class Meta:
        abstract = True

    @property
    def is_complimentary(self) -> bool:
        """Whether staff gave it; then nothing is paid, and nothing can be late."""
        raise NotImplementedError

    @property
    def counts_until(self) -> datetime:
        """Until when it counts if nothing more is paid: what is paid or given, not the days of grace."""
        return self.paid_through if self.ends_at is None else self.ends_at

    def state_at(self, moment: datetime) -> MembershipState:
        """What it is at that moment, from its step on and as long as no further step comes."""
        if self.ends_at is not None and self.ends_at <= moment:
            return MembershipState(self.ends_as)
        if self.is_complimentary:
            return MembershipState.COMPLIMENTARY
        running = MembershipState.ACTIVE if self.cancelled_at is None else MembershipState.ENDING
        if moment < self.paid_through:
            return running  # what is paid stays paid, whatever happened since
        if self.paused_at is not None:
            return MembershipState.PAUSED
        if moment >= self.grace_until:
            return MembershipState.PAST_DUE
        return running if self.past_due_since is None else MembershipState.GRACE


def state_at(moment: datetime, *, is_complimentary: Any) -> Case:
    """
    `Standing.state_at` in SQL, for counting without fetching: the same questions in the same order.

    :param is_complimentary: a condition, since a step has to look at its membership for that.
    """
    running = Case(
        When(cancelled_at=None, then=Value(MembershipState.ACTIVE)),
        default=Value(MembershipState.ENDING),
        output_field=models.CharField(),
    )
    return Case(
        When(ends_at__lte=moment, then=F("ends_as")),
        When(is_complimentary, then=Value(MembershipState.COMPLIMENTARY)),
        When(paid_through__gt=moment, then=running),
        When(paused_at__isnull=False, then=Value(MembershipState.PAUSED)),
        When(grace_until__lte=moment, then=Value(MembershipState.PAST_DUE)),
        When(past_due_since=None, then=running),
        default=Value(MembershipState.GRACE),
        output_field=models.CharField(),
    )


STANDING = tuple(field.attname for field in Standing._meta.local_fields)
