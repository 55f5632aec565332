"""Where staff enter gifts that did not pass through Stripe, and take back what was entered by mistake."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from donations import offline
from donations.currencies import CURRENCIES
from donations.forms import read_amount
from donations.models import Campaign, OfflineGift
from donations.money import Money
from members import addresses, clock
from members.long_lists import LongList
from members.validation import name_or_nothing
from members.windows import Window

_BY_HAND = {"reference", "note", "void_reason"}
_METHODS = [choice for choice in OfflineGift.Method.choices if choice[0] != OfflineGift.Method.FILE]


class GiftForm(forms.Form):
    """A gift as it is written on a cheque or in a bank statement."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    campaign = forms.ModelChoiceField(Campaign.objects.all())
    amount = forms.CharField(
        max_length=30,
        help_text="In digits, such as 25 or 12.50.",
        widget=forms.TextInput({"inputmode": "decimal"}),
    )
    currency = forms.ChoiceField(choices=[(code, code) for code in sorted(CURRENCIES)])
    received_on = forms.DateField(
        label="Arrived on",
        widget=forms.DateInput({"type": "date"}),
        help_text="The day on the bank statement.",
    )
    method = forms.ChoiceField(
        choices=_METHODS,
        help_text="Of a donor-advised fund the fund is the giver, and gives the papers for the tax office.",
    )
    email = forms.CharField(
        max_length=254,
        required=False,
        label="E-mail address",
        help_text="Without one there is no member and no receipt by mail.",
    )
    name = forms.CharField(max_length=100, required=False)
    reference = forms.CharField(
        max_length=100, required=False, help_text="The number of the cheque, or the text of the transfer."
    )
    note = forms.CharField(
        max_length=500, required=False, widget=forms.Textarea({"rows": 2}), help_text="For your colleagues."
    )
    with_receipt = forms.BooleanField(initial=True, required=False, label="Send the receipt by e-mail")

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).strip()
        try:
            return addresses.normalise(email) if email else ""
        except addresses.InvalidAddress as error:
            raise forms.ValidationError(str(error)) from error

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if name and not name_or_nothing(name):
            raise forms.ValidationError("Please write a name without special characters.")
        return name

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("amount") and given.get("currency"):
            try:
                amount = read_amount(given["amount"], given["currency"])
            except ValueError as error:
                self.add_error("amount", f"Write it in digits, such as 12.50: {error}.")
            else:
                if amount.minor <= 0:
                    self.add_error("amount", "It must be more than nothing.")
                given["money"] = amount
        day = given.get("received_on")
        if day and day > offline.day_of(clock.now()):
            self.add_error("received_on", "This day has not come yet.")
        return given

    def entry(self) -> offline.Entry:
        """What was entered, once the form is valid."""
        given = self.cleaned_data
        money: Money = given["money"]
        names = ("campaign", "received_on", "method", "email", "name", "reference", "note")
        return offline.Entry(amount=money, **{name: given[name] for name in names})


def _first_values() -> dict[str, Any]:
    """The newest campaign and its currency: mostly right, and seen before the button is pressed."""
    newest = Campaign.objects.filter(is_published=True).order_by("-starts_at", "pk").first()
    found = {"campaign": newest.pk, "currency": newest.default_currency} if newest else {}
    return {"key": uuid.uuid4(), **found}


class VoidForm(forms.Form):
    """Why a gift is taken back."""

    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea({"rows": 3}),
        help_text="What was wrong, for those who look at the books later. The gift's row and number stay.",
    )


@admin.register(OfflineGift)
class OfflineGiftAdmin(LongList, Window, admin.ModelAdmin[OfflineGift]):
    """Cheques, transfers, cash and funds: entered here, and voided rather than changed."""

    list_display = [
        "received_on",
        "amount",
        "method",
        "receipt_number",
        "entered_by",
        "entered_at",
        "voided_at",
    ]
    list_filter = ["method", ("voided_at", admin.EmptyFieldListFilter)]
    list_select_related = ["payment"]
    exact_fields = ("payment__receipt_number", "public_id")
    sorted_by = ("received_on", "entered_at")
    search_help_text = "The number of a receipt."
    date_hierarchy = "received_on"
    change_form_template = "admin/donations/offline_gift.html"
    fields = [
        "public_id",
        "amount",
        "method",
        "received_on",
        "receipt_number",
        "reference",
        "note",
        "entered_by",
        "entered_at",
        "voided_at",
        "voided_by",
        "void_reason",
    ]
    readonly_fields = ["amount", "receipt_number", "public_id"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("donations.record_offlinegift")

    def get_ordering(self, request: HttpRequest) -> Any:
        """As they were entered; of a year or a day as they arrived, along whose index those are found."""
        return ("-received_on", "-pk") if self.is_of_dates(request) else ("-entered_at", "-pk")

    def get_fields(self, request: HttpRequest, obj: OfflineGift | None = None) -> Any:
        """What was written by hand can name the giver: it is for those who enter and void gifts."""
        may_read = self.has_add_permission(request) or self.has_void_permission(request)
        return [name for name in self.fields or () if may_read or name not in _BY_HAND]

    def has_void_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("donations.void_offlinegift")

    def get_urls(self) -> list[URLPattern]:
        void = path(
            "<int:pk>/void/", self.admin_site.admin_view(self.void), name="donations_offlinegift_void"
        )
        return [void, *super().get_urls()]

    @admin.display(ordering="payment__amount_minor")
    def amount(self, row: OfflineGift) -> str:
        return str(row.payment.amount)

    @admin.display(description="receipt")
    def receipt_number(self, row: OfflineGift) -> str:
        return row.payment.receipt_number or ""

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form, and what it brings about."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = GiftForm(request.POST or None, initial=_first_values())
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            gift = offline.record_offline_gift(
                form.entry(),
                key=given["key"],
                with_receipt=given["with_receipt"],
                actor=f"staff:{request.user.pk}",
                now=clock.now(),
            )
            link = reverse("admin:donations_offlinegift_change", args=[gift.pk])
            messages.success(
                request,
                format_html(
                    '<a href="{}">{} of {}</a> is in the books.', link, gift.payment.amount, gift.received_on
                ),
            )
            return redirect("admin:donations_offlinegift_changelist")
        return self._page(
            request, form, title="Enter a gift that did not pass through Stripe", press="Enter the gift"
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        gift = self.get_object(request, object_id)
        can_void = gift is not None and gift.voided_at is None and self.has_void_permission(request)
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "can_void": can_void}
        )

    def void(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for the reason, and take the gift back."""
        if not self.has_void_permission(request):
            raise PermissionDenied
        gift = get_object_or_404(OfflineGift.objects.select_related("payment"), pk=pk)
        form = VoidForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                offline.void_offline_gift(
                    gift,
                    reason=form.cleaned_data["reason"],
                    actor=f"staff:{request.user.pk}",
                    now=clock.now(),
                )
                messages.success(request, "The gift is voided. It counts nowhere any more.")
            except offline.CannotVoid as error:
                messages.warning(request, str(error))
            return redirect("admin:donations_offlinegift_change", pk)
        return self._page(
            request,
            form,
            title=f"Void the gift of {gift.payment.amount} that arrived on {gift.received_on}",
            press="Void this gift",
        )

    def _page(self, request: HttpRequest, form: forms.Form, *, title: str, press: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "form": form,
            "title": title,
            "press": press,
            "list_url": "admin:donations_offlinegift_changelist",
        }
        status = 422 if form.is_bound and not form.is_valid() else 200
        return render(request, "admin/donations/form.html", context, status=status)
