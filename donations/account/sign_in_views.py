"""The API's front for signing in: ask for a link, and turn the token in it into one for the API."""

from __future__ import annotations

from django.utils import translation
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ErrorDetail
from rest_framework.views import APIView

from donations.account import throttle
from members import clock, sessions, sign_in
from members.validation import AddressField, LocaleField, StrictSerializer, TextField


class SignInInput(StrictSerializer):
    """`POST /api/v1/sign-in/`: whose link is wanted."""

    email = AddressField(help_text="Any address; the answer is the same whether or not it is a member's.")
    locale = LocaleField(required=False, help_text="The language of the mail. Default: en.")

    def validate_email(self, value: str) -> str:
        if not value:
            raise serializers.ValidationError([ErrorDetail("Send an e-mail address.", "required")])
        return value


class SignInAccepted(serializers.Serializer[object]):
    """The one answer."""

    status = serializers.ChoiceField(choices=["accepted"])


class SignIn(APIView):
    """Ask for a link to sign in. The answer is the same whether or not the address is known."""

    @extend_schema(
        request=SignInInput,
        responses={
            202: SignInAccepted,
            400: OpenApiResponse(description="invalid_request: it is no e-mail address"),
            429: OpenApiResponse(description="too_many_requests: wait for Retry-After"),
        },
    )
    def post(self, request: Request) -> Response:
        now = clock.now()
        wanted = SignInInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        email = wanted.validated_data["email"]
        throttle.note_sign_in(request._request, email=email, now=now)
        locale = wanted.validated_data.get("locale", "")[:12] or translation.get_language()
        sign_in.ask(email=email, goes_to="", locale=locale, now=now)
        return Response({"status": "accepted"}, status=202)


class SignInTokenInput(StrictSerializer):
    """`POST /api/v1/sign-in/token/`: what the mail brought."""

    token = TextField(max_length=100, allow_blank=False, help_text="The last part of the link in the mail.")


class ReaderTokenOutput(serializers.Serializer[object]):
    """A token for the API, and for how many seconds it is good."""

    token = serializers.CharField()
    expires_in = serializers.IntegerField()


class LinkRefused(APIException):
    """401: the link's token opens nothing."""

    status_code = 401
    default_code = "link_invalid"
    default_detail = "Nobody made this link, or it is for something else. Ask for a new one."


def refused(error: sign_in.BadLink) -> LinkRefused:
    """What a program is told of a link that opens nothing."""
    if isinstance(error, sign_in.UsedLink):
        return LinkRefused("This link was used, or a newer one was asked for.", code="link_used")
    if isinstance(error, sign_in.OldLink):
        return LinkRefused("This link's time is over. Ask for a new one.", code="link_expired")
    return LinkRefused()


class SignInWithToken(APIView):
    """Turn the token of a mail's link, once, into a bearer token for `/api/v1/me/`."""

    @extend_schema(
        request=SignInTokenInput,
        responses={
            200: ReaderTokenOutput,
            400: OpenApiResponse(description="invalid_request"),
            401: OpenApiResponse(description="link_invalid, link_used, link_expired: ask for a new one"),
        },
    )
    def post(self, request: Request) -> Response:
        now = clock.now()
        given = SignInTokenInput(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            reader = sign_in.open(given.validated_data["token"], now=now)
        except sign_in.BadLink as error:
            raise refused(error) from error
        kind = sessions.Kind.BEARER
        key = sessions.begin(reader, kind, now=now)
        return Response({"token": key, "expires_in": int(sessions.life_of(kind).total_seconds())})
