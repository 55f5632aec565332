"""
Who comes in: the door of the pages under /account/ and of the API under /api/v1/me/.

A page is written as `@for_reader def page(request: ReaderRequest) -> HttpResponse`, and finds `request.reader`: the
member who is signed in, the one that was kept where several addresses are one person's. A view of the API extends
`ReaderView` and has `self.reader`. Neither is ever handed somebody else's rows: look-ups go through `queries`, which
are told whose they are, and what is not theirs does not exist (404).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, cast

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils import translation
from django.utils.http import urlencode
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.exceptions import APIException, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from donations import pages
from donations.account import throttle
from donations.errors import TooManyChanges, UnknownContribution
from members import clock, sessions
from members.models import Member

_PAGE = re.compile(r"[a-z-]{1,40}", re.ASCII)
_SAFE = ("GET", "HEAD", "OPTIONS")


class ReaderRequest(HttpRequest):
    """A request of somebody who is signed in."""

    reader: Member


# --- Pages


def for_reader(page: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """
    A page for whoever is signed in, in their language; strangers are sent to sign in first, and back afterwards.

    UnknownContribution, raised by a look-up of something that is not the reader's, becomes a 404. Who changes something
    more often than people do gets a 429.
    """

    @wraps(page)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        reader = sessions.find(key_of(request), sessions.Kind.COOKIE, now=clock.now())
        if reader is None:
            return _to_sign_in(request)
        request.reader = reader  # type: ignore[attr-defined]  # it is a ReaderRequest from here on
        with translation.override(pages.language_of(request, reader.locale)):
            try:
                if _is_change(request):
                    throttle.note_change(reader, now=clock.now())
                return page(request, *args, **kwargs)
            except UnknownContribution:
                raise Http404 from None
            except TooManyChanges as error:
                answer = show(cast(ReaderRequest, request), "account/too_many.html", {}, status=429)
                answer["Retry-After"] = str(error.wait)
                return answer

    return guarded


def _is_change(request: HttpRequest) -> bool:
    """Whether something may be different afterwards. Signing out is always possible."""
    match = request.resolver_match
    is_sign_out = match is not None and (match.url_name or "").startswith("sign-out")
    return request.method not in _SAFE and not is_sign_out


def show(
    request: ReaderRequest, template: str, context: dict[str, Any], *, section: str = "", status: int = 200
) -> HttpResponse:
    """
    Draw a page of the account, which extends `account/base.html`, in the active language.

    :param section: which entry of the navigation it belongs to: "overview", "payments", "contributions" or "personal".
    """
    shared = {"reader": request.reader, "section": section}
    return pages.show(request, template, {**shared, **context}, status=status)


def key_of(request: HttpRequest) -> str:
    """The key in the reader's cookie; "" if there is none."""
    return request.COOKIES.get(settings.READER_COOKIE_NAME, "")


def remember(response: HttpResponse, key: str) -> None:
    """Give the browser the key of a session that has just begun."""
    response.set_cookie(
        settings.READER_COOKIE_NAME,
        key,
        max_age=int(sessions.life_of(sessions.Kind.COOKIE).total_seconds()),
        secure=settings.READER_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def forget(response: HttpResponse) -> None:
    """Take the key out of the browser."""
    response.delete_cookie(settings.READER_COOKIE_NAME, samesite="Lax")


def is_page(name: str) -> bool:
    """Whether this is the name of a page that a reader can be sent to after signing in: one of ours, without an id."""
    if not _PAGE.fullmatch(name) or name.startswith("sign-"):
        return False
    try:
        reverse(f"account:{name}")
    except NoReverseMatch:
        return False
    return True


def page_after_sign_in(name: str) -> str:
    """The address of the page with this name; of the first one if there is none that may be named."""
    return reverse(f"account:{name if is_page(name) else 'overview'}")


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    match = request.resolver_match
    name = match.url_name if match else None
    query = {"next": name} if name and is_page(name) else {}
    if "lang" in request.GET:
        query["lang"] = request.GET["lang"]
    address = reverse("account:sign-in") + (f"?{urlencode(query)}" if query else "")
    response = pages.SeeOther(address)
    if key_of(request):
        forget(response)
    return response


# --- The API


class NotSignedIn(APIException):
    """401: nobody is signed in here, or not any more."""

    status_code = 401
    default_code = "token_missing"
    default_detail = "Sign in first: ask for a link at /api/v1/sign-in/."


class Forged(PermissionDenied):
    """403: with a cookie, what changes something needs the CSRF token as well; another site may have sent it."""

    default_code = "csrf_failed"
    default_detail = "Send the CSRF token that the page was given, as X-CSRFToken."


class ReaderAuthentication(BaseAuthentication):
    """A bearer token of ours, or the cookie of the pages; what changes something by cookie needs the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Member, None] | None:
        if request.META.get("HTTP_AUTHORIZATION"):
            reader = sessions.find(bearer_of(request), sessions.Kind.BEARER, now=clock.now())
            if reader is None:
                raise NotSignedIn("This token is unknown, or its time is over.", code="token_invalid")
            return reader, None
        key = key_of(request._request)
        reader = sessions.find(key, sessions.Kind.COOKIE, now=clock.now()) if key else None
        if reader is None:
            return None
        if request.method not in _SAFE:
            _check_csrf(request._request)
        return reader, None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def bearer_of(request: Request) -> str:
    """The bearer token with which a request comes; "" if there is none."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _check_csrf(request: HttpRequest) -> None:
    check = CSRFCheck(lambda _request: HttpResponse())
    check.process_request(request)
    if check.process_view(request, lambda _request: HttpResponse(), (), {}):
        raise Forged


class IsReader(BasePermission):
    """Somebody is signed in. Raises NotSignedIn (401) for others."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.user, Member):
            raise NotSignedIn
        return True


class ReaderView(APIView):
    """What every view under /api/v1/me/ extends: `self.reader` is the member who is signed in."""

    authentication_classes = [ReaderAuthentication]
    permission_classes = [IsReader]

    @property
    def reader(self) -> Member:
        return cast(Member, self.request.user)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Before the view: who it is, and whether they ask for changes more often than people do (429)."""
        super().initial(request, *args, **kwargs)
        if _is_change(request._request):
            throttle.note_change(self.reader, now=clock.now())

    def in_readers_language(self) -> AbstractContextManager[None]:
        """Around what is read by people; else a program is spoken to in English."""
        return translation.override(pages.language_of(self.request._request, self.reader.locale))


class _DescribedAuthentication(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # of spectacular
    """How the API's description names the two ways in."""

    target_class = ReaderAuthentication
    name = ["readerToken", "readerCookie"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "http", "scheme": "bearer", "description": "From /api/v1/sign-in/token/."},
            {
                "type": "apiKey",
                "in": "cookie",
                "name": "reader",
                "description": "Of the pages; with X-CSRFToken.",
            },
        ]
