"""What every request passes: an id that follows it into logs and tasks, and headers that keep a browser safe."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

_log = structlog.get_logger("request")
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class RequestIdMiddleware:
    """
    Gives each request an id (or keeps the one a proxy gave), answers with it, and writes one line about it.

    The line names the route, never the address: paths and query strings can hold ids and tokens.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        match = request.resolver_match
        _log.info(
            "request",
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
        response.headers.setdefault("Content-Security-Policy", _POLICY.format(checkout=_checkout_sources()))
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()"
        )
        if isinstance(response, HttpResponse) and "Cache-Control" not in response.headers:
            response["Cache-Control"] = "no-store"
        return response


def _checkout_sources() -> str:
    sources = [f"https://{host}" for host in settings.STRIPE_CHECKOUT_HOSTS]
    return " ".join([*sources, *([settings.STRIPE_API_BASE] if settings.STRIPE_API_BASE else [])])
