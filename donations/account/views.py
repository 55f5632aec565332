"""The API's front under /api/v1/me/: text in, one call into the domain, text out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from donations.account import consents, documents, door, pages, personal, queries, serializers, throttle
from donations.account.door import ReaderView
from donations.account.sign_in_views import refused
from donations.errors import AddressTaken
from members import clock, self_service, sessions, sign_in

NOT_SIGNED_IN = OpenApiResponse(description="token_missing, token_invalid")
NOT_FOUND = OpenApiResponse(description="not_found: there is none, or it is somebody else's")
INVALID = OpenApiResponse(description="invalid_request: a field is missing or wrong")
PER_PAGE = 50
_PAGE = OpenApiParameter("page", int, description="From 1.")


class Me(ReaderView):
    """Who is signed in, and how the membership stands."""

    @extend_schema(responses={200: serializers.MeOutput, 401: NOT_SIGNED_IN})
    def get(self, request: Request) -> Response:
        return Response(serializers.me(self.reader, now=clock.now()))

    @extend_schema(
        request=serializers.MeInput,
        responses={200: serializers.MeOutput, 400: INVALID, 401: NOT_SIGNED_IN},
    )
    def patch(self, request: Request) -> Response:
        wanted = serializers.MeInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        if "name" in wanted.validated_data:
            self_service.set_name(self.reader, wanted.validated_data["name"])
        if "locale" in wanted.validated_data:
            personal.set_language(self.reader, wanted.validated_data["locale"])
        return Response(serializers.me(self.reader, now=clock.now()))


class Contributions(ReaderView):
    """What the reader gives and gave, the newest first, a page at a time."""

    @extend_schema(
        operation_id="me_contributions_list",
        parameters=[_PAGE],
        responses={200: serializers.MyContributionsOutput, 401: NOT_SIGNED_IN},
    )
    def get(self, request: Request) -> Response:
        return Response(_page(request, queries.get_contributions(self.reader), serializers.contribution))


class ContributionOfMine(ReaderView):
    """One contribution of the reader, with the card that is charged next."""

    @extend_schema(
        responses={200: serializers.MyContributionDetailOutput, 401: NOT_SIGNED_IN, 404: NOT_FOUND}
    )
    def get(self, request: Request, public_id: UUID) -> Response:
        found = queries.get_contribution(self.reader, public_id)
        return Response(serializers.contribution_with_card(found))


class Payments(ReaderView):
    """The reader's payments, the newest first, a page at a time."""

    @extend_schema(
        operation_id="me_payments_list",
        parameters=[_PAGE],
        responses={200: serializers.MyPaymentsOutput, 401: NOT_SIGNED_IN},
    )
    def get(self, request: Request) -> Response:
        return Response(_page(request, queries.get_payments(self.reader), serializers.payment))


class PaymentOfMine(ReaderView):
    """One payment of the reader."""

    @extend_schema(responses={200: serializers.MyPaymentOutput, 401: NOT_SIGNED_IN, 404: NOT_FOUND})
    def get(self, request: Request, public_id: UUID) -> Response:
        return Response(serializers.payment(queries.get_payment(self.reader, public_id)))


class ReceiptFile(ReaderView):
    """The receipt of a payment that arrived, as PDF, in the reader's language."""

    @extend_schema(
        responses={(200, "application/pdf"): OpenApiTypes.BINARY, 401: NOT_SIGNED_IN, 404: NOT_FOUND}
    )
    def get(self, request: Request, public_id: UUID) -> HttpResponse:
        payment = queries.get_payment(self.reader, public_id)
        with self.in_readers_language():
            content = documents.receipt_pdf(self.reader, payment)
        return pages.pdf(content, f"receipt-{payment.receipt_number or 'gift'}")


class Statements(ReaderView):
    """The calendar years in which the reader gave, the latest first."""

    @extend_schema(
        operation_id="me_statements_list",
        responses={200: {"type": "array", "items": {"type": "integer"}}, 401: NOT_SIGNED_IN},
    )
    def get(self, request: Request) -> Response:
        return Response(queries.get_years(self.reader))


class StatementOfYear(ReaderView):
    """What the reader gave in a calendar year of the newsroom, by currency, net of what was given back."""

    @extend_schema(responses={200: serializers.StatementOutput, 401: NOT_SIGNED_IN, 404: NOT_FOUND})
    def get(self, request: Request, year: int) -> Response:
        return Response(serializers.statement(_statement(self, year)))


class StatementFile(ReaderView):
    """The same as PDF, in the reader's language."""

    @extend_schema(
        responses={(200, "application/pdf"): OpenApiTypes.BINARY, 401: NOT_SIGNED_IN, 404: NOT_FOUND}
    )
    def get(self, request: Request, year: int) -> HttpResponse:
        found = _statement(self, year)
        with self.in_readers_language():
            content = documents.year_pdf(self.reader, found, now=clock.now())
        return pages.pdf(content, f"gifts-{year}")


def _statement(view: ReaderView, year: int) -> queries.Statement:
    if not pages.FIRST_YEAR <= year <= pages.LAST_YEAR:
        raise Http404
    found = queries.get_statement(view.reader, year)
    if not found.sums:
        raise Http404
    return found


class Consents(ReaderView):
    """What the reader allows the newsroom to send; the text comes in the reader's language."""

    @extend_schema(responses={200: serializers.ConsentOutput(many=True), 401: NOT_SIGNED_IN})
    def get(self, request: Request) -> Response:
        return self._told()

    @extend_schema(
        request=serializers.ConsentsInput,
        responses={200: serializers.ConsentOutput(many=True), 400: INVALID, 401: NOT_SIGNED_IN},
    )
    def patch(self, request: Request) -> Response:
        wanted = serializers.ConsentsInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        consents.set_given(self.reader, dict(wanted.validated_data), now=clock.now())
        return self._told()

    def _told(self) -> Response:
        with self.in_readers_language():
            return Response([serializers.consent(given) for given in consents.get_given(self.reader)])


class Address(ReaderView):
    """Ask for another address: a link goes there. Nothing changes before it is opened."""

    @extend_schema(
        request=serializers.AddressInput,
        responses={
            202: OpenApiTypes.OBJECT,
            400: INVALID,
            401: NOT_SIGNED_IN,
            429: OpenApiResponse(description="too_many_requests: wait for Retry-After"),
        },
    )
    def post(self, request: Request) -> Response:
        now, wanted = clock.now(), serializers.AddressInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        email = wanted.validated_data["email"]
        throttle.note_sign_in(request._request, email=email, now=now)
        personal.ask_for_address(self.reader, email, locale=self.reader.locale, now=now)
        return Response({"status": "accepted"}, status=202)


class AddressConfirmation(ReaderView):
    """Take the new address, with the token of the link that was sent there."""

    @extend_schema(
        request=serializers.LinkInput,
        responses={
            200: serializers.MeOutput,
            400: INVALID,
            401: OpenApiResponse(
                description="token_missing, token_invalid; link_invalid, link_used, link_expired"
            ),
            409: OpenApiResponse(description="address_taken: write to the newsroom"),
        },
    )
    def post(self, request: Request) -> Response:
        now, given = clock.now(), serializers.LinkInput(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            reader = personal.confirm_address(self.reader, given.validated_data["token"], now=now)
        except sign_in.BadLink as error:
            raise refused(error) from error
        except self_service.AddressTaken as error:
            raise AddressTaken("The address belongs to another reader's. Please write to us.") from error
        return Response(serializers.me(reader, now=now))


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


def _page(request: Request, rows: QuerySet[Any], draw: Any) -> dict[str, Any]:
    """One page of rows; the nearest one for a number that there is not."""
    found = Paginator(rows, PER_PAGE).get_page(request.query_params.get("page"))
    return {
        "count": found.paginator.count,
        "page": found.number,
        "pages": found.paginator.num_pages,
        "results": [draw(row) for row in found],
    }
