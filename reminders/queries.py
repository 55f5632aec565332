"""Numbers about reminders, for staff; nothing personal, nothing written. Every rate says what it is a share of."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Sum
from django.db.models.functions import TruncDate

from members.queries import get_bounces
from reminders.attribution import ASSISTED_WITHIN
from reminders.models import Reminder, ReminderSend, TurnedAway

SendState = ReminderSend.State
FORECAST = timedelta(days=60)
TURNED_AWAY = timedelta(days=60)  # how far back they are told day by day
_MAILED = (SendState.HANDED_OVER, SendState.SENT)
_Z = 1.959964  # of the normal distribution, for an interval that holds 95 of 100 times


def get_stats(*, now: datetime) -> dict[str, Any]:
    """
    What was asked for, what is due, what became of it.

    Money is in minor units, per currency; days are UTC. A rate is {numerator, denominator, value}, its value null
    when there is nothing to divide by.
    """
    sends = ReminderSend.objects.all()
    states = _counts(sends, "state")
    return {
        "created": _counts(Reminder.objects.all(), "kind"),
        "states": _counts(Reminder.objects.all(), "state"),
        "due_by_day": _forecast(now),
        "sends": states,
        "sent": states.get(SendState.SENT.value, 0) + states.get(SendState.HANDED_OVER.value, 0),
        "suppressed": _counts(sends.filter(state=SendState.SUPPRESSED), "reason"),
        "failed": _counts(sends.filter(state=SendState.FAILED), "reason"),
        "cancelled": Reminder.objects.filter(state=Reminder.State.CANCELLED).count(),
        "converted": _counts(sends.filter(state__in=_MAILED).exclude(conversion=""), "conversion"),
        "value": _value(),
        "median_days": _median_days(),
        "lift": _lift(now),
        "turned_away": _turned_away(now),
        "bounced_addresses": get_bounces(),
    }


def _counts(rows: Any, column: str) -> dict[str, int]:
    return dict(rows.order_by().values_list(column).annotate(Count("pk")))


def _forecast(now: datetime) -> dict[str, int]:
    planned = ReminderSend.objects.filter(state=SendState.PLANNED, ready_at__lt=now + FORECAST)
    days = planned.order_by().annotate(day=TruncDate("ready_at")).values_list("day").annotate(Count("pk"))
    return {day.isoformat(): count for day, count in days.order_by("day")}


def _turned_away(now: datetime) -> dict[str, Any]:
    """Wishes that were not taken since too many came at once: of the last days, by day and scope, and in all."""
    by_day: dict[str, dict[str, int]] = defaultdict(dict)
    rows = TurnedAway.objects.filter(day__gt=(now - TURNED_AWAY).date()).order_by("day", "scope")
    for day, scope, count in rows.values_list("day", "scope", "count"):
        by_day[day.isoformat()][scope] = count
    total = TurnedAway.objects.aggregate(total=Sum("count"))["total"] or 0
    return {"by_day": dict(by_day), "total": total}


def _value() -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    gifts = ReminderSend.objects.filter(state__in=_MAILED).exclude(conversion="").order_by()
    for currency, how, value in gifts.values_list("value_currency", "conversion").annotate(
        Sum("value_minor")
    ):
        found[currency][how] = value
    return dict(sorted(found.items()))


def _median_days() -> float | None:
    """Half of the gifts came within so many days of the mail; of the last 10,000."""
    gifts = ReminderSend.objects.filter(state__in=_MAILED).exclude(conversion="").order_by("-converted_at")
    waits = [
        (at - mailed).total_seconds() / 86400
        for at, mailed in gifts.values_list("converted_at", "decided_at")[:10_000]
        if at is not None and mailed is not None
    ]
    return round(statistics.median(waits), 2) if waits else None


def _lift(now: datetime) -> dict[str, Any]:
    """
    How many more gave of those who got a mail than of those who by lot got none, within 14 days; old enough ones only.

    `interval` holds the true difference 95 of 100 times (Newcombe's method, from two Wilson intervals).
    """
    settled = ReminderSend.objects.filter(decided_at__lte=now - ASSISTED_WITHIN)
    gave = {"converted_at__lte": F("decided_at") + ASSISTED_WITHIN}

    def share(states: tuple[str, ...]) -> dict[str, Any]:
        rows = settled.filter(state__in=states)
        return rate(rows.exclude(conversion="").filter(**gave).count(), rows.count())

    mailed = share((*_MAILED,))
    held_out = share((SendState.HELD_OUT,))
    return {
        "mailed": mailed,
        "held_out": held_out,
        "difference": None
        if mailed["value"] is None or held_out["value"] is None
        else round(mailed["value"] - held_out["value"], 6),
        "interval": newcombe(
            mailed["numerator"], mailed["denominator"], held_out["numerator"], held_out["denominator"]
        ),
    }


def rate(numerator: int, denominator: int) -> dict[str, Any]:
    """A share that says of what; null, never 0, where there is nothing to divide by."""
    return {
        "numerator": numerator,
        "denominator": denominator,
        "value": round(numerator / denominator, 6) if denominator else None,
    }


def newcombe(a: int, of_a: int, b: int, of_b: int) -> list[float] | None:
    """The 95 % interval of a/of_a - b/of_b; None where either has no cases."""
    if not of_a or not of_b:
        return None
    low_a, high_a = _wilson(a, of_a)
    low_b, high_b = _wilson(b, of_b)
    p, q = a / of_a, b / of_b
    low = p - q - math.hypot(p - low_a, high_b - q)
    high = p - q + math.hypot(high_a - p, q - low_b)
    return [round(low, 6), round(high, 6)]


def _wilson(hits: int, cases: int) -> tuple[float, float]:
    p, z2 = hits / cases, _Z * _Z
    middle = (p + z2 / (2 * cases)) / (1 + z2 / cases)
    half = _Z / (1 + z2 / cases) * math.sqrt(p * (1 - p) / cases + z2 / (4 * cases * cases))
    return middle - half, middle + half
