"""The month at a glance: what the dashboard shows. Figures of the reports, side by side; nothing is defined here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from donations.currencies import CURRENCIES
from donations.money import Money
from donations.reports import (
    campaigns,
    catalogue,
    charts,
    giving,
    kept,
    periods,
    recovery,
    recurring,
    revenue,
)
from donations.reports.catalogue import Question
from donations.reports.charts import Chart, Series
from donations.reports.periods import Granularity, Period
from donations.reports.plans import Filters, load
from donations.reports.recurring import Kind

_SHOWN = 13  # months, so that the same month of last year is the first
_COHORTS = 12


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of three months."""

    name: str
    values: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Cohort:
    month: str
    interval: str
    size: int
    shares: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    month: date
    last_day: date
    as_of: datetime
    currency: str
    currencies: tuple[str, ...]
    lines: tuple[Line, ...]
    charts: tuple[Chart, ...]
    cohorts: tuple[Cohort, ...]
    cohort_months: tuple[int, ...]
    recovery: dict[str, Any]
    at_risk: dict[str, Any]
    renewals: dict[str, Any]
    ends: dict[str, Any]
    campaigns: tuple[tuple[str, str, str, str], ...]
    reminders: tuple[tuple[str, str], ...]
    definitions: tuple[tuple[str, str], ...]


NAME = "dashboard"
_NOTHING = {"count": 0, "value": 0}


def dashboard(*, month: date, currency: str | None, now: datetime) -> Dashboard:
    """
    What happened in a month (until today, if it is not over), beside the month before and that of last year.

    Raises ReportNotReady where a worker is reckoning it.
    """
    code = currency if currency in CURRENCIES else None
    kept_ = kept.get(NAME, _asked(month, code), now=now)
    told = kept_.data
    chosen = told["currency"]
    last = date.fromisoformat(told["last_day"])
    parts = list(Period(periods.add_months(month, 1 - _SHOWN), last).parts(Granularity.MONTH))

    def text(minor: int) -> str:
        return Money(minor, chosen).format("en")

    return Dashboard(
        month=month,
        last_day=last,
        as_of=kept_.as_of,
        currency=chosen,
        currencies=tuple(told["currencies"]),
        lines=tuple(_lines(told["money"], told["mrr"], told["people"], text)),
        charts=tuple(_charts(parts, told["money"], told["mrr"], told["people"], text, chosen)),
        cohorts=tuple(_cohorts(told["cohorts"])),
        cohort_months=tuple(range(_COHORTS)),
        recovery={name: share(told["failed"].get(name)) for name in ("failed", "recovered")},
        at_risk=_valued(told["at_risk"], text),
        renewals=_valued(told["renewals"], text),
        ends=_valued(told["ends"], text),
        campaigns=tuple(_campaigns(told["campaigns"], chosen, text)),
        reminders=tuple((word, f"{told['reminders'].get(name, 0):,}") for name, word in _FUNNEL.items())
        if told["reminders"]
        else (),
        definitions=tuple(
            (name, report.definition) for name in catalogue.names() if (report := catalogue.get(name))
        ),
    )


def _asked(month: date, currency: str | None) -> kept.Asked:
    return {"month": f"{month:%Y-%m}", "currency": currency}


def figures(asked: kept.Asked, now: datetime) -> dict[str, Any]:
    """All that the dashboard of a month shows, as numbers."""
    month = date.fromisoformat(f"{asked['month']}-01")
    today = periods.day_of(now)
    last = min(periods.add_months(month, 1) - periods.ONE_DAY, today)
    shown, this = Period(periods.add_months(month, 1 - _SHOWN), last), Period(month, last)
    everything = revenue.revenue(shown, Granularity.MONTH)
    plans = load()
    currencies = tuple(sorted({*everything, *(plan.currency for plan in plans)})) or ("USD",)
    chosen = asked["currency"] if asked["currency"] in currencies else _usual(everything, currencies)
    filters = Filters(currency=chosen)
    upcoming = recovery.upcoming(now, filters)
    parts = list(shown.parts(Granularity.MONTH))
    return {
        "last_day": last,
        "currency": chosen,
        "currencies": currencies,
        "money": everything.get(chosen) or [dict.fromkeys(_MONEY, 0) | {"by_interval": {}} for _ in parts],
        "mrr": recurring.mrr(plans, shown, Granularity.MONTH, chosen).get(chosen),
        "people": giving.members(plans, Filters(), shown, Granularity.MONTH),
        "cohorts": recurring.retention(plans, shown, chosen, min(last, today - periods.ONE_DAY)),
        "failed": recovery.recovery(this, filters)["currencies"].get(chosen, {}),
        "at_risk": recovery.at_risk(filters).get(chosen, _NOTHING),
        "renewals": upcoming["renewals"].get(chosen, _NOTHING),
        "ends": upcoming["ends"].get(chosen, _NOTHING),
        "campaigns": campaigns.campaigns(plans, this, filters),
        "reminders": _reminders(Question(this, Granularity.YEAR, Filters(), now)),
    }


kept.register(NAME, figures, lambda now: _asked(periods.month_of(periods.day_of(now)), None))


_MONEY = ("payments", "gross", "refunds", "disputes", "kept", "settled", "fees", "net")


def _usual(everything: dict[str, Any], currencies: tuple[str, ...]) -> str:
    """The currency in which most payments were made."""
    counts = Counter({code: sum(part["payments"] for part in parts) for code, parts in everything.items()})
    return max(currencies, key=lambda code: (counts[code], code))


def _lines(money: list[Any], mrr: list[Any] | None, people: list[Any], text: Any) -> list[Line]:
    places = (-1, -2, 0)  # this month, the last, the same of last year

    def line(name: str, values: list[str]) -> Line:
        this, before, year = (values[place] for place in places)
        return Line(name, (this, before, year))

    closing = [part["closing"]["minor"] for part in mrr] if mrr else [0] * len(money)
    return [
        line("Gross", [text(part["gross"]) for part in money]),
        line("Refunds", [text(part["refunds"]) for part in money]),
        line("Disputes", [text(part["disputes"]) for part in money]),
        line("Kept", [text(part["kept"]) for part in money]),
        line("Net of fees, as settled", [text(part["net"]) for part in money]),
        line("Monthly recurring revenue", [text(minor) for minor in closing]),
        line("Members", [f"{part['members']:,}" for part in people]),
        line("Recurring donors", [f"{part['recurring']:,}" for part in people]),
        line("Active donors", [f"{part['active_donors']:,}" for part in people]),
        line("New donors", [f"{part['new_donors']:,}" for part in people]),
        line("Lapsed", [f"{part['lapsed']:,}" for part in people]),
        line("Won back", [f"{part['won_back']:,}" for part in people]),
    ]


def _charts(
    parts: list[Period], money: list[Any], mrr: list[Any] | None, people: list[Any], text: Any, currency: str
) -> list[Chart]:
    labels = [f"{part.first:%b %y}" for part in parts]

    def of_interval(interval: str) -> list[int]:
        return [part["by_interval"].get(interval, {}).get("gross", 0) for part in money]

    found = [
        charts.bars(
            "Revenue by interval",
            f"Gross payments in {currency}, by month.",
            labels,
            [Series("Once", of_interval("once")), Series("Monthly", of_interval("month")),
             Series("Yearly", of_interval("year"))],
            text,
        )
    ]  # fmt: skip
    if mrr:
        found.append(
            charts.bars(
                "Monthly recurring revenue",
                f"At the end of each month, in {currency}, without fee cover.",
                labels,
                [Series("MRR", [part["closing"]["minor"] for part in mrr])],
                text,
            )
        )
        found.append(
            charts.bars(
                "What moved it",
                f"Movements of monthly recurring revenue in {currency}.",
                labels,
                [
                    Series(kind.value.capitalize(), [part["movements"][kind]["minor"] for part in mrr])
                    for kind in (Kind.NEW, Kind.EXPANSION, Kind.REACTIVATION, Kind.CONTRACTION, Kind.CHURN)
                ],
                text,
            )
        )
    found.append(
        charts.bars(
            "People",
            "At the end of each month, in all currencies: who may call themselves a member.",
            labels,
            [Series("Members", [part["members"] for part in people])],
            lambda number: f"{number:,}",
        )
    )
    return found


def _cohorts(rows: list[dict[str, Any]]) -> list[Cohort]:
    return [
        Cohort(
            f"{date.fromisoformat(row['cohort']):%b %Y}",
            {"month": "monthly", "year": "yearly"}[row["interval"]],
            row["size"],
            tuple(f"{round(each['value'] * 100)} %" for each in row["months"][:_COHORTS]),
        )
        for row in rows
    ]


def _campaigns(rows: list[dict[str, Any]], currency: str, text: Any) -> list[tuple[str, str, str, str]]:
    return [
        (
            row["campaign"],
            share(row["direct"]),
            text(row["revenue"].get(currency, {}).get("kept", 0)),
            text(row["new_mrr"].get(currency, {}).get("minor", 0)),
        )
        for row in rows
    ]


_FUNNEL = {
    "asked": "Asked for",
    "due": "Mails due",
    "mailed": "Mailed",
    "held_out": "Held out by lot",
    "begun": "Began to give from the mail",
    "direct": "Gave by the mail's link",
    "assisted": "Gave within 14 days without it",
}


def _reminders(asked: Question) -> dict[str, int]:
    """The steps from a wish to a gift, if the floor above has registered its report."""
    report = catalogue.get("reminders")
    if report is None:
        return {}
    told: Counter[str] = Counter()
    for part in report.answer(asked):
        told.update({name: part[name] for name in ("asked", "due", "mailed", "held_out")})
        told.update({name: part[name]["numerator"] for name in ("begun", "direct", "assisted")})
    return dict(told)


def _valued(counted: dict[str, int], text: Any) -> dict[str, Any]:
    return {"count": counted["count"], "value": text(counted["value"])}


def share(rate: dict[str, Any] | None) -> str:
    """A rate as people read it; with its two numbers, since a share of few means little."""
    if rate is None or rate["value"] is None:
        return "–"
    return f"{rate['value'] * 100:.1f} % ({rate['numerator']:,} of {rate['denominator']:,})"
