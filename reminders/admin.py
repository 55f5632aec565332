"""
A window for staff: who asked to be reminded, each mail with what became of it and why, and one switch.

Nothing is added, deleted or sent again here. A reader who writes to us can be helped: stop their reminder.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from donations.models import Campaign
from members import clock, emails
from members.long_lists import LongList
from members.windows import Curtained, FoundByAddress, Window
from reminders import letters, services
from reminders.models import Reminder, ReminderSend, Switch, TurnedAway, Unsubscription


class SendsOfReminder(Window, admin.TabularInline[ReminderSend, Reminder]):
    model = ReminderSend
    fields = (
        "period", "step", "state", "reason", "due_at", "ready_at", "decided_at", "handovers", "begun_at",
        "conversion", "converted_at",
    )  # fmt: skip


@admin.register(Reminder)
class ReminderAdmin(Curtained, FoundByAddress, LongList, Window, admin.ModelAdmin[Reminder]):
    """Reminders with the history of their mails; found by the whole address or by id."""

    list_display = ("public_id", "kind", "state", "period", "created_at", "component", "campaign", "held_out")
    list_filter = (
        "state",
        "kind",
        "campaign",
        "held_out",
    )
    sorted_by = ("created_at",)
    list_select_related = ("campaign",)
    date_hierarchy = "created_at"
    inlines = (SendsOfReminder,)
    actions = ("stop_reminders",)
    fields = (
        "public_id", "kind", "state", "shown_email", "locale", "time_zone", "country", "campaign", "interval",
        "amount_minor", "currency", "source", "consent_version", "period", "anchor_day", "frequency_months",
        "mails_promised", "mails_without_answer", "held_out", "created_at", "confirm_by", "confirmed_at",
        "ended_at", "preview",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reminder]:
        return super().get_queryset(request).defer("email")

    @admin.display(description="Came from")
    def component(self, reminder: Reminder) -> str:
        return str(reminder.source.get("component", ""))

    @admin.display(description="E-mail")
    def shown_email(self, reminder: Reminder) -> str:
        return self.shown(reminder, "email") or "(forgotten)"

    @admin.display(description="The mail as it would read now; its links do nothing")
    def preview(self, reminder: Reminder) -> str:
        campaign = reminder.campaign or Campaign.objects.order_by("-starts_at").first()
        if campaign is None:
            return "There is no campaign."
        nobody = uuid.UUID(int=0)
        facts = letters.facts_of(reminder, rid=nobody, public_id=nobody)
        context = letters.context(letters.REMIND, facts, campaign)
        subject, text, _ = emails.write(kind=letters.REMIND, context=context, locale=reminder.locale)
        return format_html("<strong>{}</strong><pre>{}</pre>", subject, text)

    @admin.action(description="Stop these reminders (their readers asked us to)", permissions=["stop"])
    def stop_reminders(self, request: HttpRequest, queryset: QuerySet[Reminder]) -> None:
        now = clock.now()
        for reminder in queryset:
            services.cancel_by_staff(reminder=reminder, actor=f"staff:{request.user.pk}", now=now)

    def has_stop_permission(self, request: HttpRequest) -> bool:
        """Looking is not enough to stop one."""
        return request.user.has_perm("reminders.change_reminder")


@admin.register(Unsubscription)
class UnsubscriptionAdmin(LongList, Window, admin.ModelAdmin[Unsubscription]):
    """How many want no reminders; who they are, nobody can see."""

    list_display = ("pk", "since")
    ordering = ("-pk",)
    fields = ("since",)


@admin.register(TurnedAway)
class TurnedAwayAdmin(Window, admin.ModelAdmin[TurnedAway]):
    """How many wishes were not taken on a day, because too many came at once; of whom, nobody can see."""

    list_display = ("day", "scope", "count")
    list_filter = ("scope",)
    date_hierarchy = "day"


@admin.register(Switch)
class SwitchAdmin(admin.ModelAdmin[Switch]):
    """Hold all reminders back, for a day of mourning or a mistake in a text."""

    list_display = ("__str__", "gifts_counted_until")
    fields = ("is_paused",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # the migration laid the one row out

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
