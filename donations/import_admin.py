"""Where staff import members and gifts from files, and see what imports left out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from donations import csv_rows, file_import
from donations.models import Campaign, FileImport, StripeImport, StripeImportProblem
from members import clock
from members.long_lists import LongList, few_values
from members.windows import Window

_MOST_FAULTS, _MOST_ROWS = 200, 20


class UploadForm(forms.Form):
    """A file, and what its rows are about."""

    file = forms.FileField(
        help_text="CSV with the columns " + ", ".join(csv_rows.COLUMNS) + ". Only email is needed."
    )
    campaign = forms.ModelChoiceField(Campaign.objects.all(), help_text="For rows that name none.")
    encoding = forms.ChoiceField(
        choices=[
            (name, "UTF-8, or as the file says" if name == "auto" else name) for name in csv_rows.ENCODINGS
        ],
        required=False,
    )

    def clean_file(self) -> bytes:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > csv_rows.MOST_BYTES:
            raise forms.ValidationError(csv_rows.MESSAGES["file_too_large"])
        return bytes(file.read())


@admin.register(FileImport)
class FileImportAdmin(Window, admin.ModelAdmin[FileImport]):
    """Files of members and gifts: uploaded, looked at, and imported once that was confirmed."""

    list_display = [
        "uploaded_at",
        "uploaded_by",
        "campaign",
        "rows",
        "taken",
        "known",
        "left_out",
        "imported_at",
    ]
    list_select_related = ["campaign"]
    exclude = ["content"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("donations.import_file")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/look/", wrap(self.look), name="donations_fileimport_look"),
            path("<int:pk>/take/", wrap(require_POST(self.take)), name="donations_fileimport_take"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form; what was uploaded is looked at next."""
        self._must_import(request)
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                kept, _ = file_import.upload(
                    given["file"],
                    campaign=given["campaign"],
                    encoding=given["encoding"] or "auto",
                    actor=f"staff:{request.user.pk}",
                    now=clock.now(),
                )
                return redirect("admin:donations_fileimport_look", kept.pk)
            except csv_rows.BadFile as error:
                form.add_error("file", forms.ValidationError(str(error), error.code))
        context = {"form": form, "title": "Import members and gifts from a file", "press": "Look at the file"}
        status = 422 if form.is_bound else 200
        return render(request, "admin/donations/form.html", self._context(request, **context), status=status)

    def look(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What the file holds, before anything is stored."""
        self._must_import(request)
        kept = get_object_or_404(FileImport.objects.select_related("campaign"), pk=pk)
        try:
            found = file_import.preview(kept, now=clock.now())
        except file_import.AlreadyImported as error:
            messages.warning(request, str(error))
            return redirect("admin:donations_fileimport_changelist")
        context = self._context(
            request,
            title="What the file holds",
            file=kept,
            found=found,
            faults=found.faults[:_MOST_FAULTS],
            rows=found.new[:_MOST_ROWS],
        )
        return render(request, "admin/donations/file_preview.html", context)

    def take(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Import it."""
        self._must_import(request)
        kept = get_object_or_404(FileImport.objects.select_related("campaign"), pk=pk)
        try:
            done = file_import.take(
                kept,
                skip_bad_rows="skip_bad_rows" in request.POST,
                actor=f"staff:{request.user.pk}",
                now=clock.now(),
            )
        except file_import.HasFaults as error:
            messages.error(request, str(error))
            return redirect("admin:donations_fileimport_look", pk)
        except file_import.AlreadyImported as error:
            messages.warning(request, str(error))
        else:
            messages.success(
                request,
                f"{done.taken} rows were imported, {done.known} were here before, {done.left_out} were left out.",
            )
        return redirect("admin:donations_fileimport_changelist")

    def _must_import(self, request: HttpRequest) -> None:
        if not self.has_add_permission(request):
            raise PermissionDenied

    def _context(self, request: HttpRequest, **more: Any) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "list_url": "admin:donations_fileimport_changelist",
            **more,
        }


@admin.register(StripeImport)
class StripeImportAdmin(Window, admin.ModelAdmin[StripeImport]):
    """What was taken over from an account at Stripe, and how far that is."""

    list_display = ["started_at", "campaign", "stage", "finished_at"]
    list_select_related = ["campaign"]


@admin.register(StripeImportProblem)
class StripeImportProblemAdmin(LongList, Window, admin.ModelAdmin[StripeImportProblem]):
    """What was left out, and why."""

    list_display = ["stripe_id", "kind", "code", "what", "run"]
    list_filter = [("code", few_values()), ("kind", few_values())]
    list_select_related = ["run"]
    exact_fields = ("stripe_id",)
