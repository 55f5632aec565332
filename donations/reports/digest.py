"""
The week by mail, for staff who asked for it: what moved, and what needs action.

It goes to who may see reports at the moment, to the address of their account. No reader is in it.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.urls import reverse

from donations import payouts
from donations.models import DigestReader
from donations.money import Money
from donations.reports import giving, keys, periods, plans, recovery, recurring, revenue, saves
from donations.reports.periods import Granularity, Period
from donations.reports.rates import monthly, share
from members import emails, outbox, samples
from members.addresses import InvalidAddress

KIND = "reports_digest"
_PEOPLE = {
    "Members": "members",
    "New donors": "new_donors",
    "Lapsed": "lapsed",
    "Won back": "won_back",
}
_STALE = timedelta(days=2)  # a digest that comes later is of no use


def switch(account: User, *, is_wanted: bool, now: datetime) -> None:
    """From now on this member of staff gets the digest, or none."""
    if is_wanted:
        DigestReader.objects.get_or_create(account=account, defaults={"since": now})
    else:
        DigestReader.objects.filter(account=account).delete()


def write(*, now: datetime) -> int:
    """Owe the digest of the last whole week to everybody who wants it, once; how many."""
    week = last_week(now)
    wanting = [
        reader
        for reader in DigestReader.objects.select_related("account").order_by("pk")
        if may_have(reader.account) and reader.account.email
    ]
    if not wanting:
        return 0
    context = describe(week, now=now)
    owed = 0
    for reader in wanting:
        try:
            owed += outbox.owe(
                kind=KIND,
                recipient=reader.account.email,
                dedup_key=f"digest:{reader.account_id}:{week.first}",
                context=context,
                locale="en",
                now=now,
                deliver_before=now + _STALE,
            )
        except InvalidAddress:
            continue  # staff typed it into their account; there is nobody to write to about it
    return owed


def is_wanted(dedup_key: str) -> bool:
    """Asked right before a digest leaves: whether its reader still wants it, and may still have it."""
    account = dedup_key.split(":")[1]
    reader = DigestReader.objects.select_related("account").filter(account_id=int(account)).first()
    return reader is not None and may_have(reader.account)


def may_have(account: User) -> bool:
    return account.is_active and account.is_staff and account.has_perm(keys.PERMISSION)


def last_week(now: datetime) -> Period:
    """The last week that is over, from Monday to Sunday."""
    today = periods.day_of(now)
    monday = today - timedelta(days=today.weekday() + 7)
    return Period(monday, monday + timedelta(days=6))


def describe(week: Period, *, now: datetime) -> dict[str, str]:
    """What the mail says of a week, beside the week before."""
    both = Period(week.first - timedelta(days=7), week.last)
    every_plan = plans.load()
    money = revenue.revenue(both, Granularity.WEEK)
    people = giving.members(every_plan, plans.EVERYTHING, both, Granularity.WEEK)
    then, at_end = (
        recurring.mrr_on(every_plan, both.first + timedelta(days=6)),
        recurring.mrr_on(every_plan, week.last),
    )
    lines = []
    for currency in sorted({*money, *then, *at_end}):  # a week without money says so
        before, this = money.get(currency) or [{"gross": 0, "kept": 0}] * 2
        for name, key in (("Gross", "gross"), ("Kept", "kept")):
            amounts = (_text(part[key], currency) for part in (this, before))
            lines.append(_line(f"{name} in {currency}", *amounts))
    for currency in sorted({*then, *at_end}):
        monthly_now, monthly_then = _monthly(at_end, currency), _monthly(then, currency)
        lines.append(_line(f"Monthly recurring revenue in {currency}", monthly_now, monthly_then))
    for name, key in _PEOPLE.items():
        lines.append(_line(name, f"{people[1][key]:,}", f"{people[0][key]:,}"))
    starts = saves.read(both, now=now)
    stayed = [
        share(saves.saves(start for start in starts if part.holds(periods.day_of(start.at)))["saved"])
        for part in (week, week.before())
    ]
    lines.append(_line("Stayed, of those who set out to stop", *stayed))
    return {
        "week_text": f"{_day(week.first)} to {_day(week.last)}",
        "figures_text": "\n".join(lines),
        "action_text": "\n".join(_actions(now)) or "Nothing.",
        "dashboard_url": settings.PUBLIC_BASE_URL + reverse("reports"),
    }


def _actions(now: datetime) -> list[str]:
    found = [
        f"{each['count']:,} payments failed and are to be tried again: {_text(each['value'], currency)}"
        for currency, each in recovery.at_risk().items()
    ]
    found += [
        f"{each['count']:,} plans end within 30 days: {_text(each['value'], currency)}"
        for currency, each in recovery.upcoming(now)["ends"].items()
    ]
    if unbalanced := payouts.get_unbalanced().count():
        found.append(f"{unbalanced:,} payouts do not add up")
    return found


def _line(name: str, this: str, before: str) -> str:
    """A row of the mail's table, as `mail_table.rows` reads it."""
    return f"{name}\t{this}\t{before}"


def _text(minor: int, currency: str) -> str:
    return Money(minor, currency).format("en")


def _monthly(sums: dict[str, Any], currency: str) -> str:
    return _text(monthly(sums.get(currency, {"base": 0})["base"])["minor"], currency)


def _day(day: date) -> str:
    return f"{day:%B} {day.day}"


def register() -> None:
    """Tell the ground floor of this kind of mail; once, when the app starts."""
    needs = frozenset({"week_text", "figures_text", "action_text", "dashboard_url"})
    emails.register(emails.Kind(KIND, needs=needs, is_wanted=is_wanted))
    sample = {
        "week_text": "November 16 to November 22",
        "figures_text": "Gross in USD\t$1,250.00\t$980.00\nMembers\t412\t409",
        "action_text": "3 payments failed and are to be tried again: $25.00",
        "dashboard_url": "{link}/reports",
    }
    in_russian = sample | {
        "week_text": "16–22 ноября",
        "figures_text": "Поступило\t1 250,00 $\t980,00 $\nУчастников\t412\t409",
        "action_text": "3 платежа не прошли, их попробуют ещё раз: 25,00 $",
    }
    samples.register(KIND, {"en": sample, "ru": in_russian})
