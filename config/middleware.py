"""What requests pass: an id that follows them into logs and tasks, headers for browsers, and what only pages need."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware import locale
from django.template.response import SimpleTemplateResponse
from django.urls import ResolverMatch, get_urlconf, resolve
from django.utils import translation

from config import logs

_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class RequestIdMiddleware:
    """
    Gives each request an id (or keeps the one a proxy gave), answers with it, and writes one line about it
    (none about an event of Stripe that was stored).

    The line names the route, never the address: paths and query strings can hold ids and tokens.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        is_good = _REQUEST_ID.fullmatch(given) and not logs.looks_secret(given)
        request_id = given if is_good else uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        if request.path_info == WEBHOOK_PATH and response.status_code == 200:
            return response  # its row says when it came; a line for each would cost more than checking it
        match = request.resolver_match
        logs.tell_of_request(
            request_id=request_id,
            method=request.method if request.method in _METHODS else "other",
            route=match.view_name if match else "-",
            status=response.status_code,
            ms=round((time.perf_counter() - started) * 1000, 1),
        )
        return response


_METHODS = {"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"}

# Nothing from anywhere else, nothing inline. Forms may lead to Stripe's pages: Chromium applies
# form-action to the redirect that follows a post as well.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' {checkout}"
)


class SecurityHeadersMiddleware:
    """Sets a strict Content-Security-Policy and its companions where a view has not set its own."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault(
            "Content-Security-Policy",
            _policy(tuple(settings.STRIPE_CHECKOUT_HOSTS), settings.STRIPE_API_BASE),
        )
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()"
        )
        if isinstance(response, HttpResponse) and "Cache-Control" not in response.headers:
            response["Cache-Control"] = "no-store"
        return response


@lru_cache
def _policy(checkout_hosts: tuple[str, ...], api_base: str | None) -> str:
    sources = [f"https://{host}" for host in checkout_hosts]
    return _POLICY.format(checkout=" ".join([*sources, *([api_base] if api_base else [])]))


WEBHOOK_PATH = "/api/v1/webhooks/stripe/"
STATS_PATH = "/api/v1/reminders/stats/"
# Asked with the session of a member of staff; reports with a key as well.
ASKED_BY_STAFF = (STATS_PATH, "/api/v1/reports/")


class WebhookLane:
    """
    Takes Stripe's events straight to their view; to the rest of the house they pass by.

    What stands behind this in settings.MIDDLEWARE serves pages and widgets, and costs an event as much as
    checking its signature does; renewals of a whole month are told within an hour.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info != WEBHOOK_PATH:
            return self.get_response(request)
        request.get_host()  # raises DisallowedHost, as CommonMiddleware does
        request.resolver_match = match = _webhook(get_urlconf())
        response: HttpResponse = match.func(request)
        response["Content-Length"] = str(len(response.content))
        return response


class AppealLane:
    """
    Takes the question for an appeal to its view, past what serves pages and forms.

    Each view of an article asks it, and most answers lie ready in the cache: what stands behind this in
    settings.MIDDLEWARE, and finding the route among all others, would cost more than the answer.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method != "GET" or not _APPEAL.fullmatch(request.path_info):
            return self.get_response(request)
        request.get_host()  # raises DisallowedHost, as CommonMiddleware does
        translation.deactivate()  # as LocaleMiddleware does
        request.resolver_match = match = _appeal(request.path_info, get_urlconf())
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        if isinstance(
            response, SimpleTemplateResponse
        ):  # the framework's, which Django's handler would render
            response.render()
        response["Content-Length"] = str(len(response.content))
        return response


_APPEAL = re.compile(r"/api/v1/campaigns/[A-Za-z0-9_-]{1,64}/", re.ASCII)


@lru_cache(maxsize=128)
def _appeal(path: str, urlconf: str | None) -> ResolverMatch:
    return resolve(path, urlconf)


@lru_cache
def _webhook(urlconf: str | None) -> ResolverMatch:
    return resolve(WEBHOOK_PATH, urlconf)


# --- What only pages need -------------------------------------------------------------------------
# The API, the widget and the health checks know no sessions, no accounts and one language. Not asking for any
# keeps their answers quick, and cacheable (no `Vary: Accept-Language`).


class _ForPages:
    """Lets requests of programs pass by."""

    get_response: Any  # Django's stubs and we do not agree on a type
    async_capable = False

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if is_for_programs(request):
            passed: HttpResponseBase = self.get_response(request)
            return passed
        response: HttpResponseBase = super().__call__(request)  # type: ignore[misc]  # Django's, which is mixed in
        return response


def is_for_programs(request: HttpRequest) -> bool:
    """Whether a program asks rather than a browser that shows pages."""
    is_asked_by_staff = request.path_info.startswith(ASKED_BY_STAFF)
    return request.path_info.startswith(("/api/", "/health/", "/widget/")) and not is_asked_by_staff


class SessionMiddleware(_ForPages, sessions.SessionMiddleware):
    """Django's, for pages."""


class LocaleMiddleware(_ForPages, locale.LocaleMiddleware):
    """Django's, for pages; programs are spoken to in English, whatever page this thread showed before."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        translation.deactivate()
        return super().__call__(request)


class AuthenticationMiddleware(_ForPages, auth.AuthenticationMiddleware):
    """Django's, for pages."""


class MessageMiddleware(_ForPages, messages.MessageMiddleware):
    """Django's, for pages."""
