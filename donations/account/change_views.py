"""The API with which a reader changes a contribution: text in, one call into the domain, how it stands then out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from donations import services, wishes, withdrawals
from donations.account import change_serializers, changes, queries
from donations.account.change_serializers import (
    CardPageOutput,
    ChangeInput,
    PauseInput,
    PreviewOutput,
    StandingOutput,
    StopInput,
    TermsInput,
    VersionInput,
    WithdrawalInput,
    WithdrawalOutput,
)
from donations.account.door import ReaderView
from donations.account.views import NOT_SIGNED_IN
from donations.errors import HasEnded, NotPossibleNow
from donations.models import Contribution, Subscription
from members import clock
from members.validation import StrictSerializer

S = TypeVar("S", bound=StrictSerializer)
_NOT_FOUND = OpenApiResponse(description="not_found: no such contribution of this reader")
_LOOKS: dict[int, Any] = {
    401: NOT_SIGNED_IN,
    404: _NOT_FOUND,
    409: OpenApiResponse(description="not_possible: it is given once"),
}
_CHANGES: dict[int, Any] = {
    400: OpenApiResponse(description="invalid_request, with the fields at fault"),
    401: NOT_SIGNED_IN,
    404: _NOT_FOUND,
    409: OpenApiResponse(
        description="not_possible, has_ended, changed_meanwhile, change_at_work, too_late: all is as it was"
    ),
    502: OpenApiResponse(description="payments_refused, gone: all is as it was"),
    503: OpenApiResponse(description="payments_unavailable: ask again after Retry-After"),
}
_STANDING = {200: StandingOutput, **_CHANGES}


def _told(contribution: Contribution, now: datetime) -> Response:
    try:
        return Response(change_serializers.standing(changes.get_options(contribution, now=now)))
    except Subscription.DoesNotExist:
        raise NotPossibleNow("This is no recurring contribution.") from None


def _read(kind: type[S], data: Any) -> S:
    read = kind(data=data)
    read.is_valid(raise_exception=True)
    return read


class Standing(ReaderView):
    """How one recurring contribution stands, what can be changed, and between which limits."""

    @extend_schema(responses={200: StandingOutput, **_LOOKS})
    def get(self, request: Request, public_id: UUID) -> Response:
        return _told(queries.get_contribution(self.reader, public_id), clock.now())


class Preview(ReaderView):
    """What another amount, interval or fee cover would come to, and when it is first charged. Nothing is changed."""

    @extend_schema(
        parameters=[
            OpenApiParameter("amount", int, description="The gift in minor units."),
            OpenApiParameter("interval", str, enum=["month", "year"]),
            OpenApiParameter("cover_fees", bool),
        ],
        responses={200: PreviewOutput, 400: _CHANGES[400], **_LOOKS},
    )
    def get(self, request: Request, public_id: UUID) -> Response:
        contribution = queries.get_contribution(self.reader, public_id)
        read = _read(TermsInput, _typed(request.query_params.dict()))
        found = wishes.preview(contribution, **read.terms(contribution.currency), now=clock.now())
        return Response(change_serializers.preview(found))


def _typed(query: dict[str, str]) -> dict[str, Any]:
    """A query is text; the fields want the types that JSON has."""
    typed: dict[str, Any] = dict(query)
    if (text := query.get("amount", "")).isascii() and text.isdigit() and len(text) <= 15:
        typed["amount"] = int(text)
    if "cover_fees" in query:
        typed["cover_fees"] = {"true": True, "false": False}.get(query["cover_fees"], query["cover_fees"])
    return typed


class Change(ReaderView):
    """Another amount, interval or fee cover, as the preview says. The same again is the same change."""

    @extend_schema(request=ChangeInput, responses=_STANDING)
    def post(self, request: Request, public_id: UUID) -> Response:
        contribution, now = queries.get_contribution(self.reader, public_id), clock.now()
        read = _read(ChangeInput, request.data)
        wishes.change_terms(
            contribution,
            **read.terms(contribution.currency),
            version=read.validated_data["version"],
            by=wishes.READER,
            now=now,
        )
        return _told(contribution, now)


class Pause(ReaderView):
    """Leave out the next payments; it goes on by itself, and its reader is told before."""

    @extend_schema(request=PauseInput, responses=_STANDING)
    def post(self, request: Request, public_id: UUID) -> Response:
        contribution, now = queries.get_contribution(self.reader, public_id), clock.now()
        read = _read(PauseInput, request.data)
        wishes.pause(contribution, **read.validated_data, by=wishes.READER, now=now)
        return _told(contribution, now)


class Resume(ReaderView):
    """End a pause early: the next payment that falls due is taken."""

    @extend_schema(request=VersionInput, responses=_STANDING)
    def post(self, request: Request, public_id: UUID) -> Response:
        contribution, now = queries.get_contribution(self.reader, public_id), clock.now()
        read = _read(VersionInput, request.data)
        wishes.resume(contribution, **read.validated_data, by=wishes.READER, now=now)
        return _told(contribution, now)


class Stop(ReaderView):
    """Take no further payment; what is paid lasts. Stopping what is stopped changes nothing."""

    @extend_schema(request=StopInput, responses=_STANDING)
    def post(self, request: Request, public_id: UUID) -> Response:
        contribution, now = queries.get_contribution(self.reader, public_id), clock.now()
        reason = _read(StopInput, request.data).validated_data.get("reason", "")
        wishes.stop(contribution, reason=reason, by=wishes.READER, now=now)
        return _told(contribution, now)


class Keep(ReaderView):
    """Let a contribution that was stopped go on after all, as long as it has not ended."""

    @extend_schema(request=None, responses=_STANDING)
    def post(self, request: Request, public_id: UUID) -> Response:
        contribution, now = queries.get_contribution(self.reader, public_id), clock.now()
        wishes.keep(contribution, by=wishes.READER, now=now)
        return _told(contribution, now)


class Undo(ReaderView):
    """Undo the last change, for 24 hours."""

    @extend_schema(request=None, responses=_STANDING)
    def post(self, request: Request, public_id: UUID) -> Response:
        contribution, now = queries.get_contribution(self.reader, public_id), clock.now()
        wishes.undo_last(contribution, by=wishes.READER, now=now)
        return _told(contribution, now)


class MakeOneTime(ReaderView):
    """Let it be the gift that its reader meant to give once, within 48 hours of the first payment."""

    @extend_schema(request=None, responses=_STANDING)
    def post(self, request: Request, public_id: UUID) -> Response:
        contribution, now = queries.get_contribution(self.reader, public_id), clock.now()
        services.make_one_time(contribution.public_id, now=now)
        return _told(contribution, now)


class CardPage(ReaderView):
    """A page of Stripe's on which the reader gives another card; it lives for a few minutes."""

    @extend_schema(request=None, responses={200: CardPageOutput, **_CHANGES})
    def post(self, request: Request, public_id: UUID) -> Response:
        subscription = queries.get_subscription(self.reader, public_id)
        if subscription.state == Subscription.State.CANCELLED:
            raise HasEnded("This contribution has ended.")
        url = services.open_card_page(subscription)
        is_open = subscription.state in (Subscription.State.PAST_DUE, Subscription.State.UNPAID)
        return Response(CardPageOutput({"url": url, "is_tried_at_once": is_open}).data)


class Withdraw(ReaderView):
    """Withdraw from the contract within the days that the law gives: it ends, and everything paid goes back."""

    @extend_schema(request=WithdrawalInput, responses={200: WithdrawalOutput, **_CHANGES})
    def post(self, request: Request, public_id: UUID) -> Response:
        contribution, now = queries.get_contribution(self.reader, public_id), clock.now()
        if not _read(WithdrawalInput, request.data).validated_data["confirm"]:
            raise ValidationError(
                {"confirm": [ErrorDetail("Send true to confirm the withdrawal.", "invalid")]}
            )
        made = withdrawals.declare(contribution, actor=wishes.READER.name, now=now)
        told = {"declared_at": made.declared_at, "is_done": made.closed_at is not None}
        return Response(WithdrawalOutput(told).data)
