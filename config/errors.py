"""
Errors, as clients see them: one shape, stable codes, a sentence that says what to do.

    {"error": {"code": "invalid_request", "message": "…", "fields": {"amount": [{"code": "…", "message": "…"}]}}}

`fields` is there when single fields are at fault. Nothing that was sent is echoed.
"""

from __future__ import annotations

from typing import Any

import structlog
from django.db import OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from donations import errors as donations

_log = structlog.get_logger(__name__)

# What an error of the domain means to someone on the other end of HTTP.
HTTP_MEANING: dict[type[donations.DonationError], int] = {
    donations.InvalidWish: 400,
    donations.ReportRefused: 400,
    donations.UnknownContribution: 404,
    donations.UnknownCampaign: 404,
    donations.NotOneTime: 409,
    donations.TooLateForOneTime: 409,
    donations.StillGiving: 409,
    donations.NotPossibleNow: 409,
    donations.ChangeAtWork: 409,
    donations.ChangedMeanwhile: 409,
    donations.IdempotencyKeyReused: 409,
    donations.AddressTaken: 409,
    donations.IdempotencyKeyInUse: 409,
    donations.TooManyCheckouts: 429,
    donations.TooManySignIns: 429,
    donations.TooManyChanges: 429,
    donations.GoneAtStripe: 502,
    donations.PaymentsRefused: 502,
    donations.PaymentsUnavailable: 503,
    donations.ReportNotReady: 503,
}
RETRY_AFTER = "30"  # seconds; how long a client waits after a 503
# What a widget can offer when payments do not work: one mail when they do.
OUTAGE_OFFER = {"url": "/api/v1/reminders/", "remind": "when_payments_work"}

_CODES = {
    "parse_error": "malformed_json",
    "required": "required",
    "null": "invalid",
    "blank": "invalid",
    "not_a_list": "invalid",
}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook. None (a 500, logged by Django) for what nobody foresaw."""
    if isinstance(exc, donations.DonationError):
        status = next(code for kind, code in HTTP_MEANING.items() if isinstance(exc, kind))
        fields = {name: [{"code": exc.code, "message": str(exc)}] for name in exc.fields}
        code = "invalid_request" if fields else exc.code
        answer = body(code, str(exc), fields)
        if isinstance(exc, donations.PaymentsUnavailable):
            answer["error"]["remind_me"] = OUTAGE_OFFER
        wait = getattr(exc, "wait", None) or (RETRY_AFTER if status == 503 else None)
        headers = {"Retry-After": str(wait)} if wait else {}
        return Response(answer, status=status, headers=headers)
    if isinstance(exc, OperationalError):
        _log.error("database unreachable", why=type(exc).__name__)
        return Response(
            body("try_again", "This cannot be done at the moment. Please try again soon."),
            status=503,
            headers={"Retry-After": RETRY_AFTER},
        )
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    if not isinstance(exc, exceptions.APIException):
        return None
    set_rollback()
    headers = {}
    if getattr(exc, "wait", None):
        headers["Retry-After"] = str(exc.wait)  # type: ignore[attr-defined]  # Throttled has it
    if exc.status_code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(exc, exceptions.ValidationError) and exc.default_code == "invalid":
        return Response(
            body("invalid_request", "Some fields are missing or wrong.", _fields(exc.get_full_details())),
            status=400,
        )
    code = (
        exc.default_code
        if isinstance(exc.detail, list)
        else str(getattr(exc.detail, "code", exc.default_code))
    )
    if isinstance(exc, exceptions.MethodNotAllowed):
        view = context.get("view")
        headers["Allow"] = ", ".join(getattr(view, "allowed_methods", []))
    message = "There is nothing here." if exc.status_code == 404 else _sentence(exc.detail)
    return Response(body(_CODES.get(code, code), message), status=exc.status_code, headers=headers)


def _sentence(detail: Any) -> str:
    return str(detail[0] if isinstance(detail, list) else detail)


def body(code: str, message: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
    """The one shape of an error."""
    return {"error": {"code": code, "message": message, **({"fields": fields} if fields else {})}}


def _fields(details: Any) -> dict[str, Any]:
    """DRF's nested details, flattened to one name per field: `source.page_url`."""
    found: dict[str, Any] = {}

    def walk(name: str, value: Any) -> None:
        if isinstance(value, dict) and set(value) == {"message", "code"}:
            code = str(value["code"])
            found.setdefault(name or "body", []).append(
                {"code": _CODES.get(code, code), "message": str(value["message"])}
            )
        elif isinstance(value, dict):
            for key, item in value.items():
                walk(name if key == "non_field_errors" else f"{name}.{key}".lstrip("."), item)
        else:
            for item in value:
                walk(name, item)

    walk("", details)
    return found


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def not_found(request: HttpRequest, exception: Exception) -> Any:
    """Django's handler404: JSON under /api/, the page elsewhere."""
    from django.views.defaults import page_not_found

    if _is_api(request):
        return JsonResponse(body("not_found", "There is nothing here."), status=404)
    return page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> Any:
    """Django's handler400, for what it refuses before a view runs (a wrong Host, too many fields)."""
    from django.views.defaults import bad_request as page

    if _is_api(request):
        return JsonResponse(body("invalid_request", "The request cannot be read."), status=400)
    return page(request, exception)


def server_error(request: HttpRequest) -> Any:
    """Django's handler500."""
    from django.views.defaults import server_error as page

    if _is_api(request):
        return JsonResponse(
            body("server_error", "Something broke on our side. It has been logged."), status=500
        )
    return page(request)
