"""The pages with which a reader gets in and out: ask for a link, look into the mail, open it, sign out."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.urls import reverse
from django.utils import translation
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from donations import pages
from donations.account import door, throttle
from donations.account.door import ReaderRequest, for_reader
from donations.errors import TooManySignIns
from members import addresses, clock, sessions, sign_in


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """A form for an address. Whatever it is, the answer is: look into your mail."""
    now = clock.now()
    given = request.POST if request.method == "POST" else request.GET
    goes_to = given.get("next", "")
    goes_to = goes_to if door.is_page(goes_to) else ""
    with translation.override(pages.language_of(request)):
        language = translation.get_language()
        shown: dict[str, Any] = {"next": goes_to, "email": request.POST.get("email", "").strip()}
        if request.method != "POST":
            is_in = sessions.find(door.key_of(request), sessions.Kind.COOKIE, now=now) is not None
            if is_in:
                return pages.SeeOther(door.page_after_sign_in(goes_to))
            return pages.show(request, "account/sign_in.html", shown)
        try:
            address = addresses.normalise(shown["email"])
            throttle.note_sign_in(request, email=address, now=now)
        except addresses.InvalidAddress:
            shown["fault"] = _("Please enter an e-mail address, such as name@example.org.")
            return pages.show(request, "account/sign_in.html", shown, status=400)
        except TooManySignIns as error:
            shown["notice"] = _("Too many links were asked for. Please wait a little, and try again.")
            response = pages.show(request, "account/sign_in.html", shown, status=429)
            response["Retry-After"] = str(error.wait)
            return response
        sign_in.ask(email=address, goes_to=goes_to, locale=language, now=now)
        return pages.SeeOther(f"{reverse('account:sign-in-sent')}?{urlencode({'lang': language})}")


@require_safe
def sent(request: HttpRequest) -> HttpResponse:
    """That a mail is on its way, if the address is a member's."""
    with translation.override(pages.language_of(request)):
        return pages.show(request, "account/sent.html", {"minutes": _minutes()})


@require_http_methods(["GET", "HEAD", "POST"])
def open_link(request: HttpRequest, token: str) -> HttpResponse:
    """Where the mail's link leads. A GET shows a button, for programs follow links in mails; the POST signs in."""
    now = clock.now()
    given = request.POST if request.method == "POST" else request.GET
    goes_to = given.get("next", "")
    with translation.override(pages.language_of(request)):
        try:
            if request.method != "POST":
                sign_in.check(token, now=now)
                return pages.show(request, "account/open.html", {"next": goes_to})
            reader = sign_in.open(token, now=now)
        except sign_in.BadLink as error:
            return _bad_link(request, error, goes_to)
    sessions.end(door.key_of(request))
    key = sessions.begin(reader, sessions.Kind.COOKIE, now=now)
    rotate_token(request)
    response = pages.SeeOther(door.page_after_sign_in(goes_to))
    door.remember(response, key)
    return response


def _bad_link(request: HttpRequest, error: sign_in.BadLink, goes_to: str) -> HttpResponse:
    is_over = isinstance(error, sign_in.UsedLink | sign_in.OldLink)
    shown = {
        "is_used": isinstance(error, sign_in.UsedLink),
        "is_old": isinstance(error, sign_in.OldLink),
        "minutes": _minutes(),
        "next": goes_to if door.is_page(goes_to) else "",
    }
    return pages.show(request, "account/bad_link.html", shown, status=410 if is_over else 404)


def _minutes() -> int:
    return int(sign_in.LIFE.total_seconds()) // 60


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Out of this browser; no harm if nobody was signed in."""
    sessions.end(door.key_of(request))
    return _out()


@require_POST
@for_reader
def sign_out_everywhere(request: ReaderRequest) -> HttpResponse:
    """Out of every browser and program."""
    sessions.end_all(request.reader)
    return _out()


def _out() -> HttpResponse:
    response = pages.SeeOther(reverse("account:sign-in"))
    door.forget(response)
    return response
