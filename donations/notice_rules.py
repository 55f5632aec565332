"""
When readers have to be told of a payment to come: the rules by place, as data (RELIABILITY.md, 5.3).

We never ask where a reader lives. So each notice keeps all the rules that are in force on the day of the payment:
the window is what their windows have in common. A new law is a new line; a window that would be left empty fails the
build (tests/donations/test_notice_rules.py).

These are engineering inputs, not legal advice: have them looked at by somebody who may give it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum


class About(Enum):
    """What a notice announces."""

    RENEWAL = "an annual payment"
    PRICE = "another amount"


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One place's window, in days before the payment.

    :param since, until: the first day on which it is in force and the first on which it is not any more.
    """

    place: str
    about: About
    earliest: int
    latest: int
    since: date
    until: date | None
    source: str


@dataclass(frozen=True, slots=True)
class Window:
    """
    When a notice may go out, counted back from the payment; `target` is the best moment.

    The mail server has to take it between `earliest` and `latest` days before; what it takes later does not count.
    """

    earliest: timedelta
    target: timedelta
    latest: timedelta


RULES: tuple[Rule, ...] = (
    Rule(
        "this house", About.RENEWAL, 30, 15, date(2026, 1, 1), None,
        "our own: inside all the others, with two weeks left to think and to act",
    ),
    Rule(
        "California", About.RENEWAL, 45, 15, date(2025, 7, 1), None,
        "AB 2863: plans of a year or longer, 15 to 45 days before",
    ),
    Rule(
        "card networks", About.RENEWAL, 30, 7, date(2024, 1, 1), None,
        "long billing cycles, 7 to 30 days before",
    ),
    Rule(
        "United Kingdom", About.RENEWAL, 45, 3, date(2027, 4, 1), None,
        "DMCC Act, expected in spring 2027: a reminder before each annual renewal; the exact window waits for "
        "secondary law, so that this line is wide on purpose. Charitable memberships may be exempt",
    ),
    Rule(
        "this house", About.PRICE, 30, 7, date(2026, 1, 1), None,
        "our own, and for each interval",
    ),
    Rule(
        "California", About.PRICE, 30, 7, date(2025, 7, 1), None,
        "AB 2863: a change of the price, 7 to 30 days before",
    ),
)  # fmt: skip
# The European Union has no rule about such notices; its withdrawal function (Article 11a, since 19 June 2026) is
# about the first fourteen days, not about renewals.

TARGETS = {About.RENEWAL: 21, About.PRICE: 14}


def in_force(about: About, day: date, rules: tuple[Rule, ...] = RULES) -> list[Rule]:
    """The rules that a payment on that day has to keep."""
    return [
        rule
        for rule in rules
        if rule.about is about and rule.since <= day and (rule.until is None or day < rule.until)
    ]


def window(about: About, day: date, rules: tuple[Rule, ...] = RULES) -> Window:
    """
    What the rules in force for a payment on that day have in common.

    :raises ValueError: nothing; two rules contradict each other, or none is in force.
    """
    found = in_force(about, day, rules)
    if not found:
        raise ValueError(f"no rule about {about.value} is in force on {day}")
    earliest = min(rule.earliest for rule in found)
    latest = max(rule.latest for rule in found)
    if latest >= earliest:
        raise ValueError(f"no moment keeps every rule about {about.value} on {day}")
    target = min(max(TARGETS[about], latest + 1), earliest)
    return Window(timedelta(days=earliest), timedelta(days=target), timedelta(days=latest))
