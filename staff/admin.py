"""The accounts of staff, and the log of what they did."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django_otp.plugins.otp_static.models import StaticDevice

from members import audit, clock, revealing
from members.long_lists import LongList
from members.models import AuditEntry
from members.windows import Window
from staff import second_factor
from staff.models import AuthenticatorApp

# Secrets of second factors are shown once, to their owner; nobody else has any business with them.
admin.site.unregister([StaticDevice, User, Group])

_APPS = Prefetch("authenticatorapp_set", AuthenticatorApp.objects.defer("secret"))


@admin.register(User)
class StaffAdmin(UserAdmin[User]):
    """
    Accounts of staff. What somebody may do is said by roles alone.

    Only a superuser makes or touches a superuser: whoever may edit accounts could otherwise become one.
    """

    list_display = ("username", "shown_roles", "is_active", "has_second_factor", "last_login")
    list_filter = ("is_active", "groups")
    search_fields = ("username",)
    filter_horizontal = ("groups",)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("What they may do", {"fields": ("is_active", "is_staff", "groups", "is_superuser")}),
        ("Last seen", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("username", "usable_password", "password1", "password2")}),)
    readonly_fields = ("last_login", "date_joined")
    actions = ("take_second_factor",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups", _APPS)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return self.readonly_fields if request.user.is_superuser else (*self.readonly_fields, "is_superuser")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # the audit log names accounts: one that is over is made inactive

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            obj.is_staff = True  # there is nothing else to have an account for
        super().save_model(request, obj, form, change)

    @admin.display(description="Roles")
    def shown_roles(self, user: User) -> str:
        names = ["superuser"] if user.is_superuser else []
        return ", ".join([*names, *(group.name for group in user.groups.all())]) or "none"

    @admin.display(description="Second factor", boolean=True)
    def has_second_factor(self, user: User) -> bool:
        return any(app.confirmed for app in user.authenticatorapp_set.all())

    @admin.action(description="Take the second factor away (a lost phone)", permissions=["change"])
    def take_second_factor(self, request: HttpRequest, users: QuerySet[User]) -> None:
        now = clock.now()
        for user in users:
            if not self.has_change_permission(request, user):
                raise PermissionDenied
            second_factor.take_away(user)
            audit.record(
                actor=audit.actor_of(request),
                act=audit.Act.SECOND_FACTOR_TAKEN,
                subject=f"auth.user:{user.pk}",
                now=now,
            )
        self.message_user(request, "They set up another one when they next sign in.")


@admin.register(Group)
class RoleAdmin(Window, GroupAdmin):
    """What each role may do; written in the code, and the same everywhere."""


@admin.register(AuditEntry)
class AuditEntryAdmin(LongList, Window, admin.ModelAdmin[AuditEntry]):
    """Who saw and changed what."""

    list_display = ("number", "at", "shown_actor", "act", "what", "subject", "shown_person")
    list_filter = ("act",)
    exact_fields = ("actor", "subject")
    date_hierarchy = "at"
    search_help_text = "staff:7, or a row such as donations.payment:12"
    list_per_page = 50
    fields = (
        "number", "at", "actor", "act", "what", "subject", "shown_person", "facts", "shown_why", "previous", "hash",
    )  # fmt: skip

    def get_ordering(self, request: HttpRequest) -> Any:
        """As the chain goes; of a year or a day by the moment, along whose index those are found."""
        return ("-at", "-number") if self.is_of_dates(request) else ("-number",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """Of an actor or of a row: a row has its table's name with a point. Either goes along an index of its own."""
        term = search_term.strip()
        if not term:
            return queryset, False
        conditions = list(self.exactly(AuditEntry, "subject" if "." in term else "actor", term))
        return (queryset.filter(*conditions) if conditions else queryset.none()), False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> AuditEntry | None:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            found.may_see_why = revealing.may_reveal(request)  # type: ignore[attr-defined]  # for `shown_why`
        return found

    @admin.display(description="Who", ordering="actor")
    def shown_actor(self, entry: AuditEntry) -> str:
        return entry.actor

    @admin.display(description="Person")
    def shown_person(self, entry: AuditEntry) -> str:
        if entry.member_id is None:
            return ""
        there = reverse("admin:person", args=[entry.member_id])
        return format_html('<a href="{}">Member {}</a>', there, entry.member_id)

    @admin.display(description="Why")
    def shown_why(self, entry: AuditEntry) -> str:
        reason = getattr(entry, "reason", None)
        if reason is None:
            return "(forgotten)" if entry.why_digest else ""
        return (
            str(revealing.opened(reason, "text")) if getattr(entry, "may_see_why", False) else revealing.MASK
        )
