"""
A window for staff: who the readers are, what they hold and which mail they got.

Nothing is added or deleted here but tiers, and addresses that bounce. Lists open no personal data; a reader is
found by the whole address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import DateTimeField, Q, QuerySet, Value
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from members import (  # noqa: F401  # duplicates_admin registers windows of its own
    addresses,
    bounces,
    clock,
    crypto,
    doorbell,
    duplicates_admin,
    emails,
    people,
    queries,
)
from members.long_lists import LongList, few_values
from members.models import (
    Bounce,
    Consent,
    DataRequest,
    Member,
    Membership,
    MembershipStep,
    Merge,
    Message,
    StaffNote,
    Tier,
    TierThreshold,
)
from members.models.message import MANY
from members.revealing import MASK, opened
from members.windows import Curtained, ForEyes, FoundByAddress, KeptWhileUsed, Window

_RARE_KINDS = few_values(
    lambda: [(kind, kind.replace("_", " ")) for kind in emails.KINDS if kind not in MANY]
)

# Of what a mail says: amounts, days and numbers. The rest can hold a name, or a link that is for its reader alone.
_IMPERSONAL = re.compile(r"receipt_number|interval|locale|tier_name|campaign_title|\w+_text|\w+_on")


def _elsewhere(message: Message) -> str:
    """What stands in the place of an address or contents that are not in the row; "" where they were forgotten."""
    return "(asked for when it is sent)" if emails.is_looked_up(message.kind) else ""


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


class MergesOfMember(ForEyes, Window, admin.TabularInline[Merge, Member]):
    """The members that staff took for the same person as this one; also what was taken back."""

    model = Merge
    fk_name = "kept"
    personal = ("shown_why",)
    verbose_name_plural = "merged into this member"
    fields = ("duplicate", "shown_why", "actor", "merged_at", "undone_at", "undone_by")
    readonly_fields = ("shown_why",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Merge]:
        rows = super().get_queryset(request).select_related("duplicate")
        return rows.defer("duplicate__email", "duplicate__name")

    @admin.display(description="Why")
    def shown_why(self, merge: Merge) -> str:
        return str(opened(merge, "why"))


@admin.register(Member)
class MemberAdmin(Curtained, FoundByAddress, LongList, Window, admin.ModelAdmin[Member]):
    """Readers, found by one of their whole e-mail addresses or by id, with all addresses of the same person."""

    list_display = ("public_id", "joined_at", "locale", "merged_into")
    list_select_related = ("merged_into",)
    date_hierarchy = "joined_at"
    sorted_by = ("joined_at",)
    ordering = ("-joined_at", "-pk")
    fields = ("public_id", "whole_story", "shown_email", "shown_name", "locale", "joined_at", "shown_others")
    inlines = (MembershipsOfMember, ConsentsOfMember, MergesOfMember)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Member]:
        rows = super().get_queryset(request)
        return rows.defer("email", "name", "merged_into__email", "merged_into__name")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Member], search_term: str
    ) -> tuple[QuerySet[Member], bool]:
        if not search_term.strip():
            return queryset, False
        found, _ = super().get_search_results(request, Member.objects.all(), search_term)
        one = found.values_list("pk", flat=True).first()
        return (queryset.none() if one is None else queryset.filter(pk__in=people.members_of(one))), False

    @admin.display(description="E-mail")
    def shown_email(self, member: Member) -> str:
        return self.shown(member, "email")  # type: ignore[no-any-return]  # text, or a mask with a link

    @admin.display(description="Name")
    def shown_name(self, member: Member) -> str:
        return self.shown(member, "name")  # type: ignore[no-any-return]  # text, or a mask with a link

    @admin.display(description="Other addresses of this person")
    def shown_others(self, member: Member) -> str:
        others = people.members_of(member.pk).exclude(pk=member.pk).order_by("pk")
        rows = [
            (
                reverse("admin:members_member_change", args=[other.pk]),
                str(other),
                "" if other.merged_into_id else " (the one that we write to)",
            )
            for other in others
        ]
        return format_html_join(", ", '<a href="{}">{}</a>{}', rows) if rows else "None"

    @admin.display(description="Everything about this person")
    def whole_story(self, member: Member) -> str:
        there = reverse("admin:person", args=[member.pk])
        return format_html('<a href="{}">Their page</a>, with what can be done for them', there)


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


class NotesOfMembership(ForEyes, Window, admin.TabularInline[StaffNote, Membership]):
    model = StaffNote
    fields = ("written_at", "actor", "shown_text")
    readonly_fields = ("shown_text",)
    personal = ("shown_text",)

    @admin.display(description="Note")
    def shown_text(self, note: StaffNote) -> str:
        return str(opened(note, "text"))


@admin.register(Membership)
class MembershipAdmin(LongList, Window, admin.ModelAdmin[Membership]):
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
    list_filter = ("source_kind", "tier")
    date_hierarchy = "started_at"
    sorted_by = ("started_at",)
    list_select_related = ("member", "tier")
    ordering = ("-started_at", "-pk")
    exact_fields = ("source_reference",)
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

    def exactly(self, model: Any, name: str, term: str) -> Iterator[Q]:
        for condition in super().exactly(model, name, term):
            yield condition & Q(source_kind__in=Membership.Source.values)  # so that the UNIQUE index serves

    @admin.display(description="State")
    def shown_state(self, membership: Membership) -> str:
        moment: datetime = membership.looked_at  # type: ignore[attr-defined]  # from get_queryset
        return str(membership.state_at(moment).label)


class ThresholdsOfTier(admin.TabularInline[TierThreshold, Tier]):
    model = TierThreshold
    extra = 1


@admin.register(Tier)
class TierAdmin(KeptWhileUsed, admin.ModelAdmin[Tier]):
    """The levels of membership, and from which yearly amount on each is reached."""

    list_display = ("name", "slug", "position")
    inlines = (ThresholdsOfTier,)

    def is_used(self, row: Tier) -> bool:
        return any(model._default_manager.filter(tier=row).exists() for model in (Membership, MembershipStep))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        doorbell.ring("members.tasks.follow_tiers")  # once all of it is committed


@admin.register(Message)
class MessageAdmin(Curtained, FoundByAddress, LongList, Window, admin.ModelAdmin[Message]):
    """The mail that we owe or sent."""

    hash_column = "recipient_hash"
    actions = ("note_bounces",)

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
    list_filter = ("state", ("kind", _RARE_KINDS))
    ordering = ("-pk",)  # as they were owed, without an index on the moment
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

    @admin.action(description="The addresses of these bounce: send them no reminders", permissions=["bounce"])
    def note_bounces(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        now, noted = clock.now(), 0
        for message in queryset:
            try:
                bounces.note(
                    email=message.recipient, kind=Bounce.Kind.HARD, source=Bounce.Source.STAFF, now=now
                )
            except (addresses.InvalidAddress, crypto.Unreadable):
                continue  # forgotten by now, or its key is missing
            noted += 1
        self.message_user(
            request, f"{noted} of {queryset.count()} addresses get no reminders any more.", messages.INFO
        )

    def has_bounce_permission(self, request: HttpRequest) -> bool:
        """Looking is not enough."""
        return request.user.has_perm("members.add_bounce")

    @admin.display(description="Recipient")
    def shown_recipient(self, message: Message) -> str:
        return _elsewhere(message) or self.shown(message, "recipient")

    @admin.display(description="Contents")
    def shown_context(self, message: Message) -> str:
        context = opened(message, "context") or _elsewhere(message)
        if not isinstance(context, dict):
            return str(context)
        is_shown = self.is_shown(message)
        return "\n".join(
            f"{key}: {value if is_shown or _IMPERSONAL.fullmatch(key) else MASK}"
            for key, value in sorted(context.items())
        )


class BounceForm(forms.ModelForm[Bounce]):
    """The address is typed to be hashed; it is stored nowhere."""

    email = forms.CharField(label="E-mail address", max_length=254)

    class Meta:
        model = Bounce
        fields = ("kind",)

    def clean_email(self) -> str:
        try:
            return addresses.normalise(self.cleaned_data["email"])
        except addresses.InvalidAddress as error:
            raise forms.ValidationError(str(error)) from error


@admin.register(DataRequest)
class DataRequestAdmin(LongList, Window, admin.ModelAdmin[DataRequest]):
    """What readers asked about their own data, and how far it is; the answers themselves nobody sees here."""

    list_display = ("public_id", "kind", "state", "asked_at", "asked_by", "problem", "done_at")
    list_filter = ("kind", "state")
    sorted_by = ("asked_at",)
    ordering = ("-asked_at", "-pk")
    fields = (
        "public_id",
        "kind",
        "member",
        "state",
        "stop_giving",
        "asked_at",
        "asked_by",
        "steps",
        "problem",
        "attempts",
        "next_look_at",
        "done_at",
        "expires_at",
    )


@admin.register(Bounce)
class BounceAdmin(FoundByAddress, LongList, admin.ModelAdmin[Bounce]):
    """
    Addresses that get no reminders, because a mail to them came back or was called spam; which, nobody can see.

    Staff can put one in, and take one out when its reader says that it works again.
    """

    form = BounceForm
    fields = ("email", "kind")
    list_display = ("since", "kind", "source")
    list_filter = ("kind", "source")
    ordering = ("-pk",)
    search_fields = ("pk",)
    search_help_text = "A whole e-mail address"

    def has_change_permission(self, request: HttpRequest, obj: Bounce | None = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Bounce | None = None) -> Any:
        return self.fields if obj is None else ("since", "kind", "source")

    def save_model(self, request: HttpRequest, obj: Bounce, form: Any, change: bool) -> None:
        email, kind = form.cleaned_data["email"], Bounce.Kind(form.cleaned_data["kind"])
        bounces.note(email=email, kind=kind, source=Bounce.Source.STAFF, now=clock.now())
        obj.pk = Bounce.objects.get(email_hash=crypto.lookup_hash(addresses.identity(email))).pk

    def _by_id(self, queryset: QuerySet[Bounce], term: str) -> QuerySet[Bounce]:
        return queryset.none()
