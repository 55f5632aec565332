"""The API's front for a reader's own data, under /api/v1/me/data/ and /api/v1/me/erase/."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from donations.account.data_pages import as_file
from donations.account.door import ReaderView
from donations.account.views import NOT_SIGNED_IN
from donations.errors import StillGiving
from members import clock, data_rights
from members.models import DataRequest
from members.validation import StrictSerializer

REFUSED = OpenApiResponse(description="still_giving")


class DownloadOutput(serializers.Serializer[object]):
    """A wish to have everything that is kept, and how far it is."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=["asked", "working", "done", "refused"])
    asked_at = serializers.DateTimeField()
    file_url = serializers.CharField(
        allow_null=True,
        help_text="Where the zip file is, for whoever is signed in as its reader; null if there is none.",
    )
    expires_at = serializers.DateTimeField(allow_null=True)


class DownloadsOutput(serializers.Serializer[object]):
    """The wishes of this reader, the newest first."""

    downloads = DownloadOutput(many=True)


class EraseInput(StrictSerializer):
    """`POST /api/v1/me/erase/`: that it is meant."""

    confirm = serializers.BooleanField(help_text="Must be true: it cannot be undone.")
    stop_giving = serializers.BooleanField(
        required=False, default=False, help_text="End contributions that go on, at once."
    )

    def validate_confirm(self, value: bool) -> bool:
        if not value:
            raise serializers.ValidationError("Send true if the reader means it.", code="required")
        return value


class ObjectionOutput(serializers.Serializer[object]):
    """Why a reader cannot be erased without more."""

    code = serializers.ChoiceField(choices=["still_giving"])
    message = serializers.CharField()


class EraseOutput(serializers.Serializer[object]):
    """Whether an erasure is under way, and what stands in the way of one."""

    state = serializers.ChoiceField(choices=["none", "asked", "working", "refused"])
    asked_at = serializers.DateTimeField(allow_null=True)
    objection = ObjectionOutput(allow_null=True)


def _download(request: DataRequest) -> dict[str, Any]:
    is_there = data_rights.can_be_opened(request, now=clock.now())
    return {
        "id": request.public_id,
        "state": request.state.lower(),
        "asked_at": request.asked_at,
        "file_url": reverse("me:data-file", args=[request.public_id]) if is_there else None,
        "expires_at": request.expires_at if is_there else None,
    }


class Data(ReaderView):
    """Everything that is kept about the reader: ask for it, and see how far it is."""

    @extend_schema(responses={200: DownloadsOutput, 401: NOT_SIGNED_IN})
    def get(self, request: Request) -> Response:
        found = data_rights.get_requests(self.reader)
        told = [_download(one) for one in found if one.kind == DataRequest.Kind.DOWNLOAD]
        return Response(DownloadsOutput({"downloads": told}).data)

    @extend_schema(request=None, responses={202: DownloadOutput, 401: NOT_SIGNED_IN})
    def post(self, request: Request) -> Response:
        """A mail says when it can be fetched. Within an hour, a second wish is the first."""
        wish = data_rights.ask_download(self.reader, now=clock.now())
        return Response(DownloadOutput(_download(wish)).data, status=202)


class DataFile(ReaderView):
    """The zip file, for a week, for its own reader; anybody else, and everybody later, gets a 404."""

    @extend_schema(
        operation_id="me_data_file",
        responses={(200, "application/zip"): OpenApiTypes.BINARY, 401: NOT_SIGNED_IN},
    )
    def get(self, request: Request, public_id: UUID) -> HttpResponse:
        found = data_rights.open_download(public_id, member=self.reader, now=clock.now())
        if found is None:
            raise Http404
        return as_file(found)


class Erase(ReaderView):
    """Erase the reader, here and at Stripe; it cannot be undone."""

    @extend_schema(responses={200: EraseOutput, 401: NOT_SIGNED_IN})
    def get(self, request: Request) -> Response:
        return Response(self._stands())

    @extend_schema(request=EraseInput, responses={202: EraseOutput, 401: NOT_SIGNED_IN, 409: REFUSED})
    def post(self, request: Request) -> Response:
        """Takes about an hour, and ends with every session of the reader. Refused while they give regularly."""
        wish = EraseInput(data=request.data)
        wish.is_valid(raise_exception=True)
        stop_giving = wish.validated_data["stop_giving"]
        try:
            data_rights.ask_erasure(self.reader, stop_giving=stop_giving, now=clock.now())
        except data_rights.ErasureRefused as refused:
            raise StillGiving(str(refused)) from refused
        return Response(self._stands(), status=202)

    def _stands(self) -> dict[str, Any]:
        wishes = data_rights.get_requests(self.reader)
        newest = next((one for one in wishes if one.kind == DataRequest.Kind.ERASE), None)
        objection = data_rights.objection_to_erasure(self.reader, now=clock.now())
        told = {
            "state": newest.state.lower() if newest else "none",
            "asked_at": newest.asked_at if newest else None,
            "objection": {"code": objection.code, "message": str(objection.message)} if objection else None,
        }
        return dict(EraseOutput(told).data)
