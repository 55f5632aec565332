"""What receipts and yearly statements say, for the page and for paper; in the active language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from donations.account import drawing, paper, queries
from donations.account.queries import Statement
from donations.errors import UnknownContribution
from donations.models import Payment
from members.models import Member

_INTERVALS = {
    "once": gettext_lazy("A gift"),
    "month": gettext_lazy("A monthly contribution"),
    "year": gettext_lazy("An annual contribution"),
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """
    A payment that arrived, in words.

    :param facts: names and values, in the order in which they are read.
    :param total: what the newsroom has of it: the sum less what was given back.
    """

    number: str
    facts: list[tuple[str, str]]
    total: str


def receipt(reader: Member, payment: Payment) -> Receipt:
    """
    The receipt of one of the reader's payments.

    :raises UnknownContribution: it did not arrive, so that there is no receipt for it.
    """
    if payment.state != Payment.State.SUCCEEDED or payment.paid_at is None:
        raise UnknownContribution("There is no receipt for this payment.")
    language = translation.get_language()
    contribution, back = payment.contribution, queries.given_back(payment)
    facts = [
        (_("Number"), payment.receipt_number or "–"),
        (_("From"), reader.name or reader.email),
        (_("Paid on"), drawing.day(payment.paid_at)),
        (_("For"), contribution.campaign.title),
        (_("Kind"), str(_INTERVALS[contribution.interval])),
        (_("Amount"), payment.amount.format(language)),
    ]
    if contribution.fee_cover_minor and payment.amount == contribution.total:
        facts.append((_("Of it for the payment fee"), contribution.fee_cover.format(language)))
    if back.minor:
        facts.append((_("Given back"), back.format(language)))
    return Receipt(payment.receipt_number or "", facts, (payment.amount - back).format(language))


def receipt_pdf(reader: Member, payment: Payment) -> bytes:
    """The same on paper. Raises UnknownContribution, as `receipt`."""
    told = receipt(reader, payment)
    return paper.facts(_("Receipt"), told.facts, total=(_("Received"), told.total), note=_("Thank you!"))


@dataclass(frozen=True, slots=True)
class Year:
    """A yearly statement in words: its lines as day, what for, given, given back; its sums by currency."""

    year: int
    lines: list[tuple[str, str, str, str]]
    sums: list[tuple[str, str, str]]


def year(statement: Statement) -> Year:
    """A statement in words; an empty text where nothing was given back."""
    language = translation.get_language()
    lines = []
    for row in statement.payments:
        back = queries.given_back(row)
        lines.append(
            (
                drawing.day(row.paid_at),
                row.contribution.campaign.title,
                row.amount.format(language),
                back.format(language) if back.minor else "",
            )
        )
    sums = [
        (each.given.format(language), each.returned.format(language), each.kept.format(language))
        for each in statement.sums
    ]
    return Year(statement.year, lines, sums)


def year_pdf(reader: Member, statement: Statement, *, now: datetime) -> bytes:
    """
    The statement on paper.

    :param now: when it is made; later refunds are not in it, and it says so.
    """
    told = year(statement)
    sums = []
    for given, returned, kept in told.sums:
        sums += [(_("Given"), given), (_("Given back"), returned), (_("Received in all"), kept)]
    return paper.table(
        _("Your gifts in %(year)s") % {"year": told.year},
        [reader.name, reader.email] if reader.name else [reader.email],
        head=(_("Day and purpose"), _("Given"), _("Given back")),
        rows=[(f"{day} · {title}", given, back) for day, title, given, back in told.lines],
        sums=sums,
        note=_("As of %(day)s. What was given back of a payment counts in the year of that payment.")
        % {"day": drawing.day(now)},
    )
