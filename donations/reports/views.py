"""Reports over HTTP, for staff in the admin and for programs with a key."""

from __future__ import annotations

from typing import Any, NoReturn

from django.http import Http404
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from donations.reports import catalogue, keys
from donations.reports.serializers import QuestionInput
from members import audit, clock, staff_session

KEY = "key"  # how whoever came with one is told from whoever is signed in


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer sustainer_reports_…`."""

    def authenticate(self, request: Request) -> tuple[Any, str] | None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        owner = keys.owner_of(text.strip(), now=clock.now())
        if owner is None:
            raise AuthenticationFailed("This key opens nothing (any more).", "invalid_key")
        return owner, KEY

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The same, for the description of the API."""

    target_class = KeyAuthentication
    name = "reportKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class MaySeeReports(BasePermission):
    """Staff with the right to see the newsroom's numbers: in a session with both factors, or with a key."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        is_here = request.auth == KEY or staff_session.is_open(request._request)
        return bool(is_here and user and user.is_active and user.is_staff and user.has_perm(keys.PERMISSION))


class ReportDetail(APIView):
    """One report: its figures and what they mean, or with `explain` the rows behind one of them."""

    authentication_classes = [KeyAuthentication, SessionAuthentication]
    permission_classes = [MaySeeReports]

    def permission_denied(
        self, request: Request, message: str | None = None, code: str | None = None
    ) -> NoReturn:
        """A denied call of somebody we know is written down, as in the admin."""
        if request.user and request.user.is_authenticated:
            audit.record(
                actor=audit.actor_of(request._request) if request.auth != KEY else f"staff:{request.user.pk}",
                act=audit.Act.DENIED,
                what="report",
                facts={"report": str(self.kwargs.get("report", ""))[:60]},
                now=clock.now(),
            )
        super().permission_denied(request, message, code)

    @extend_schema(
        parameters=[
            QuestionInput,
            OpenApiParameter(
                "report",
                str,
                OpenApiParameter.PATH,
                enum=[
                    "campaigns", "churn", "members", "mrr", "payouts", "recovery", "reminders", "retention", "revenue",
                ],
            ),
        ],
        responses={
            200: OpenApiTypes.OBJECT,
            400: OpenApiResponse(description="invalid_request: a parameter is wrong"),
            401: OpenApiResponse(description="invalid_key, not_authenticated"),
            403: OpenApiResponse(description="permission_denied: only for staff who may see reports"),
            404: OpenApiResponse(description="not_found: there is no such report"),
            503: OpenApiResponse(description="report_not_ready: a worker is reckoning it; ask after Retry-After"),
        },
    )  # fmt: skip
    def get(self, request: Request, report: str) -> Response:
        found = catalogue.get(report)
        if found is None:
            raise Http404
        wanted = QuestionInput(data=request.query_params.dict())
        wanted.is_valid(raise_exception=True)
        question = wanted.question(now=clock.now())
        answer: dict[str, Any] = {
            "report": report,
            "from": question.period.first,
            "to": question.period.last,
            "granularity": question.granularity.value,
            "currency": question.filters.currency,
            "campaign": question.filters.campaign,
            "known_at": question.known_at,
        }
        if not wanted.validated_data["explain"]:
            told = catalogue.ask(report, question)
            answer |= {
                "as_of": told.as_of,
                "into": question.into,
                "definition": found.definition,
                **told.data,
            }
            return Response(answer)
        figure, window = wanted.validated_data["figure"], wanted.window()
        page = catalogue.explain(found, question, figure, window)
        return Response(
            {
                **answer,
                "figure": figure,
                "count": page.count,
                "page": wanted.validated_data["page"],
                "pages": -(-page.count // window.count),
                "total": page.total,
                "rows": page.rows,
            }
        )
