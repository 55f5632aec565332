"""The API's front: text in, one call into the domain, text out."""

from __future__ import annotations

import hashlib
import re
from typing import Any
from uuid import UUID

import structlog
from django.core.cache import cache
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from donations import gateway, inbox, queries, serializers, services, velocity
from donations.errors import UnknownCampaign
from members import clock, doorbell

_log = structlog.get_logger(__name__)

CAMPAIGN_MAX_AGE = 60  # seconds
MAX_EVENT = 1024 * 1024  # bytes
_KEY = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,254}")
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

    @extend_schema(responses={200: serializers.CampaignOutput, 404: OpenApiResponse(description="not_found")})
    def get(self, request: Request, slug: str) -> HttpResponse:
        now = clock.now()
        if len(slug) > 64:
            raise UnknownCampaign("There is no such campaign.")
        key = f"campaign:{slug}"
        body: bytes | None = cache.get(key)
        if body is None:
            campaign = queries.get_campaign(slug)
            body = JSONRenderer().render(serializers.drawing(campaign, now=now))
            cache.set(key, body, CAMPAIGN_MAX_AGE // 2)
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        response = HttpResponse(body, content_type="application/json")
        response["ETag"] = etag
        patch_cache_control(response, public=True, max_age=CAMPAIGN_MAX_AGE)
        patch_vary_headers(response, ["Origin"])
        found = get_conditional_response(request._request, etag=etag, response=response)
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
        contribution = services.start_contribution(wish=wanted.wish(), idempotency_key=key, now=now)
        status = queries.get_status(contribution)
        return Response(serializers.begun(contribution, status), status=201)


class ContributionDetail(APIView):
    """How a contribution stands; whoever holds its id may ask, so it answers nothing personal."""

    @extend_schema(
        responses={200: serializers.ContributionStatusOutput, 404: OpenApiResponse(description="not_found")},
        parameters=[OpenApiParameter("public_id", UUID, OpenApiParameter.PATH)],
    )
    def get(self, request: Request, public_id: str) -> Response:
        # Only the one spelling that we give out is an id.
        wanted = UUID(public_id) if _UUID.fullmatch(public_id) else UUID(int=0)
        return Response(serializers.standing(queries.get_contribution(wanted)))


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
