"""The API's front: text in, one call into the domain, text out."""

from __future__ import annotations

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from members import clock, staff_session, typos
from reminders import entries, queries, serializers, services, throttle

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
        answer = {"status": "accepted", "promise": serializers.promise(wish)}
        meant = typos.meant(wish.email.rpartition("@")[2])
        return Response({**answer, **({"did_you_mean": meant} if meant else {})}, status=202)


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
            OpenApiParameter("uid", str, description="Of an entry that changes. Default: a new entry."),
        ],
        responses={(200, "text/calendar"): OpenApiTypes.STR, 400: _INVALID},
    )
    def get(self, request: Request) -> HttpResponse:
        wanted = entries.EntryInput(data=request.query_params.dict())
        wanted.is_valid(raise_exception=True)
        return entries.published(wanted, now=clock.now())


class CancelledCalendarFile(APIView):
    """The file that takes such an entry out of the reader's calendar again; the entry's own link knows what to ask."""

    @extend_schema(
        parameters=[
            OpenApiParameter("uid", str, required=True, description="Of the entry."),
            OpenApiParameter(
                "day", str, required=True, description="The entry's (first) day, such as 2027-01-15."
            ),
            OpenApiParameter("every", int, description="Of a series: months from one to the next."),
            OpenApiParameter(
                "anchor", int, description="Of a series: the day of the month to which it returns."
            ),
            *[OpenApiParameter(name, str) for name in ("locale", "time_zone", "country")],
        ],
        responses={(200, "text/calendar"): OpenApiTypes.STR, 400: _INVALID},
    )
    def get(self, request: Request) -> HttpResponse:
        wanted = entries.StatedEntryInput(data=request.query_params.dict())
        wanted.is_valid(raise_exception=True)
        return entries.cancelled(wanted, now=clock.now())


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
        is_here = staff_session.is_open(request._request)
        return bool(is_here and user and user.has_perm("reminders.view_reminder"))


class Stats(APIView):
    """Numbers for staff, with the session of the admin."""

    authentication_classes = [SessionAuthentication]
    permission_classes = [MaySeeReminders]

    @extend_schema(responses={200: OpenApiTypes.OBJECT, 403: OpenApiResponse(description="only for staff")})
    def get(self, request: Request) -> Response:
        return Response(queries.get_stats(now=clock.now()))
