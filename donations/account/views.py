"""The API's front under /api/v1/me/: text in, one call into the domain, text out."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from donations.account import door
from donations.account.door import ReaderView
from members import sessions

NOT_SIGNED_IN = OpenApiResponse(description="token_missing, token_invalid")


class MeOutput(serializers.Serializer[object]):
    """Who is signed in."""

    id = serializers.UUIDField()
    email = serializers.CharField()
    name = serializers.CharField()
    locale = serializers.CharField()
    joined_at = serializers.DateTimeField()


class Me(ReaderView):
    """Who is signed in."""

    @extend_schema(responses={200: MeOutput, 401: NOT_SIGNED_IN})
    def get(self, request: Request) -> Response:
        reader = self.reader
        told = {
            "id": reader.public_id,
            "email": reader.email,
            "name": reader.name,
            "locale": reader.locale,
            "joined_at": reader.joined_at,
        }
        return Response(MeOutput(told).data)


class SignOut(ReaderView):
    """The token, or the cookie, with which this comes is good for nothing afterwards."""

    @extend_schema(request=None, responses={204: None, 401: NOT_SIGNED_IN})
    def post(self, request: Request) -> Response:
        sessions.end(door.bearer_of(request) or door.key_of(request._request))
        return Response(status=204)


class SignOutEverywhere(ReaderView):
    """Ends every session of the reader, in browsers and in programs, this one among them."""

    @extend_schema(request=None, responses={204: None, 401: NOT_SIGNED_IN})
    def post(self, request: Request) -> Response:
        sessions.end_all(self.reader)
        return Response(status=204)
