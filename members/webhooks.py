"""
What mail providers tell us: which of the mails that they took came back, and who called one spam.

One plain shape for all of them, `{"email": …, "kind": "hard" | "complaint"}`, so that none is built in; most can
send it themselves, and a few lines of a script translate for the others (docs/install.md).
"""

from __future__ import annotations

from django.conf import settings
from django.http import Http404
from django.utils.crypto import constant_time_compare
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ErrorDetail, ValidationError
from rest_framework.views import APIView

from members import bounces, clock
from members.models import Bounce
from members.validation import AddressField, StrictSerializer, WordField


class BounceInput(StrictSerializer):
    """One address, and what became of a mail to it."""

    email = AddressField()
    kind = WordField(words=[kind.value for kind in Bounce.Kind])

    def validate_email(self, value: str) -> str:
        if not value:
            raise ValidationError([ErrorDetail("Send an e-mail address.", "required")])
        return value


class KnowsTheSecret(BasePermission):
    """Whoever holds one of settings.MAIL_WEBHOOK_SECRETS; while there is none, there is no such address."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not settings.MAIL_WEBHOOK_SECRETS:
            raise Http404
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        # A list, not a generator: each secret is compared, so that the time tells nothing of which one is near.
        fits = [constant_time_compare(given, secret) for secret in settings.MAIL_WEBHOOK_SECRETS]
        return scheme.lower() == "bearer" and any(fits)


class MailBounces(APIView):
    """A mail came back for good, or its reader called it spam: reminders to that address stop, receipts do not."""

    permission_classes = [KnowsTheSecret]

    @extend_schema(
        request=BounceInput,
        responses={
            200: OpenApiTypes.OBJECT,
            400: OpenApiResponse(description="invalid_request: a field is missing or wrong"),
            403: OpenApiResponse(description="not with one of the secrets"),
        },
    )
    def post(self, request: Request) -> Response:
        told = BounceInput(data=request.data)
        told.is_valid(raise_exception=True)
        bounces.note(
            email=told.validated_data["email"],
            kind=Bounce.Kind(told.validated_data["kind"]),
            source=Bounce.Source.PROVIDER,
            now=clock.now(),
        )
        return Response({"status": "noted"})
