"""What a reader sees who is signed in: how things stand, what was paid, what is given."""

from __future__ import annotations

from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from donations.account import change_drawing, documents, drawing, queries
from donations.account.door import ReaderRequest, for_reader, show
from members import clock

PER_PAGE = 25
FIRST_YEAR, LAST_YEAR = 1990, 2999  # what is outside of them is no year of a gift, and no date of a database


@require_safe
@for_reader
def overview(request: ReaderRequest) -> HttpResponse:
    """How things stand: the membership, and what is given regularly."""
    now = clock.now()
    shown = {
        "membership": drawing.membership(queries.get_membership(request.reader, now=now), now=now),
        "gifts": [drawing.gift(row) for row in queries.get_running_contributions(request.reader)],
        "years": queries.get_years(request.reader)[:1],
    }
    return show(request, "account/overview.html", shown, section="overview")


@require_safe
@for_reader
def payments(request: ReaderRequest) -> HttpResponse:
    """What was paid, a page at a time, and the years of which there is a statement."""
    found = Paginator(queries.get_payments(request.reader), PER_PAGE).get_page(request.GET.get("page"))
    shown = {
        "lines": [drawing.payment(row) for row in found],
        "found": found,
        "years": queries.get_years(request.reader),
    }
    return show(request, "account/payments.html", shown, section="payments")


@require_safe
@for_reader
def receipt(request: ReaderRequest, public_id: UUID) -> HttpResponse:
    """The receipt of a payment that arrived."""
    payment = queries.get_payment(request.reader, public_id)
    shown = {"receipt": documents.receipt(request.reader, payment), "payment": payment}
    return show(request, "account/receipt.html", shown, section="payments")


@require_safe
@for_reader
def receipt_file(request: ReaderRequest, public_id: UUID) -> HttpResponse:
    """The same as PDF."""
    payment = queries.get_payment(request.reader, public_id)
    return pdf(documents.receipt_pdf(request.reader, payment), f"receipt-{payment.receipt_number or 'gift'}")


@require_safe
@for_reader
def statement(request: ReaderRequest, year: int) -> HttpResponse:
    """What was given in a calendar year."""
    shown = {"told": documents.year(_statement(request, year))}
    return show(request, "account/statement.html", shown, section="payments")


@require_safe
@for_reader
def statement_file(request: ReaderRequest, year: int) -> HttpResponse:
    """The same as PDF."""
    found = _statement(request, year)
    return pdf(documents.year_pdf(request.reader, found, now=clock.now()), f"gifts-{year}")


def _statement(request: ReaderRequest, year: int) -> queries.Statement:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise Http404
    found = queries.get_statement(request.reader, year)
    if not found.sums:
        raise Http404
    return found


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
    """One contribution: how much, how often, what comes next, by which card."""
    row = queries.get_contribution(request.reader, public_id)
    shown = {
        "contribution": row,
        "gift": drawing.gift(row),
        "card": drawing.card(row),
        "fee_cover": drawing.fee_cover(row),
        **change_drawing.shown(row, now=clock.now()),
    }
    return show(request, "account/contribution.html", shown, section="contributions")


def pdf(content: bytes, name: str) -> HttpResponse:
    """A file that browsers show or save under this name, without its ending."""
    headers = {"Content-Disposition": f'inline; filename="{name}.pdf"'}
    return HttpResponse(content, content_type="application/pdf", headers=headers)
