"""
The editor of appeals: amounts as people write them, a few ways to format a text, a preview, and who changed what.

The rules are the model's (`Ask.clean`); the page says the same while somebody types (campaigns/editor.js).
"""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from donations import appeals, campaign_history, currencies, formatting, pages
from donations.forms import read_amount, typed
from donations.models import Ask, Campaign, CampaignChange
from donations.money import Money
from members import clock
from members.windows import Window

_SHOWN = 30
_MISPLACED_COMMA = re.compile(r",(?=\S)")
_PARTS = re.compile(r"[,;\s]+")


class BadAmount(ValueError):
    """What was typed is no amount; the message is for the editor."""


def read_amounts(text: str, currency: str) -> list[int]:
    """
    A list of amounts as people write it, in minor units. Raises BadAmount, saying which one is wrong.

    A comma parts amounts and must be followed by a space: nobody can know what "5,10" means.

    >>> read_amounts("5, 10, 25.50", "USD")
    [500, 1000, 2550]
    """
    if _MISPLACED_COMMA.search(text.strip()):
        raise BadAmount("Write a space after each comma, and a point before decimals: 5, 10, 25.50.")
    return [_one(part, currency) for part in _PARTS.split(text.strip()) if part]


def _one(text: str, currency: str) -> int:
    try:
        return read_amount(text, currency).minor
    except ValueError as error:
        raise BadAmount(
            f"“{text[:20]}” cannot be read: {error}. Write digits, such as 5 or 25.50."
        ) from error


class SuggestionForm(forms.ModelForm[Any]):
    """What is suggested in one currency and interval, in major units."""

    currency = forms.ChoiceField(choices=[(code, code) for code in sorted(currencies.CURRENCIES)])
    suggested = forms.CharField(
        label="Amounts", max_length=200, help_text="5, 10, 25.50", widget=forms.TextInput({"size": 24})
    )
    default_minor = forms.CharField(label="Default", max_length=20, widget=forms.TextInput({"size": 8}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            currency = self.instance.currency
            self.initial["suggested"] = ", ".join(
                typed(Money(minor, currency)) for minor in self.instance.suggested
            )
            for name in self._amounts():
                minor = getattr(self.instance, name)
                self.initial[name] = "" if minor is None else typed(Money(minor, currency))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        currency = given.get("currency")
        if not currency:
            return given
        for name in ("suggested", *self._amounts()):
            text = given.get(name)
            if text is None:
                continue
            try:
                if name == "suggested":
                    given[name] = read_amounts(text, currency)
                else:
                    given[name] = _one(text, currency) if text else None
            except BadAmount as error:
                self.add_error(name, str(error))
        return given

    def _amounts(self) -> list[str]:
        """The fields that hold one amount."""
        return [name for name in self.fields if name.endswith("_minor")]

    def _post_clean(self) -> None:
        """The model's own rules speak of amounts; they are asked once there are some."""
        if not self.errors:
            super()._post_clean()  # type: ignore[misc]  # the stubs do not know it


class AskForm(SuggestionForm):
    """What a campaign asks for in one currency and interval, and the limits of it."""

    minimum_minor = forms.CharField(label="Minimum", max_length=20, widget=forms.TextInput({"size": 8}))
    maximum_minor = forms.CharField(
        label="Maximum", max_length=20, required=False, widget=forms.TextInput({"size": 8})
    )

    class Meta:
        model = Ask
        fields = ["currency", "interval", "suggested", "default_minor", "minimum_minor", "maximum_minor"]


class AskInline(admin.TabularInline[Ask, Campaign]):
    """Amounts, in major units."""

    model = Ask
    form = AskForm
    extra = 0


class CampaignForm(forms.ModelForm[Campaign]):
    """An appeal; its goal in major units of its currency."""

    default_currency = forms.ChoiceField(choices=[(code, code) for code in sorted(currencies.CURRENCIES)])
    goal_minor = forms.CharField(
        label="Goal", required=False, max_length=20, help_text="In the default currency, such as 50000."
    )

    class Meta:
        model = Campaign
        exclude = ()  # noqa: DJ006  # the admin says which
        help_texts = {
            "message": "An empty line begins a new paragraph. *Emphasis* stands between asterisks, and a link is "
            "written [like this](https://paper.example). Nothing else is formatted.",
            "thank_you": "Shown when a gift has arrived; written like the message.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and self.instance.goal is not None:
            self.initial["goal_minor"] = typed(self.instance.goal)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        text, currency = given.get("goal_minor"), given.get("default_currency")
        if "goal_minor" in given:
            given["goal_minor"] = None
            if text and currency:
                try:
                    given["goal_minor"] = _one(text, currency)
                except BadAmount as error:
                    self.add_error("goal_minor", str(error))
        for name in ("message", "thank_you"):
            for url in formatting.bad_links(given.get(name) or ""):
                self.add_error(name, f"A link has to begin with https:// or http://: {url[:80]}")
        return given


@admin.register(Campaign)
class CampaignAdmin(admin.ModelAdmin[Campaign]):
    """Appeals, with the amounts that they suggest."""

    form = CampaignForm
    list_display = ["slug", "title", "locale", "starts_at", "ends_at", "is_published"]
    list_filter = ["is_published", "locale"]
    search_fields = ["slug", "title"]
    prepopulated_fields = {"slug": ["title"]}
    readonly_fields = ["recent_changes"]
    inlines = [AskInline]
    change_form_template = "admin/donations/campaign.html"

    class Media:
        js = ["campaigns/editor.js"]
        css = {"all": ["campaigns/editor.css"]}

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        return (
            obj is not None and super().has_delete_permission(request, obj) and not obj.contributions.exists()
        )

    def get_urls(self) -> list[URLPattern]:
        look = path(
            "<int:pk>/preview/", self.admin_site.admin_view(self.preview), name="donations_campaign_preview"
        )
        return [look, *super().get_urls()]

    def preview(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The support page as it would be, for those who may see campaigns here; nothing can be sent from it."""
        campaign = get_object_or_404(Campaign.objects.prefetch_related("asks"), pk=pk)
        if not self.has_view_permission(request, campaign):
            raise PermissionDenied
        return pages.preview(request, campaign)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        rules = {
            code: {
                "exponent": rule.exponent,
                "minimum": rule.minimum_minor,
                "maximum": rule.maximum_minor,
                "step": rule.step_minor,
            }
            for code, rule in currencies.CURRENCIES.items()
        }
        context = {**(extra_context or {}), "currency_rules": rules}
        return super().changeform_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        form.picture_before = campaign_history.picture(obj) if change else {}
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        campaign_history.note(
            form.instance, form.picture_before, actor=f"staff:{request.user.pk}", now=clock.now()
        )
        appeals.forget(form.instance.slug)

    @admin.display(description="Changes")
    def recent_changes(self, campaign: Campaign) -> SafeString | str:
        """The last ones, newest first."""
        changes = list(campaign.changes.all()[:_SHOWN])
        if not changes:
            return "None yet."
        rows = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            [
                (f"{one.at:%Y-%m-%d %H:%M}", one.actor, one.what, _short(one.before), _short(one.after))
                for one in changes
            ],
        )
        head = SafeString(
            "<tr><th>When (UTC)</th><th>Who</th><th>What</th><th>Before</th><th>After</th></tr>"
        )
        return format_html("<table><thead>{}</thead><tbody>{}</tbody></table>", head, rows)


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}…"


@admin.register(CampaignChange)
class CampaignChangeAdmin(Window, admin.ModelAdmin[CampaignChange]):
    """Who changed what about appeals, newest first."""

    list_display = ["at", "actor", "campaign", "what", "before", "after"]
    list_filter = ["campaign"]
    list_select_related = ["campaign"]
    date_hierarchy = "at"
