"""The API's front: text in, one call into the domain, text out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ErrorDetail, ValidationError
from rest_framework.views import APIView

from donations import queries as donation_queries
from donations.errors import InvalidWish
from members import clock, emails
from reminders import ics, letters, queries, serializers, services, throttle, zones

_INVALID = OpenApiResponse(description="invalid_request: a field is missing or wrong")


class ReminderCreate(APIView):
    """Ask to be asked again later. The answer is the same whether or not the address is known."""

    @extend_schema(
        request=serializers.ReminderInput, responses={202: serializers.PromiseOutput, 400: _INVALID}
    )
    def post(self, request: Request) -> Response:
        now = clock.now()
        wanted = serializers.ReminderInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        wish = wanted.wish(now=now)
        _take(request, wish)
        return Response({"status": "accepted", "promise": serializers.promise(wish)}, status=202)


def _take(request: Request, wish: services.Wish) -> None:
    """Store the wish, or, if too many come, only look at it: either way an impossible one is refused."""
    now = clock.now()
    services.check(wish, now=now)
    if throttle.allows(request._request, email=wish.email, now=now):
        services.ask_for_reminder(wish=wish, now=now)


class CalendarFile(APIView):
    """The same reminder for the reader's own calendar; nothing is stored."""

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "remind", str, required=True, description="As in a reminder, or every_3_months."
            ),
            *[
                OpenApiParameter(name, str)
                for name in ("campaign", "interval", "amount", "currency", "locale", "time_zone", "country")
            ],
        ],
        responses={(200, "text/calendar"): OpenApiTypes.STR, 400: _INVALID},
    )
    def get(self, request: Request) -> HttpResponse:
        now = clock.now()
        given: dict[str, Any] = request.query_params.dict()
        amount = given.get("amount", "")
        if amount.isascii() and amount.isdigit() and len(amount) <= 13:
            given["amount"] = int(amount)
        wanted = serializers.WhenInput(data=given)
        wanted.is_valid(raise_exception=True)
        plan = wanted.plan(now=now)
        found = wanted.validated_data
        if found["remind"] == serializers.WHEN_PAYMENTS_WORK:
            raise ValidationError({"remind": [ErrorDetail("A calendar does not know that.", "invalid")]})
        slug = found.get("campaign", "")
        campaign = (
            donation_queries.get_running_campaign(slug, now=now)
            if slug
            else donation_queries.get_running_campaigns(now=now).first()
        )
        if campaign is None:
            raise InvalidWish(
                "There is no appeal at the moment.", code="campaign_ended", fields=("campaign",)
            )
        language = emails.supported_language(found.get("locale") or campaign.locale)
        words = letters.calendar_words(language)
        body = ics.entry(
            plan=plan,
            zone=zones.of_reader(time_zone=found.get("time_zone", ""), country=found.get("country", "")),
            title=words.title % {"newsroom": settings.NEWSROOM_NAME},
            text=words.text,
            link=letters.plain_give_url(
                campaign, interval=found.get("interval", ""), amount=wanted.amount_wished(), language=language
            ),
            now=now,
        )
        response = HttpResponse(body, content_type="text/calendar; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="reminder.ics"'
        return response


# --- The Guardian's routes, so that a client written for its service works here


class GuardianOneOff(APIView):
    """A single reminder, with the Guardian's names."""

    @extend_schema(
        request=serializers.GuardianOneOffInput, responses={200: OpenApiTypes.OBJECT, 400: _INVALID}
    )
    def post(self, request: Request) -> Response:
        wanted = serializers.GuardianOneOffInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        _take(request, wanted.wish(now=clock.now()))
        return Response({"done": True})


class GuardianRecurring(APIView):
    """A reminder every so many months, with the Guardian's names."""

    @extend_schema(
        request=serializers.GuardianRecurringInput, responses={200: OpenApiTypes.OBJECT, 400: _INVALID}
    )
    def post(self, request: Request) -> Response:
        wanted = serializers.GuardianRecurringInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        _take(request, wanted.wish(now=clock.now()))
        return Response({"done": True})


class GuardianCancel(APIView):
    """Stop all reminders of the person whose code it is. The same answer whether or not the code is known."""

    @extend_schema(request=serializers.GuardianCodeInput, responses={200: OpenApiTypes.STR, 400: _INVALID})
    def post(self, request: Request) -> Response:
        wanted = serializers.GuardianCodeInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        services.cancel_all_of_person(code=wanted.validated_data["reminderCode"], now=clock.now())
        return Response("OK")


class GuardianReactivate(APIView):
    """Start a stopped recurring reminder again. The same answer whether or not the code is known."""

    @extend_schema(request=serializers.GuardianCodeInput, responses={200: OpenApiTypes.STR, 400: _INVALID})
    def post(self, request: Request) -> Response:
        wanted = serializers.GuardianCodeInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        services.reactivate(code=wanted.validated_data["reminderCode"], now=clock.now())
        return Response("OK")


# --- For staff


class MaySeeReminders(BasePermission):
    """Members of staff who may look at reminders in the admin."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        return bool(user and user.is_active and user.is_staff and user.has_perm("reminders.view_reminder"))


class Stats(APIView):
    """Numbers for staff, with the session of the admin."""

    authentication_classes = [SessionAuthentication]
    permission_classes = [MaySeeReminders]

    @extend_schema(responses={200: OpenApiTypes.OBJECT, 403: OpenApiResponse(description="only for staff")})
    def get(self, request: Request) -> Response:
        return Response(queries.get_stats(now=clock.now()))
