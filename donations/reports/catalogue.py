"""
The reports by name. Each is asked in the same way, and says what its figures mean.

`register` is for floors above, whose numbers this one cannot know.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from donations.errors import ReportRefused
from donations.reports import (
    campaigns,
    exchange,
    giving,
    kept,
    payouts,
    periods,
    recovery,
    recurring,
    revenue,
    saves,
    upgrades,
    years,
)
from donations.reports.periods import Granularity, Period
from donations.reports.plans import EVERYTHING, Filters
from donations.reports.question import Page as Page
from donations.reports.question import Question as Question
from donations.reports.question import Window as Window
from members import census

Explain = Callable[[Question, str, Window], Page]


@dataclass(frozen=True, slots=True)
class Report:
    """
    :param answer: makes the figures.
    :param defined_in: the functions whose docstrings define them.
    :param figures: those that can be explained, by name.
    :param converted: sums of all currencies in one, for reports that have such.
    :param knows_when: whether it can be asked as it was known at an earlier moment.
    :param is_quick: whether it is read from sums, in no time in a house of any size.
    """

    answer: Callable[[Question], Any]
    defined_in: tuple[Callable[..., Any], ...]
    figures: tuple[str, ...] = ()
    explain: Explain | None = None
    converted: Callable[[Question], Any] | None = None
    knows_when: bool = False
    is_quick: bool = False

    @property
    def definition(self) -> str:
        """What the figures mean: formula, unit and source."""
        return "\n\n".join(inspect.getdoc(function) or "" for function in self.defined_in)


@dataclass(slots=True)
class _Catalogue:
    reports: dict[str, Report] = field(default_factory=dict)


_catalogue = _Catalogue()


def register(name: str, report: Report) -> None:
    _catalogue.reports[name] = report
    kept.register(
        name,
        lambda asked, now: _reckoned(report, Question.from_asked(asked, now=now)),
        lambda now: usual(now).as_asked(),
    )


def usual(now: datetime) -> Question:
    """What is asked if nobody chooses anything: the last twelve months until today, by the month."""
    today = periods.day_of(now)
    return Question(Period(periods.add_months(today, -11), today), Granularity.MONTH, Filters(), now)


def _reckoned(report: Report, question: Question) -> dict[str, Any]:
    told = {"data": report.answer(question)}
    if question.into is not None and report.converted is not None:
        told["converted"] = report.converted(question)
    return told


def names() -> list[str]:
    return sorted(_catalogue.reports)


def get(name: str) -> Report | None:
    return _catalogue.reports.get(name)


def ask(name: str, question: Question) -> kept.Answer:
    """
    The figures: `data`, and `converted` if that is asked as well.

    Raises ReportRefused if the report cannot be asked so, ReportNotReady if a worker is reckoning it.
    """
    report = _catalogue.reports[name]
    if question.known_at is not None and not report.knows_when:
        raise ReportRefused(
            "This report is told as it is known now.", code="known_at_not_kept", fields=("known_at",)
        )
    if question.into is not None and report.converted is None:
        raise ReportRefused("This report is not converted.", code="not_converted", fields=("into",))
    is_quick = report.is_quick and question.known_at is None and question.into is None
    return kept.get(name, question.as_asked(), now=question.now, is_quick=is_quick)


def explain(report: Report, question: Question, figure: str, window: Window) -> Page:
    """The rows behind a figure. Raises ReportRefused if it has none."""
    if report.explain is None or figure not in report.figures:
        words = (
            f"Choose one of: {', '.join(report.figures)}." if report.figures else "This report has no rows."
        )
        raise ReportRefused(words, code="unknown_figure", fields=("figure",))
    if question.known_at is not None and not report.knows_when:
        raise ReportRefused(
            "This report is told as it is known now.", code="known_at_not_kept", fields=("known_at",)
        )
    return report.explain(question, figure, window)


# --- The reports of this floor


def _revenue(asked: Question) -> Any:
    return revenue.revenue(asked.period, asked.granularity, asked.filters, known_at=asked.known_at)


def _revenue_converted(asked: Question) -> Any:
    return revenue.converted(
        asked.period, asked.granularity, asked.filters, asked.into or exchange.BASE, known_at=asked.known_at
    )


def _mrr_converted(asked: Question) -> Any:
    return recurring.mrr_converted(
        asked.plans(), asked.period, asked.granularity, asked.filters.currency, asked.into or exchange.BASE
    )


def _explain_revenue(asked: Question, figure: str, window: Window) -> Page:
    return Page(
        *revenue.explain(
            asked.period, asked.filters, figure,
            known_at=asked.known_at, first=window.first, count=window.count,
        )
    )  # fmt: skip


def _mrr(asked: Question) -> Any:
    told = recurring.mrr(asked.plans(), asked.period, asked.granularity, asked.filters.currency)
    changes = list(upgrades.amount_changes(asked.plans(), asked.period))
    for place, part in enumerate(asked.period.parts(asked.granularity)):
        of_part = upgrades.upgrades((one for one in changes if part.holds(one.day)), told)
        for currency, parts in told.items():
            parts[place]["changes"] = of_part[currency]
    return told


def _explain_mrr(asked: Question, figure: str, window: Window) -> Page:
    if figure in upgrades.FIGURES:
        changes = upgrades.amount_changes(asked.plans(), asked.period)
        rows = upgrades.explain_upgrades(changes, figure)
        return _page([row for row in rows if asked.filters.currency in (None, row["currency"])], window)
    return _page(recurring.explain_mrr(asked.plans(), asked.period, asked.filters.currency, figure), window)


def _starts(asked: Question) -> list[saves.Start]:
    return saves.read(asked.period, asked.filters, now=asked.now, known_at=asked.known_at)


def _explain_churn(asked: Question, figure: str, window: Window) -> Page:
    if figure in ("started", "saved"):
        return _page(saves.explain_saves(_starts(asked), figure), window, "value")
    rows = recurring.explain_mrr(
        asked.plans(), asked.period, asked.filters.currency, recurring.Kind.CHURN.value
    )
    return _page([row for row in rows if figure in ("churn", row["why"])], window)


def _page(rows: list[dict[str, Any]], window: Window, value: str = "twelfths") -> Page:
    totals: Counter[str] = Counter()
    for row in rows:
        totals[row["currency"]] += row[value]
    return Page(rows[window.first : window.first + window.count], len(rows), dict(sorted(totals.items())))


def _members(asked: Question) -> Any:
    known, year = asked.known_at, asked.period.last.year
    is_all = asked.filters == EVERYTHING
    everybody = census.everybody_on(asked.period.last, known_at=known) if is_all else None

    def some() -> Iterator[giving.Gift]:  # one after the other each time: they may be millions
        return giving.gifts(asked.filters, until=asked.period.last, known_at=known)

    return {
        "parts": giving.members(
            asked.plans(), asked.filters, asked.period, asked.granularity, known_at=known
        ),
        "average_gift": giving.average(some(), asked.period),
        "lifetime": giving.lifetime(some()),
        "lifetime_modelled": giving.lifetime_modelled(some(), asked.period.last),
        "donor_retention": years.donor_retention(some(), year),
        "gains_and_losses": years.gains_and_losses(some(), year),
        "annual_view": years.annual_view(some(), year, everybody),
    }


def _explain_members(asked: Question, figure: str, window: Window) -> Page:
    def some() -> Iterator[giving.Gift]:
        return giving.gifts(
            asked.filters, until=asked.period.last, known_at=asked.known_at, with_payments=True
        )

    return _page(years.explain_gains(some, asked.period.last.year, figure), window, "value")


def _retention(asked: Question) -> Any:
    until = min(asked.today - periods.ONE_DAY, asked.now.date())
    return recurring.retention(asked.plans(), asked.period, asked.filters.currency, until)


def _churn(asked: Question) -> Any:
    rows = recurring.churn(asked.plans(), asked.period, asked.granularity, asked.filters.currency)
    starts = _starts(asked)
    for part, row in zip(asked.period.parts(asked.granularity), rows, strict=True):
        row["saves"] = saves.saves(start for start in starts if part.holds(periods.day_of(start.at)))
    return rows


def _campaigns(asked: Question) -> Any:
    return campaigns.campaigns(asked.plans(), asked.period, asked.filters)


def _explain_campaigns(asked: Question, figure: str, window: Window) -> Page:
    return Page(
        *campaigns.explain_campaigns(
            asked.period, asked.filters, figure, first=window.first, count=window.count
        )
    )


def _payouts(asked: Question) -> Any:
    return payouts.payout_report(asked.period, asked.filters.currency)


def _explain_payouts(asked: Question, _: str, window: Window) -> Page:
    return Page(
        *payouts.explain_payouts(asked.period, asked.filters.currency, first=window.first, count=window.count)
    )


def _recovery(asked: Question) -> Any:
    return {
        "renewals": recovery.recovery(asked.period, asked.filters),
        "at_risk": recovery.at_risk(asked.filters),
        "upcoming": recovery.upcoming(asked.now, asked.filters),
        "disputes": recovery.dispute_rate(asked.period, asked.filters),
        "fee_cover": giving.fee_cover(asked.period, asked.filters),
    }


def _explain_recovery(asked: Question, figure: str, window: Window) -> Page:
    return Page(
        *recovery.explain_recovery(
            asked.period, asked.filters, figure, first=window.first, count=window.count
        )
    )


register(
    "revenue",
    Report(
        _revenue,
        (revenue.revenue, revenue.converted),
        (*revenue.FIGURES, "kept", "fees", "net"),
        _explain_revenue,
        _revenue_converted,
        knows_when=True,
        is_quick=True,
    ),
)
register(
    "mrr",
    Report(
        _mrr,
        (recurring.mrr, recurring.mrr_on, upgrades.upgrades, recurring.mrr_converted),
        ("opening", *(kind.value for kind in recurring.Kind), "closing", *upgrades.FIGURES),
        _explain_mrr,
        _mrr_converted,
        knows_when=True,
    ),
)
register(
    "members",
    Report(
        _members,
        (
            giving.members,
            giving.average,
            giving.lifetime,
            giving.lifetime_modelled,
            years.donor_retention,
            years.gains_and_losses,
            years.annual_view,
        ),
        (*years.GAINS, *years.LOSSES),
        _explain_members,
        knows_when=True,
    ),
)
register("retention", Report(_retention, (recurring.retention,), knows_when=True))
register(
    "churn",
    Report(
        _churn,
        (recurring.churn, saves.saves),
        ("churn", "voluntary", "payment_failed", "started", "saved"),
        _explain_churn,
        knows_when=True,
    ),
)
register("campaigns", Report(_campaigns, (campaigns.campaigns,), ("acquired",), _explain_campaigns))
register("payouts", Report(_payouts, (payouts.payout_report,), ("lines",), _explain_payouts))
register(
    "recovery",
    Report(
        _recovery,
        (
            recovery.recovery,
            recovery.at_risk,
            recovery.upcoming,
            recovery.dispute_rate,
            giving.fee_cover,
        ),
        ("failed", "recovered"),
        _explain_recovery,
    ),
)
