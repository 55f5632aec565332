"""Who gave in which calendar year, and what that came to beside the year before. Pure: gifts in, figures out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from donations.reports.giving import Gift
from donations.reports.rates import rate

GAINS, LOSSES = ("new", "recaptured", "upgraded"), ("downgraded", "lapsed")
_DEEP = 5  # years


def annual_view(some: Iterable[Gift], year: int, everybody: set[int] | None) -> dict[str, Any]:
    """
    Everybody by the calendar years in which they gave; each person counts once.

    - `this_year`: gave in the year; `new`: for the first time, `consecutive`: in the year before as well,
      `reactivated`: earlier, but not in the year before.
    - `last_year`: gave in the year before and not (yet) in this one; the same three, of the year before.
    - `lapsed`: last gave in the year before last. `deep_lapsed`: last gave three to five years ago. `ultra_lapsed`:
      longer ago.
    - `never`: known here and never gave: a complimentary membership, an entry of an import. Null where only one
      currency or one campaign is asked for: whoever gave to another has given.

    The year is that of the period's last day, and told until that day. Unit: persons. Source: `JournalEntry`, `Member`;
    the groups are the Wikimedia Foundation's.

    :param everybody: every person who is known; None: not asked for.
    """
    years: dict[int, set[int]] = defaultdict(set)
    for gift in some:
        years[gift.person_id].add(gift.day.year)
    counts: Counter[tuple[str, str]] = Counter()
    for each in years.values():
        last = max(each)
        if last >= year - 1:
            counts["this_year" if last == year else "last_year", _kind_in(each, last)] += 1
        else:
            ago = year - last
            group = "lapsed" if ago == 2 else "deep_lapsed" if ago <= _DEEP else "ultra_lapsed"
            counts[group, ""] += 1
    return {
        "year": year,
        **{
            group: {kind: counts[group, kind] for kind in ("consecutive", "reactivated", "new")}
            for group in ("this_year", "last_year")
        },
        **{group: counts[group, ""] for group in ("lapsed", "deep_lapsed", "ultra_lapsed")},
        "never": None if everybody is None else len(everybody - years.keys()),
    }


def _kind_in(years: set[int], year: int) -> str:
    if min(years) == year:
        return "new"
    return "consecutive" if year - 1 in years else "reactivated"


def donor_retention(some: Iterable[Gift], year: int) -> dict[str, Any]:
    """
    Who gave in a year of those who gave in the year before; those who gave for the first time that year, and others.

    Formula: persons with a gift in both years ÷ persons with a gift in the earlier one. Unit: persons. Source:
    `JournalEntry`; the definition is that of the Fundraising Effectiveness Project.
    """
    years: dict[int, set[int]] = defaultdict(set)
    for gift in some:
        years[gift.person_id].add(gift.day.year)
    before = {person for person, each in years.items() if year - 1 in each}
    again = {person for person in before if year in years[person]}
    first = {person for person in before if min(years[person]) == year - 1}
    return {
        "year": year,
        "all": rate(len(again), len(before)),
        "new": rate(len(again & first), len(first)),
        "repeat": rate(len(again - first), len(before - first)),
    }


# --- Gains and losses


@dataclass(slots=True)
class _Giver:
    """What somebody gave in a year and in the one before, by currency; and whether ever before these."""

    now: Counter[str] = field(default_factory=Counter)
    then: Counter[str] = field(default_factory=Counter)
    earlier: bool = False

    def kind_in(self, currency: str) -> str:
        """Whether somebody is new, came back or went is about all that they give; more or less about one currency."""
        if not self.then:
            return "recaptured" if self.earlier else "new"
        if not self.now:
            return "lapsed"
        delta = self.now[currency] - self.then[currency]
        return "upgraded" if delta > 0 else "downgraded" if delta < 0 else "same"


def gains_and_losses(some: Iterable[Gift], year: int) -> dict[str, Any]:
    """
    Why a year brought more or less than the one before, by currency: from how many persons, and how much.

    - `new`: first gift ever in the year; `recaptured`: gave before, not in the year before; `upgraded`: gave more than
      in the year before, and by how much.
    - `downgraded`: gave less; `lapsed`: gave in the year before only. Below zero. `same`: gave the same.

    Formula: `before` + all of them = `after`, exactly. What was given is gross; a year that is not over is told until
    the period's last day, beside the whole year before. Unit: persons, minor units. Source: `JournalEntry`; the kinds
    are those of the Fundraising Effectiveness Project.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for giver in _givers(some, year).values():
        for currency in {*giver.now, *giver.then}:
            kind = giver.kind_in(currency)
            counts[currency][kind] += 1
            sums[currency][kind] += giver.now[currency] - giver.then[currency]
            sums[currency]["before"] += giver.then[currency]
            sums[currency]["after"] += giver.now[currency]
    return {
        "year": year,
        "currencies": {
            currency: {
                "before": sums[currency]["before"],
                **{
                    kind: {"persons": counts[currency][kind], "value": sums[currency][kind]}
                    for kind in (*GAINS, "same", *LOSSES)
                },
                "after": sums[currency]["after"],
            }
            for currency in sorted(counts)
        },
    }


def explain_gains(some: Callable[[], Iterable[Gift]], year: int, figure: str) -> list[dict[str, Any]]:
    """
    The payments of both years behind a gain or a loss; those of the year before count below zero.

    :param some: the gifts, from the beginning each time.
    """
    givers = _givers(some(), year)
    return [
        {
            "payment": gift.payment,
            "day": gift.day,
            "currency": gift.currency,
            "value": gift.amount_minor if gift.day.year == year else -gift.amount_minor,
        }
        for gift in some()
        if gift.day.year in (year - 1, year) and givers[gift.person_id].kind_in(gift.currency) == figure
    ]


def _givers(some: Iterable[Gift], year: int) -> dict[int, _Giver]:
    givers: dict[int, _Giver] = defaultdict(_Giver)
    for gift in some:
        giver = givers[gift.person_id]
        if gift.day.year == year:
            giver.now[gift.currency] += gift.amount_minor
        elif gift.day.year == year - 1:
            giver.then[gift.currency] += gift.amount_minor
        elif gift.day.year < year:
            giver.earlier = True
    return {person: giver for person, giver in givers.items() if giver.now or giver.then}
