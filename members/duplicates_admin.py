"""Where staff answer whether two members are one person: suggestions, what a merge brings together, and undoing it."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path

from members import addresses, clock, duplicates, merging, queries, revealing
from members.long_lists import LongList
from members.models import Mark, Member, Merge
from members.windows import Window

_SHOWN = 100


class TwoAddresses(forms.Form):
    """Two members whom a member of staff has in mind."""

    first = forms.CharField(max_length=254, label="One address")
    second = forms.CharField(max_length=254, label="The other address")

    def clean_first(self) -> Member:
        return self._member("first")

    def clean_second(self) -> Member:
        return self._member("second")

    def _member(self, name: str) -> Member:
        try:
            found = queries.get_member(str(self.cleaned_data[name]).strip())
        except addresses.InvalidAddress as error:
            raise forms.ValidationError(str(error)) from error
        if found is None:
            raise forms.ValidationError("No member has this address.")
        return found


class Answer(forms.Form):
    """What staff found."""

    why = forms.CharField(
        max_length=500, label="How do you know?", widget=forms.Textarea({"rows": 3}), help_text="Kept sealed."
    )


@admin.register(Merge)
class MergeAdmin(LongList, Window, admin.ModelAdmin[Merge]):
    """Members who were found to be one person; who said so, and whether it was taken back."""

    list_display = ["merged_at", "kept", "duplicate", "actor", "undone_at", "undone_by"]
    list_filter = [("undone_at", admin.EmptyFieldListFilter)]
    list_select_related = ["kept", "duplicate"]
    exact_fields = ("kept__public_id", "duplicate__public_id")
    sorted_by = ("merged_at",)
    date_hierarchy = "merged_at"
    change_form_template = "admin/members/merge.html"
    change_list_template = "admin/members/merges.html"
    fields = ["kept", "duplicate", "why", "actor", "merged_at", "undone_at", "undone_by"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("members.merge_member")

    def get_fields(self, request: HttpRequest, obj: Merge | None = None) -> Any:
        """Why staff merged two people is there only while that person is revealed: a reason may name them."""
        is_revealed = obj is not None and revealing.is_revealed(request, obj.kept, now=clock.now())
        return [name for name in self.fields or () if name != "why" or is_revealed]

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:one>/<uuid:other>/", wrap(self.decide), name="members_merge_decide"),
            path("<int:pk>/undo/", wrap(self.undo), name="members_merge_undo"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What is suggested, and a way to name two members oneself."""
        self._must_merge(request)
        form = TwoAddresses(request.POST or None)
        if request.method == "POST" and form.is_valid():
            first, second = form.cleaned_data["first"], form.cleaned_data["second"]
            return redirect("admin:members_merge_decide", first.public_id, second.public_id)
        found = duplicates.suggest()
        context = self._context(
            request,
            title="Members who may be one person",
            form=form,
            suggestions=[
                (one, ", ".join(Mark.Kind(kind).label.lower() for kind in one.kinds))
                for one in found[:_SHOWN]
            ],
            more=max(0, len(found) - _SHOWN),
        )
        status = 422 if form.is_bound else 200
        return render(request, "admin/members/duplicates.html", context, status=status)

    def decide(self, request: HttpRequest, one: uuid.UUID, other: uuid.UUID) -> HttpResponse:
        """What a merge would bring together; one person, or two."""
        self._must_merge(request)
        kept = get_object_or_404(Member, public_id=one)
        duplicate = get_object_or_404(Member, public_id=other)
        form = Answer(request.POST or None)
        if request.method == "POST" and form.is_valid():
            why, actor, now = form.cleaned_data["why"], f"staff:{request.user.pk}", clock.now()
            if "two" in request.POST:
                duplicates.say_two_people(kept, duplicate, why=why, actor=actor, now=now)
                messages.success(request, "They are two people, and are not suggested again.")
                return redirect("admin:members_merge_add")
            try:
                merged = merging.merge(kept, duplicate, actor=actor, why=why, now=now)
            except merging.CannotMerge as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, "They are one person now. It can be undone.")
                return redirect("admin:members_merge_change", merged.pk)
        preview, now = merging.preview(kept, duplicate), clock.now()
        context = self._context(
            request,
            title="One person, or two?",
            form=form,
            kept=kept,
            duplicate=duplicate,
            preview=preview,
            members=[
                (member, *(revealing.shown(request, member, name, now=now) for name in ("email", "name")))
                for member in preview.addresses
            ],
            rows=[
                (apps.get_model(label)._meta.verbose_name_plural, *counts)
                for label, counts in preview.rows.items()
            ],
        )
        status = 422 if form.is_bound else 200
        return render(request, "admin/members/decide.html", context, status=status)

    def undo(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, and take a merge back."""
        self._must_merge(request)
        merge = get_object_or_404(Merge, pk=pk)
        if request.method == "POST":
            try:
                was_undone = merging.undo(merge, actor=f"staff:{request.user.pk}", now=clock.now())
            except merging.CannotMerge as error:
                messages.error(request, str(error))
            else:
                if was_undone:
                    messages.success(request, "They are two people again, each with what is theirs.")
                else:
                    messages.warning(request, "It was undone before.")
            return redirect("admin:members_merge_change", pk)
        context = self._context(request, title="Undo this merge?", merge=merge)
        return render(request, "admin/members/undo.html", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        merge = self.get_object(request, object_id)
        can_undo = merge is not None and merge.undone_at is None and self.has_add_permission(request)
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "can_undo": can_undo}
        )

    def _must_merge(self, request: HttpRequest) -> None:
        if not self.has_add_permission(request):
            raise PermissionDenied

    def _context(self, request: HttpRequest, **more: Any) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, **more}
