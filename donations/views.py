"""The API's front: text in, one call into the domain, text out."""

from __future__ import annotations

import re
from datetime import datetime
from functools import wraps
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from donations import (
    appeals,
    entitlement,
    gateway,
    inbox,
    lots,
    queries,
    regions,
    serializers,
    services,
    velocity,
)
from members import clock, doorbell, reader_tokens

_log = structlog.get_logger(__name__)

CAMPAIGN_MAX_AGE = 60  # seconds
MAX_EVENT = 1024 * 1024  # bytes
_KEY = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,254}")
_CONDITIONS = {"HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE"}
_READER_TOKEN = OpenApiParameter(
    "Authorization",
    str,
    OpenApiParameter.HEADER,
    description="Bearer and a reader's token (see docs/api.md).",
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class CampaignList(APIView):
    """The campaigns to which something can be given now."""

    @extend_schema(responses=serializers.CampaignListOutput(many=True))
    def get(self, request: Request) -> Response:
        found = queries.get_running_campaigns(now=clock.now()).values("slug", "title", "locale")
        response = Response(list(found))
        patch_cache_control(response, public=True, max_age=CAMPAIGN_MAX_AGE)
        return response


class CampaignDetail(APIView):
    """All that a widget needs to draw itself; cacheable, with an ETag."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """An answer that lies ready leaves before the framework begins its work, which costs more than the answer."""
        whole = super().as_view(**initkwargs)

        @wraps(whole)
        def view(request: HttpRequest, slug: str) -> HttpResponseBase:
            if request.method == "GET" and _is_by_anybody(request):
                quiet, sensitive = _flag(request, "quiet"), _flag(request, "sensitive")
                ready = appeals.find_ready(slug, quiet=quiet, sensitive=sensitive, now=clock.now())
                if ready is not None:
                    return _told(request, ready)
            return whole(request, slug)

        return view

    @extend_schema(
        responses={200: serializers.CampaignOutput, 404: OpenApiResponse(description="not_found")},
        parameters=[
            OpenApiParameter(
                "quiet", bool, description="1: a page on which nobody is asked, such as hard news."
            ),
            OpenApiParameter(
                "sensitive",
                bool,
                description="1: a page on which only words are shown that are marked as safe.",
            ),
            _READER_TOKEN,
        ],
    )
    def get(self, request: Request, slug: str) -> HttpResponse:
        now = clock.now()
        plain = request._request
        asked = appeals.Asked(
            visitor=lambda: lots.visitor_of(plain),
            is_by_anybody=_is_by_anybody(plain),
            is_quiet=_flag(plain, "quiet"),
            is_sensitive=_flag(plain, "sensitive"),
            country=regions.country_of(plain),
            reader=_reader_or_nobody(plain, now),
        )
        return _told(plain, appeals.get_answer(slug, asked=asked, now=now))


def _flag(request: HttpRequest, name: str) -> bool:
    return bool(request.META.get("QUERY_STRING")) and request.GET.get(name, "") not in ("", "0")


def _is_by_anybody(request: HttpRequest) -> bool:
    """Whether nothing that we look at tells who asks, so that others may get the same answer."""
    return not settings.COUNTRY_HEADER and "HTTP_AUTHORIZATION" not in request.META


def _told(request: HttpRequest, answer: appeals.Answer) -> HttpResponse:
    scope = "public" if answer.is_public else "private"
    response = HttpResponse(
        answer.body,
        content_type="application/json",
        headers={
            "ETag": answer.etag,
            "Cache-Control": f"{scope}, max-age={answer.max_age}",
            "Vary": "Origin, Authorization",
        },
    )
    if not request.META.keys() & _CONDITIONS:
        return response
    found = get_conditional_response(request, etag=answer.etag, response=response)
    assert isinstance(found, HttpResponse), "our own response or a 304"
    return found


class ContributionCreate(APIView):
    """Begin to give."""

    @extend_schema(
        request=serializers.ContributionInput,
        responses={
            201: serializers.ContributionOutput,
            400: OpenApiResponse(description="invalid_request and others: a field is missing or wrong"),
            429: OpenApiResponse(description="too_many_requests: from one network; wait for Retry-After"),
            409: OpenApiResponse(description="idempotency_key_reused, idempotency_key_in_use"),
            502: OpenApiResponse(description="payments_refused: the newsroom has to look"),
            503: OpenApiResponse(
                description="payments_unavailable: ask again with the same key, after Retry-After"
            ),
        },
        parameters=[
            OpenApiParameter(
                "Idempotency-Key",
                str,
                OpenApiParameter.HEADER,
                description="1 to 255 printable ASCII characters. The same key gets the same answer for 24 hours.",
            )
        ],
    )
    def post(self, request: Request) -> Response:
        now = clock.now()
        key = _idempotency_key(request)
        wanted = serializers.ContributionInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        velocity.note_checkout(request._request, now=now)
        contribution = services.start_contribution(
            wish=wanted.wish(),
            idempotency_key=key,
            visitor=lots.visitor_of(request._request),
            now=now,
        )
        status = queries.get_status(contribution)
        return Response(serializers.begun(contribution, status), status=201)


_CONTRIBUTION_ID = OpenApiParameter("public_id", UUID, OpenApiParameter.PATH)


class ContributionDetail(APIView):
    """How a contribution stands; whoever holds its id may ask, so it answers nothing personal."""

    @extend_schema(
        responses={200: serializers.ContributionStatusOutput, 404: OpenApiResponse(description="not_found")},
        parameters=[_CONTRIBUTION_ID],
    )
    def get(self, request: Request, public_id: str) -> Response:
        return Response(serializers.standing(queries.get_standing(_id(public_id), now=clock.now())))


class ContributionMakeOneTime(APIView):
    """
    "I meant to give once": nothing more is charged, and the first payment stays a gift.

    Whoever holds the unguessable id may ask, within 48 hours of the first payment. Asking again changes nothing.
    """

    @extend_schema(
        request=None,
        responses={
            200: serializers.ContributionStatusOutput,
            404: OpenApiResponse(description="not_found"),
            409: OpenApiResponse(description="too_late, not_possible"),
            502: OpenApiResponse(description="payments_refused, gone"),
            503: OpenApiResponse(description="payments_unavailable: ask again after Retry-After"),
        },
        parameters=[_CONTRIBUTION_ID],
    )
    def post(self, request: Request, public_id: str) -> Response:
        return Response(serializers.standing(services.make_one_time(_id(public_id), now=clock.now())))


class EntitlementDetail(APIView):
    """What a reader is due on the newspaper's site, which says with a signed token who it is."""

    @extend_schema(
        responses={
            200: serializers.EntitlementOutput,
            401: OpenApiResponse(description="token_missing, token_invalid, token_expired"),
        },
        parameters=[_READER_TOKEN],
    )
    def get(self, request: Request) -> Response:
        now = clock.now()
        reader = _reader(request._request, now)
        found = entitlement.get_entitlement(reader, now=now)
        response = Response(serializers.due(found))
        left = min(found.left(now), reader.seconds_left(now))
        response["Cache-Control"] = f"private, max-age={left}" if left > 0 else "no-store"
        patch_vary_headers(response, ["Authorization"])
        return response


def _id(public_id: str) -> UUID:
    """Only the one spelling that we give out is an id; the rest is nobody's."""
    return UUID(public_id) if _UUID.fullmatch(public_id) else UUID(int=0)


class TokenRefused(APIException):
    """401: the request does not tell, in a way that can be believed, who reads."""

    status_code = 401
    default_code = "token_invalid"
    default_detail = "Send the reader's token as `Authorization: Bearer …`."


def _reader(request: HttpRequest, now: datetime) -> reader_tokens.Reader:
    """Whom the newspaper's site says that it is. Raises TokenRefused."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenRefused(code="token_missing")
    try:
        return reader_tokens.read(token.strip(), now=now)
    except reader_tokens.ExpiredToken as error:
        raise TokenRefused(str(error), code="token_expired") from error
    except reader_tokens.BadToken as error:
        raise TokenRefused(str(error), code="token_invalid") from error


def _reader_or_nobody(request: HttpRequest, now: datetime) -> reader_tokens.Reader | None:
    """The same for an appeal, which is drawn for a stranger where a token is not good."""
    try:
        return _reader(request, now)
    except TokenRefused:
        return None


def _idempotency_key(request: Request) -> str:
    """The key that the client sent; "" if none. Raises ValidationError (code invalid_idempotency_key)."""
    given = request.headers.get("Idempotency-Key")
    if given is None:
        return ""
    if not _KEY.fullmatch(given):
        raise InvalidIdempotencyKey
    return given


class InvalidIdempotencyKey(ValidationError):
    """400 with a code of its own: it is a header that is wrong, not a field."""

    default_code = "invalid_idempotency_key"
    default_detail = "An Idempotency-Key has 1 to 255 printable ASCII characters."

    def __init__(self) -> None:
        super().__init__(self.default_detail, self.default_code)


@csrf_exempt
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """
    What Stripe tells us: checked, stored, answered; a worker does the rest.

    Plain Django, because each layer costs here: renewals of a whole month arrive in one hour.
    """
    if request.method != "POST":
        return JsonResponse(
            _error("method_not_allowed", "Send a POST."), status=405, headers={"Allow": "POST"}
        )
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        if length > MAX_EVENT:
            return JsonResponse(_error("too_large", "No event is that large."), status=413)
        body = request.body
    except ValueError:
        return JsonResponse(_error("malformed_event", "The length of the body is wrong."), status=400)
    except OSError:
        return JsonResponse(_error("malformed_event", "The body was cut off."), status=400)
    try:
        is_new = inbox.receive(
            body=body, signature=request.META.get("HTTP_STRIPE_SIGNATURE", ""), now=clock.now()
        )
    except gateway.InvalidSignature:
        return JsonResponse(
            _error("invalid_signature", "Nobody we know signed this, or not lately."), status=400
        )
    except inbox.Unreadable:
        return JsonResponse(_error("malformed_event", "This is no snapshot event of Stripe."), status=400)
    except (DatabaseError, InterfaceError) as error:
        _log.error("event not stored", why=type(error).__name__)
        return JsonResponse(
            _error("not_stored", "Send it again, please."), status=503, headers={"Retry-After": "30"}
        )
    if is_new:
        doorbell.ring("donations.tasks.process_inbox")
    return HttpResponse(b'{"received": true}', content_type="application/json")


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}
