"""What a reader sees who is signed in: how things stand, what was paid, what is given, who they are."""

from __future__ import annotations

from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from donations.account import change_drawing, drawing, queries
from donations.account.door import ReaderRequest, for_reader, show
from members import clock, sessions

PER_PAGE = 25


@require_safe
@for_reader
def overview(request: ReaderRequest) -> HttpResponse:
    """How things stand."""
    running = queries.get_contributions(request.reader).filter(subscription__isnull=False)
    gifts = [drawing.gift(row) for row in running.exclude(subscription__state="CANCELLED")]
    return show(request, "account/overview.html", {"gifts": gifts}, section="overview")


@require_safe
@for_reader
def payments(request: ReaderRequest) -> HttpResponse:
    """What was paid, a page at a time."""
    found = Paginator(queries.get_payments(request.reader), PER_PAGE).get_page(request.GET.get("page"))
    shown = {"lines": [drawing.payment(row) for row in found], "found": found}
    return show(request, "account/payments.html", shown, section="payments")


@require_safe
@for_reader
def contributions(request: ReaderRequest) -> HttpResponse:
    """What is given, and what was given, a page at a time."""
    rows = queries.get_contributions(request.reader)
    found = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    shown = {"gifts": [drawing.gift(row) for row in found], "found": found}
    return show(request, "account/contributions.html", shown, section="contributions")


@require_safe
@for_reader
def contribution(request: ReaderRequest, public_id: UUID) -> HttpResponse:
    """One contribution: how much, how often, what comes next."""
    row = queries.get_contribution(request.reader, public_id)
    shown = {"gift": drawing.gift(row), **change_drawing.shown(row, now=clock.now())}
    return show(request, "account/contribution.html", shown, section="contributions")


@require_safe
@for_reader
def personal(request: ReaderRequest) -> HttpResponse:
    """Who the reader is to us, and where they are signed in."""
    running = sessions.get_running(request.reader, now=clock.now())
    return show(request, "account/personal.html", {"sessions": running.count()}, section="personal")
