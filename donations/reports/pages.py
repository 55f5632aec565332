"""The dashboard, for staff who may see reports; and files, for those who may export."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from rest_framework.exceptions import ValidationError

from donations.errors import ReportNotReady
from donations.models import DigestReader
from donations.reports import dashboard, digest, exports, keys, periods
from donations.reports import files as report_files
from donations.reports.catalogue import Question
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
    page = {**admin.site.each_context(request), "title": f"Reports: {month:%B %Y}"}
    try:
        found = dashboard.dashboard(month=month, currency=request.GET.get("currency"), now=now)
    except ReportNotReady:
        answer = render(request, "reports/not_ready.html", page, status=503)
        answer["Retry-After"] = "10"
        return answer
    context = {
        **page,
        "now": now,
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


@require_http_methods(["GET", "HEAD", "POST"])
def export(request: HttpRequest, name: str, kind: str) -> HttpResponseBase:
    """
    Rows of the books as a file, of the days and with the filters of a report.

    Of many rows a page says how many they are, and its button has a worker make the file.
    """
    account = _exporter(request)
    found = exports.get(name)
    if found is None or kind not in _TYPES:
        raise Http404
    asked = {key: str(value) for key, value in request.GET.items() if value}
    question = _question(asked)
    if request.method == "POST":
        return _order(request, name, kind, question, account)
    if report_files.is_large(found, question):
        context = {
            **admin.site.each_context(request),
            "title": f"Export: {name}",
            "name": name,
            "kind": kind,
            "question": question,
            "count": found.rows(question).order_by().count(),
        }
        return render(request, "reports/large.html", context)
    exports.note(name, question, kind=kind, actor=audit.actor_of(request), now=question.now)
    file_name = f"{name}-{question.period.first}-{question.period.last}.{kind}"
    if kind == "xlsx":
        book = exports.as_workbook(found, question)
        return FileResponse(book, as_attachment=True, filename=file_name, content_type=_TYPES[kind])
    return _sent(exports.as_csv(found, question), file_name)


def _order(request: HttpRequest, name: str, kind: str, question: Question, account: User) -> HttpResponseBase:
    try:
        report_files.order(name, kind, question, account=account, now=question.now)
    except report_files.TooMany:
        messages.warning(request, f"You have {report_files.MOST} files already. Each is gone after a day.")
        return redirect("files")
    exports.note(name, question, kind=kind, actor=audit.actor_of(request), now=question.now)
    return redirect("files")


@require_safe
def files(request: HttpRequest) -> HttpResponse:
    """The files that whoever asks has ordered, how far they are, and a link to each that is ready."""
    account, now = _exporter(request), clock.now()
    rows = report_files.of(account)
    context = {
        **admin.site.each_context(request),
        "title": "Exported files",
        "files": [
            (file, report_files.link_of(file, now=now) if file.state == file.State.READY else "")
            for file in rows
        ],
        "is_waiting": any(file.state in (file.State.WAITING, file.State.MAKING) for file in rows),
    }
    return render(request, "reports/files.html", context)


@require_safe
def fetch(request: HttpRequest, link: str) -> HttpResponseBase:
    """A file that is ready, for whoever ordered it. Anybody else finds nothing here."""
    account, now = _exporter(request), clock.now()
    file = report_files.find(link, account=account, now=now)
    if file is None:
        raise Http404
    exports.note(
        file.export, report_files.question_of(file), kind=file.kind, actor=audit.actor_of(request), now=now
    )
    return _sent(report_files.content_of(file), file.file_name)


def _exporter(request: HttpRequest) -> User:
    account = request.user
    if not isinstance(account, User) or not account.has_perm(exports.PERMISSION):
        raise PermissionDenied
    return account


def _question(asked: dict[str, str]) -> Question:
    wanted = QuestionInput(data=asked)
    if not wanted.is_valid():
        raise BadRequest("These days or filters cannot be told.")
    try:
        return wanted.question(now=clock.now())
    except ValidationError as error:
        raise BadRequest("These days or filters cannot be told.") from error


def _sent(content: Iterator[bytes], file_name: str) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(content, content_type=_TYPES[file_name.rpartition(".")[2]])
    answer["Content-Disposition"] = content_disposition_header(True, file_name) or "attachment"
    answer["Cache-Control"] = "no-store"
    return answer


_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
