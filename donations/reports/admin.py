"""Keys for reports: made once, shown once, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from donations.models import DayRate, ReportKey
from donations.reports import keys
from members import clock


@admin.register(DayRate)
class DayRateAdmin(admin.ModelAdmin[DayRate]):
    """Rates that were read from a file, and those that are entered by hand."""

    list_display = ["day", "currency", "rate"]
    list_filter = ["currency"]
    date_hierarchy = "day"


@admin.register(ReportKey)
class ReportKeyAdmin(admin.ModelAdmin[ReportKey]):
    """Staff see and revoke their own keys; who may see all of them is an administrator."""

    list_display = ["purpose", "owner", "created_at", "expires_at", "last_used_on", "revoked_at"]
    list_select_related = ["owner"]
    fields = ["purpose", "expires_at"]
    actions = ["revoke"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReportKey]:
        rows = super().get_queryset(request)
        return rows if request.user.is_superuser else rows.filter(owner_id=request.user.pk)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"expires_at": clock.now() + timedelta(days=365)}

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_view_permission(self, request: HttpRequest, obj: ReportKey | None = None) -> bool:
        return self._may(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: ReportKey | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ReportKey | None = None) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: ReportKey, form: ModelForm[ReportKey], change: bool
    ) -> None:
        owner = request.user
        assert isinstance(owner, User), "only staff come here"
        made, text = keys.make(purpose=obj.purpose, owner=owner, expires_at=obj.expires_at, now=clock.now())
        obj.pk = made.pk
        messages.warning(request, f"Copy the key now; it is not shown again: {text}")

    @admin.action(description="Revoke", permissions=["view"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ReportKey]) -> None:
        revoked = sum(keys.revoke(key, now=clock.now()) for key in queryset)
        messages.success(request, f"{revoked} revoked.")

    def _may(self, request: HttpRequest) -> bool:
        return request.user.has_perm(keys.PERMISSION)
