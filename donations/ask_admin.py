"""Where editors try out ways to ask, and stop asking; and what came of it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from donations import appeals
from donations.campaign_admin import SuggestionForm
from donations.models import AskCount, AskSwitch, AskTest, AskVariant, Campaign, Contribution, VariantAsk
from members.windows import KeptWhileUsed, Window


class VariantInline(admin.StackedInline[AskVariant, AskTest]):
    """The ways to ask; amounts are on each one's own page."""

    model = AskVariant
    extra = 0
    show_change_link = True


@admin.register(AskTest)
class AskTestAdmin(KeptWhileUsed, admin.ModelAdmin[AskTest]):
    """Tests of words and amounts. Readers are divided by lot; a gift says which way it was asked for."""

    list_display = ["slug", "campaign", "position", "region", "countries", "starts_at", "ends_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign"]
    search_fields = ["slug"]
    inlines = [VariantInline]

    def is_used(self, row: AskTest) -> bool:
        return Contribution.objects.filter(variant__test=row).exists()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        appeals.forget(form.instance.campaign.slug)


class VariantAskForm(SuggestionForm):
    """What a variant suggests instead; the limits stay the campaign's."""

    class Meta:
        model = VariantAsk
        fields = ["currency", "interval", "suggested", "default_minor"]


class AmountsInline(admin.TabularInline[VariantAsk, AskVariant]):
    model = VariantAsk
    form = VariantAskForm
    extra = 0


@admin.register(AskVariant)
class AskVariantAdmin(KeptWhileUsed, admin.ModelAdmin[AskVariant]):
    """One way to ask, with its amounts."""

    list_display = ["__str__", "weight", "is_safe", "title"]
    list_filter = ["test__campaign", "is_safe"]
    list_select_related = ["test"]
    inlines = [AmountsInline]

    def is_used(self, row: AskVariant) -> bool:
        return row.contributions.exists()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        appeals.forget(form.instance.test.campaign.slug)


@admin.register(AskCount)
class AskCountAdmin(Window, admin.ModelAdmin[AskCount]):
    """How often appeals were shown and held back, where lots were drawn."""

    list_display = ["day", "campaign", "variant", "shown", "held"]
    list_filter = ["campaign"]
    list_select_related = ["campaign", "variant__test"]
    date_hierarchy = "day"


@admin.register(AskSwitch)
class AskSwitchAdmin(admin.ModelAdmin[AskSwitch]):
    """Stop all asking at once: for a day of mourning, or a mistake."""

    list_display = ["__str__"]
    fields = ["is_off"]

    def save_model(self, request: HttpRequest, obj: AskSwitch, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        for slug in Campaign.objects.values_list("slug", flat=True):
            appeals.forget(slug)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # the migration laid the one row out

    def has_delete_permission(self, request: HttpRequest, obj: AskSwitch | None = None) -> bool:
        return False
