"""What a reader can ask about their own data on the pages of the account: to have all of it, and to have it erased."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from donations import pages
from donations.account import drawing
from donations.account.door import ReaderRequest, for_reader, show
from members import clock, data_rights
from members.models import DataRequest

Kind = DataRequest.Kind


@require_http_methods(["GET", "HEAD", "POST"])
@for_reader
def data(request: ReaderRequest) -> HttpResponse:
    """What can be done, and how far it is. The POST has everything gathered."""
    now = clock.now()
    if request.method == "POST":
        data_rights.ask_download(request.reader, now=now)
        return pages.SeeOther(reverse("account:data"))
    wishes = data_rights.get_requests(request.reader)
    files = [one for one in wishes if one.kind == Kind.DOWNLOAD]
    erasures = [one for one in wishes if one.kind == Kind.ERASE]
    shown = {
        "is_gathering": any(one.is_open for one in files),
        "files": [
            {"id": one.public_id, "made": drawing.day(one.done_at), "until": drawing.day(one.expires_at)}
            for one in files
            if data_rights.can_be_opened(one, now=now)
        ],
        "is_erasing": any(one.is_open for one in erasures),
        "was_refused": bool(erasures) and erasures[0].state == DataRequest.State.REFUSED,
    }
    return show(request, "account/data.html", shown, section="personal")


@require_safe
@for_reader
def fetch(request: ReaderRequest, public_id: UUID) -> HttpResponse:
    """The file itself, for its own reader."""
    found = data_rights.open_download(public_id, member=request.reader, now=clock.now())
    if found is None:
        raise Http404
    return as_file(found)


def as_file(found: data_rights.Download) -> HttpResponse:
    """A file to save, which no browser and no cache on the way keeps."""
    return HttpResponse(
        found.content,
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{found.name}"',
            "Cache-Control": "no-store",
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
@for_reader
def erase(request: ReaderRequest) -> HttpResponse:
    """What an erasure means, and a button that begins it once two boxes are ticked where there is something to stop."""
    now = clock.now()
    objection = data_rights.objection_to_erasure(request.reader, now=now)
    shown: dict[str, object] = {"is_giving": objection is not None}
    if request.method != "POST":
        return show(request, "account/data_erase.html", shown, section="personal")
    stop_giving = request.POST.get("stop_giving") == "1"
    shown |= {"stop_giving": stop_giving, "understood": request.POST.get("understood") == "1"}
    if not shown["understood"]:
        shown["fault"] = _("Please tick the box to say that you know what is lost.")
        return show(request, "account/data_erase.html", shown, section="personal", status=400)
    try:
        data_rights.ask_erasure(request.reader, stop_giving=stop_giving, now=now)
    except data_rights.ErasureRefused as refused:
        shown["refused"] = str(refused)
        return show(request, "account/data_erase.html", shown, section="personal", status=409)
    return pages.SeeOther(reverse("account:data"))
