"""The page about the reader: name, language, what we may send, the address, and where they are signed in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from rest_framework.exceptions import ValidationError

from donations import pages
from donations.account import consents, drawing, panels, personal, throttle
from donations.account.door import ReaderRequest, for_reader, show
from donations.errors import InvalidWish, TooManySignIns
from members import clock, self_service, sessions, sign_in
from members.models import SignInToken
from members.validation import TextField


@require_http_methods(["GET", "HEAD", "POST"])
@for_reader
def personal_data(request: ReaderRequest) -> HttpResponse:
    """Who the reader is to us. A POST changes one part of it, as `part` says."""
    faults: dict[str, str] = {}
    if request.method == "POST":
        faults = _change(request)
        if not faults:
            query = urlencode({"saved": "1", "lang": request.reader.locale})
            return pages.SeeOther(f"{reverse('account:personal')}?{query}")
    return _draw(request, faults)


def _change(request: ReaderRequest) -> dict[str, str]:
    """Do what the form says; why not, by field."""
    now, part = clock.now(), request.POST.get("part")
    if part == "name":
        try:
            name = TextField(max_length=100).to_internal_value(request.POST.get("name", ""))
        except ValidationError:
            return {"name": _("Please write the name with letters, and no longer than 100 of them.")}
        self_service.set_name(request.reader, name)
    elif part == "language":
        language = request.POST.get("language", "")
        if language not in dict(settings.LANGUAGES):
            return {"language": _("Please choose one of these languages.")}
        personal.set_language(request.reader, language)
    elif part == "consents":
        wanted = {purpose.name: purpose.name in request.POST for purpose in consents.PURPOSES}
        consents.set_given(request.reader, wanted, now=now)
    return {}


def _draw(request: ReaderRequest, faults: dict[str, str]) -> HttpResponse:
    now = clock.now()
    running = sessions.get_running(request.reader, now=now)
    spoken = request.reader.locale.partition("-")[0].lower()
    shown: dict[str, Any] = {
        "faults": faults,
        "name": request.POST.get("name", request.reader.name),
        "is_saved": "saved" in request.GET and not faults,
        "languages": [(code, name, code == spoken) for code, name in settings.LANGUAGES],
        "consents": [
            (given.purpose, given.since is not None, drawing.day(given.since))
            for given in consents.get_given(request.reader)
        ],
        "panels": panels.get_panels(request.reader, now=now),
        "sessions": running.count(),
    }
    status = 400 if faults else 200
    return show(request, "account/personal.html", shown, section="personal", status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@for_reader
def address(request: ReaderRequest) -> HttpResponse:
    """Ask for another address: a link goes there, and nothing changes before it is opened."""
    shown: dict[str, Any] = {"email": request.POST.get("email", "").strip()}
    if request.method != "POST":
        shown["is_sent"] = "sent" in request.GET
        return show(request, "account/address.html", shown, section="personal")
    now, language = clock.now(), translation.get_language()
    try:
        throttle.note_sign_in(request, email=shown["email"][:254], now=now)
        personal.ask_for_address(request.reader, shown["email"], locale=language, now=now)
    except InvalidWish as error:
        is_same = error.code == "address_unchanged"
        shown["fault"] = (
            str(error) if is_same else _("Please enter an e-mail address, such as name@example.org.")
        )
        return show(request, "account/address.html", shown, section="personal", status=400)
    except TooManySignIns as error:
        shown["notice"] = _("Too many links were asked for. Please wait a little, and try again.")
        response = show(request, "account/address.html", shown, section="personal", status=429)
        response["Retry-After"] = str(error.wait)
        return response
    query = urlencode({"sent": "1", "lang": language})
    return pages.SeeOther(f"{reverse('account:address')}?{query}")


@require_http_methods(["GET", "HEAD", "POST"])
@for_reader
def confirm_address(request: ReaderRequest, token: str) -> HttpResponse:
    """Where the link in the mail to a new address leads, in the browser where its reader is signed in."""
    now = clock.now()
    try:
        if request.method != "POST":
            found = sign_in.check(token, SignInToken.Purpose.ADDRESS, now=now)
            if found.member.person.pk != request.reader.pk:
                raise sign_in.BadLink
            return show(request, "account/confirm_address.html", {"email": found.address}, section="personal")
        request.reader = personal.confirm_address(request.reader, token, now=now)
    except sign_in.BadLink as error:
        is_over = isinstance(error, sign_in.UsedLink | sign_in.OldLink)
        return show(
            request, "account/bad_address_link.html", {}, section="personal", status=410 if is_over else 404
        )
    except self_service.AddressTaken:
        return show(request, "account/address_taken.html", {}, section="personal", status=409)
    query = urlencode({"saved": "1", "lang": translation.get_language()})
    return pages.SeeOther(f"{reverse('account:personal')}?{query}")
