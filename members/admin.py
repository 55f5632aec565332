"""
A window for staff: who the readers are, what they hold and which mail they got.

Nothing is added or deleted here but tiers. Lists open no personal data; a reader is found by
the whole address.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import DateTimeField, QuerySet, Value
from django.http import HttpRequest

from members import addresses, clock, crypto, doorbell, queries
from members.models import (
    Consent,
    Member,
    Membership,
    MembershipStep,
    Message,
    StaffNote,
    Tier,
    TierThreshold,
)
from members.windows import Window


def _opened(row: Any, field: str) -> Any:
    try:
        return getattr(row, field)
    except crypto.Unreadable:
        return "(cannot be opened: is its key missing?)"


class MembershipsOfMember(Window, admin.TabularInline[Membership, Member]):
    model = Membership
    fields = (
        "source_kind",
        "source_reference",
        "tier",
        "annual_minor",
        "currency",
        "started_at",
        "paid_through",
        "ends_at",
    )
    show_change_link = True


class ConsentsOfMember(Window, admin.TabularInline[Consent, Member]):
    model = Consent
    fields = ("purpose", "text_version", "granted_at", "withdrawn_at", "source")


@admin.register(Member)
class MemberAdmin(Window, admin.ModelAdmin[Member]):
    """Readers, found by their whole e-mail address or by id."""

    list_display = ("public_id", "joined_at", "locale")
    list_filter = ("locale",)
    ordering = ("-joined_at", "-pk")
    search_fields = ("public_id",)
    search_help_text = "A whole e-mail address, or an id"
    fields = ("public_id", "shown_email", "shown_name", "locale", "joined_at")
    inlines = (MembershipsOfMember, ConsentsOfMember)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Member]:
        return super().get_queryset(request).defer("email", "name")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Member], search_term: str
    ) -> tuple[QuerySet[Member], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            member = queries.get_member(term)
        except addresses.InvalidAddress:
            try:
                return queryset.filter(public_id=uuid.UUID(term)), False
            except ValueError:
                return queryset.none(), False
        return (queryset.filter(pk=member.pk) if member else queryset.none()), False

    @admin.display(description="E-mail")
    def shown_email(self, member: Member) -> str:
        return str(_opened(member, "email"))

    @admin.display(description="Name")
    def shown_name(self, member: Member) -> str:
        return str(_opened(member, "name"))


class StepsOfMembership(Window, admin.TabularInline[MembershipStep, Membership]):
    model = MembershipStep
    fields = (
        "at",
        "kind",
        "why",
        "actor",
        "tier",
        "annual_minor",
        "paid_through",
        "ends_at",
        "reference",
        "recorded_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[MembershipStep]:
        return super().get_queryset(request).select_related("tier")


class NotesOfMembership(Window, admin.TabularInline[StaffNote, Membership]):
    model = StaffNote
    fields = ("written_at", "actor", "shown_text")
    readonly_fields = ("shown_text",)

    @admin.display(description="Note")
    def shown_text(self, note: StaffNote) -> str:
        return str(_opened(note, "text"))


@admin.register(Membership)
class MembershipAdmin(Window, admin.ModelAdmin[Membership]):
    """The right to be called a member, and how it came and went."""

    list_display = (
        "source_reference",
        "member",
        "tier",
        "shown_state",
        "started_at",
        "paid_through",
        "ends_at",
    )
    list_filter = ("source_kind", "tier", "currency")
    list_select_related = ("member", "tier")
    ordering = ("-started_at", "-pk")
    search_fields = ("=source_reference",)
    search_help_text = "The id of a contribution"
    fields = (
        "member",
        "source_kind",
        "source_reference",
        "tier",
        "annual_minor",
        "currency",
        "shown_state",
        "started_at",
        "paid_through",
        "grace_until",
        "past_due_since",
        "next_try_at",
        "paused_at",
        "resumes_at",
        "cancelled_at",
        "ends_at",
        "ended_at",
    )
    inlines = (StepsOfMembership, NotesOfMembership)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        # The clock is read once a request, and goes with the rows.
        moment = Value(clock.now(), output_field=DateTimeField())
        rows = super().get_queryset(request).defer("member__email", "member__name")
        return rows.annotate(looked_at=moment)

    @admin.display(description="State")
    def shown_state(self, membership: Membership) -> str:
        moment: datetime = membership.looked_at  # type: ignore[attr-defined]  # from get_queryset
        return str(membership.state_at(moment).label)


class ThresholdsOfTier(admin.TabularInline[TierThreshold, Tier]):
    model = TierThreshold
    extra = 1


@admin.register(Tier)
class TierAdmin(admin.ModelAdmin[Tier]):
    """The levels of membership, and from which yearly amount on each is reached."""

    list_display = ("name", "slug", "position")
    inlines = (ThresholdsOfTier,)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        doorbell.ring("members.tasks.follow_tiers")  # once all of it is committed


@admin.register(Message)
class MessageAdmin(Window, admin.ModelAdmin[Message]):
    """The mail that we owe or sent."""

    list_display = (
        "public_id",
        "kind",
        "state",
        "owed_at",
        "sent_at",
        "attempts",
        "next_attempt_at",
        "failure_code",
    )
    list_filter = ("state", "kind", "locale")
    ordering = ("-owed_at", "-pk")
    search_fields = ("public_id",)
    search_help_text = "A whole e-mail address, or an id"
    fields = (
        "public_id",
        "kind",
        "member",
        "shown_recipient",
        "shown_context",
        "locale",
        "state",
        "owed_at",
        "sent_at",
        "attempts",
        "unsure",
        "next_attempt_at",
        "failure_code",
        "failure_reason",
        "dedup_key",
        "message_id",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return super().get_queryset(request).defer("recipient", "context")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Message], search_term: str
    ) -> tuple[QuerySet[Message], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            hashes = crypto.lookup_hashes(addresses.identity(addresses.normalise(term)))
        except addresses.InvalidAddress:
            try:
                return queryset.filter(public_id=uuid.UUID(term)), False
            except ValueError:
                return queryset.none(), False
        return queryset.filter(recipient_hash__in=hashes), False

    @admin.display(description="Recipient")
    def shown_recipient(self, message: Message) -> str:
        return str(_opened(message, "recipient"))

    @admin.display(description="Contents")
    def shown_context(self, message: Message) -> str:
        context = _opened(message, "context")
        if not isinstance(context, dict):
            return str(context)
        return "\n".join(f"{key}: {value}" for key, value in sorted(context.items()))
