"""The month at a glance: what the dashboard shows. Figures of the reports, side by side; nothing is defined here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
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
    saves,
    upgrades,
    years,
)
from donations.reports.catalogue import Question
from donations.reports.charts import Chart, Series
from donations.reports.periods import Granularity, Period
from donations.reports.plans import Filters, Plan, load
from donations.reports.rates import share
from donations.reports.recurring import Kind
from members import census

_SHOWN = 13  # months, so that the same month of last year is the first
_COHORTS = 12


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of three months."""

    name: str
    values: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Group:
    """Lines about one thing."""

    name: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Years:
    """
    Everybody by the years in which they gave.

    :param heads: which year, and the one before.
    :param rows: a name, and how many gave in either.
    :param others: who gave in neither: a name, and how many.
    """

    heads: tuple[str, str]
    rows: tuple[tuple[str, str, str], ...]
    others: tuple[tuple[str, str], ...]


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
    glance: tuple[Group, ...]
    charts: tuple[Chart, ...]
    cohorts: tuple[Cohort, ...]
    cohort_months: tuple[int, ...]
    years: Years
    recovery: dict[str, Any]
    at_risk: dict[str, Any]
    renewals: dict[str, Any]
    ends: dict[str, Any]
    campaigns: tuple[tuple[str, str, str, str], ...]
    reminders: tuple[tuple[str, str], ...]
    definitions: tuple[tuple[str, str], ...]


NAME = "dashboard"
_EDITION = (
    2  # of what `figures` tells: an answer that was kept before an update does not know what is asked now
)
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
        glance=tuple(_glance(told, text)),
        charts=tuple(_charts(parts, told["money"], told["mrr"], told["people"], text, chosen)),
        cohorts=tuple(_cohorts(told["cohorts"])),
        cohort_months=tuple(range(_COHORTS)),
        years=_years(told["years"]),
        recovery={name: share(told["failed"].get(name)) for name in ("failed", "recovered")},
        at_risk=_valued(told["at_risk"], text),
        renewals=_valued(told["renewals"], text),
        ends=_valued(told["ends"], text),
        campaigns=tuple(_campaigns(told["campaigns"], chosen, text)),
        reminders=tuple((word, f"{told['reminders'].get(name, 0):,}") for name, word in _FUNNEL.items())
        if told["reminders"]
        else (),
        definitions=tuple(
            ("MRR" if name == "mrr" else name.capitalize(), report.definition)
            for name in catalogue.names()
            if (report := catalogue.get(name))
        ),
    )


def _asked(month: date, currency: str | None) -> kept.Asked:
    return {"month": f"{month:%Y-%m}", "currency": currency, "edition": _EDITION}


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
        "changes": _changes([plan for plan in plans if plan.currency == chosen], parts, chosen),
        "saves": _saves(shown, parts, now),
        "people": giving.members(plans, Filters(), shown, Granularity.MONTH),
        "cohorts": recurring.retention(plans, shown, chosen, min(last, today - periods.ONE_DAY)),
        "years": years.annual_view(giving.gifts(until=last), last.year, census.everybody_on(last)),
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


def _changes(plans: list[Plan], parts: list[Period], currency: str) -> list[dict[str, Any]]:
    """Upgrades and downgrades of each month."""
    changes = list(upgrades.amount_changes(plans, Period(parts[0].first, parts[-1].last)))
    return [
        upgrades.upgrades((one for one in changes if part.holds(one.day)), [currency])[currency]
        for part in parts
    ]


def _saves(shown: Period, parts: list[Period], now: datetime) -> list[dict[str, Any]]:
    """Of each month, who set out to stop and stayed."""
    starts = saves.read(shown, now=now)
    return [saves.saves(one for one in starts if part.holds(periods.day_of(one.at))) for part in parts]


def _glance(told: dict[str, Any], text: Any) -> Iterator[Group]:
    money, people, changes = told["money"], told["people"], told["changes"]
    mrr = [part["closing"]["minor"] for part in told["mrr"]] if told["mrr"] else [0] * len(money)

    def of_money(key: str) -> list[str]:
        return [text(part[key]) for part in money]

    def of_people(key: str) -> list[str]:
        return [f"{part[key]:,}" for part in people]

    def of_changes(key: str) -> list[str]:
        return [f"{part[key]['count']:,} ({text(part[key]['minor'])})" for part in changes]

    yield _group(
        "Money",
        ("Gross", of_money("gross")),
        ("Refunds", of_money("refunds")),
        ("Disputes", of_money("disputes")),
        ("Kept", of_money("kept")),
        ("Net of fees, as settled", of_money("net")),
    )
    yield _group(
        "Regular gifts",
        ("Monthly recurring revenue", [text(minor) for minor in mrr]),
        ("Upgrades", of_changes("upgrades")),
        ("Downgrades", of_changes("downgrades")),
        ("Stayed, of those who set out to stop", [share(part["saved"]) for part in told["saves"]]),
    )
    yield _group(
        "People",
        ("Members", of_people("members")),
        ("Recurring donors", of_people("recurring")),
        ("Active donors", of_people("active_donors")),
        ("New donors", of_people("new_donors")),
        ("Lapsed", of_people("lapsed")),
        ("Won back", of_people("won_back")),
        (
            "Monthly givers who last paid 1 to 3 months ago",
            [f"{part['monthly_givers']['delinquent']:,}" for part in people],
        ),
    )


def _group(name: str, *lines: tuple[str, list[str]]) -> Group:
    """With the values of this month, of the last, and of the same month of last year."""
    return Group(name, tuple(Line(name, (values[-1], values[-2], values[0])) for name, values in lines))


def _years(view: dict[str, Any]) -> Years:
    year = view["year"]
    kinds = {
        "consecutive": "The year before as well",
        "reactivated": "Again, after a break",
        "new": "For the first time",
    }
    others = {
        f"Last gave in {year - 2}": view["lapsed"],
        f"Last gave from {year - 5} to {year - 3}": view["deep_lapsed"],
        "Last gave earlier": view["ultra_lapsed"],
        "Known here, never gave": view["never"],
    }
    return Years(
        heads=(f"Gave in {year}", f"Gave in {year - 1}, not in {year}"),
        rows=tuple(
            (words, f"{view['this_year'][kind]:,}", f"{view['last_year'][kind]:,}")
            for kind, words in kinds.items()
        ),
        others=tuple((words, f"{number:,}") for words, number in others.items()),
    )


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
