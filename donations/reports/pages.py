"""The dashboard, for staff who may see reports; and files, for those who may export."""

from __future__ import annotations

from datetime import date

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST, require_safe
from rest_framework.exceptions import ValidationError

from donations.models import DigestReader
from donations.reports import dashboard, digest, exports, keys, periods
from donations.reports.serializers import QuestionInput
from members import audit, clock


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The dashboard of a month; by default of this one."""
    if not request.user.has_perm(keys.PERMISSION):
        raise PermissionDenied
    now = clock.now()
    today = periods.day_of(now)
    month = _month(request.GET.get("month", ""), today)
    found = dashboard.dashboard(month=month, currency=request.GET.get("currency"), now=now)
    context = {
        **admin.site.each_context(request),
        "title": f"Reports: {month:%B %Y}",
        "shown": found,
        "earlier": periods.add_months(month, -1),
        "later": periods.add_months(month, 1) if month < periods.month_of(today) else None,
        "is_over": found.last_day < today,
        "has_digest": DigestReader.objects.filter(account_id=request.user.pk).exists(),
        "exports": exports.names() if request.user.has_perm(exports.PERMISSION) else [],
    }
    return render(request, "reports/dashboard.html", context)


@require_POST
def switch_digest(request: HttpRequest) -> HttpResponse:
    """Whether the member of staff who asks gets the week's figures by mail."""
    account = request.user
    if not isinstance(account, User) or not account.has_perm(keys.PERMISSION):
        raise PermissionDenied
    digest.switch(account, is_wanted=request.POST.get("wanted") == "yes", now=clock.now())
    return redirect("reports")


def _month(text: str, today: date) -> date:
    """The month that was asked for, such as 2026-11; this one for anything else, and for one that has not begun."""
    try:
        wanted = date.fromisoformat(f"{text}-01")
    except ValueError:
        return periods.month_of(today)
    return min(wanted, periods.month_of(today)) if wanted.year >= 2000 else periods.month_of(today)


@require_safe
def export(request: HttpRequest, name: str, kind: str) -> FileResponse | StreamingHttpResponse:
    """Rows of the books as a file, of the days and with the filters of a report."""
    if not request.user.has_perm(exports.PERMISSION):
        raise PermissionDenied
    found = exports.get(name)
    if found is None or kind not in _TYPES:
        raise Http404
    wanted = QuestionInput(data={name: value for name, value in request.GET.items() if value})
    if not wanted.is_valid():
        raise BadRequest("These days or filters cannot be told.")
    try:
        question = wanted.question(now=clock.now())
    except ValidationError as error:
        raise BadRequest("These days or filters cannot be told.") from error
    exports.note(name, question, kind=kind, actor=audit.actor_of(request), now=question.now)
    file_name = f"{name}-{question.period.first}-{question.period.last}.{kind}"
    if kind == "xlsx":
        book = exports.as_workbook(found, question)
        return FileResponse(book, as_attachment=True, filename=file_name, content_type=_TYPES[kind])
    answer = StreamingHttpResponse(exports.as_csv(found, question), content_type=_TYPES[kind])
    answer["Content-Disposition"] = content_disposition_header(True, file_name) or "attachment"
    answer["Cache-Control"] = "no-store"
    return answer


_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
