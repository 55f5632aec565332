"""The reminders' own report, in the catalogue of the floor below."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from django.db.models import Count, Q, Sum

from donations.reports import catalogue, exports
from donations.reports.catalogue import Page, Question, Report, Window
from donations.reports.cells import Column, Kind
from donations.reports.periods import Period
from donations.reports.rates import middle, rate
from reminders.models import Reminder, ReminderSend

State = ReminderSend.State
_MAILED = (State.HANDED_OVER, State.SENT)


def funnel(period: Period) -> dict[str, Any]:
    """
    From a wish to be asked again to a gift, for the mails that were due in a period.

    - `asked`: reminders that were asked for in the period; `confirmed`: of those, those that wait for no mail.
    - `due`: mails that were promised for the period; `mailed`, `suppressed` (with reasons), `held_out`, `failed`,
      `expired`, `planned`: what became of them.
    - `begun`: mails from whose link somebody went on to pay ÷ mailed.
    - `direct`: gifts by a mail's link ÷ mailed. `assisted`: gifts of the same person within 14 days without the link ÷
      mailed. `held_out_gave`: the same of those who by lot got no mail; `lift` is the difference, null without both.
    - `value`: what direct and assisted gifts came to, by currency. `median_days` from mail to gift.

    Unit: reminders, mails, minor units. Source: `Reminder`, `ReminderSend`.
    """
    asked = Reminder.objects.filter(created_at__gte=period.starts_at, created_at__lt=period.ends_at)
    sends = _sends(period)
    states: Counter[str] = Counter(dict(_counted(sends, "state")))
    mailed = sum(states[state] for state in _MAILED)
    gifts = sends.filter(state__in=_MAILED).exclude(conversion="")
    how: Counter[str] = Counter(dict(_counted(gifts, "conversion")))
    held_out = sends.filter(state=State.HELD_OUT)
    gave = {
        "mailed": rate(gifts.count(), mailed),
        "held_out": rate(held_out.exclude(conversion="").count(), held_out.count()),
    }
    values: dict[str, dict[str, int]] = defaultdict(dict)
    for currency, by, value in (
        gifts.order_by().values_list("value_currency", "conversion").annotate(Sum("value_minor"))
    ):
        values[currency][by.lower()] = value
    waits = [
        (at - sent).days
        for at, sent in gifts.values_list("converted_at", "decided_at")
        if at is not None and sent is not None
    ]
    return {
        "asked": asked.count(),
        "confirmed": rate(
            asked.exclude(state=Reminder.State.PENDING_CONFIRM).filter(_said_yes()).count(), asked.count()
        ),
        "due": sum(states.values()),
        "mailed": mailed,
        "planned": states[State.PLANNED],
        "suppressed": dict(_counted(sends.filter(state=State.SUPPRESSED), "reason")),
        "held_out": states[State.HELD_OUT],
        "failed": states[State.FAILED],
        "expired": states[State.EXPIRED],
        "begun": rate(sends.filter(state__in=_MAILED, begun_at__isnull=False).count(), mailed),
        "direct": rate(how[ReminderSend.Conversion.DIRECT], mailed),
        "assisted": rate(how[ReminderSend.Conversion.ASSISTED], mailed),
        "held_out_gave": gave["held_out"],
        "lift": None
        if gave["mailed"]["value"] is None or gave["held_out"]["value"] is None
        else round(gave["mailed"]["value"] - gave["held_out"]["value"], 6),
        "value": dict(sorted(values.items())),
        "median_days": middle(waits),
    }


def _said_yes() -> Q:
    return Q(confirm_by=None) | Q(confirmed_at__isnull=False)


def _sends(period: Period) -> Any:
    return ReminderSend.objects.filter(due_at__gte=period.starts_at, due_at__lt=period.ends_at)


def _counted(rows: Any, column: str) -> list[tuple[str, int]]:
    return list(rows.order_by(column).values_list(column).annotate(Count("pk")))


def _answer(asked: Question) -> Any:
    return [
        {"from": part.first, "to": part.last, **funnel(part)}
        for part in asked.period.parts(asked.granularity)
    ]


def _explain(asked: Question, figure: str, window: Window) -> Page:
    sends = _sends(asked.period).filter(state__in=_MAILED)
    if figure != "mailed":
        sends = sends.filter(conversion=figure.upper())
    rows = [
        {
            "mail": str(send.rid),
            "due_at": send.due_at,
            "sent_at": send.decided_at,
            "state": send.state,
            "conversion": send.conversion.lower(),
            "currency": send.value_currency,
            "value": send.value_minor or 0,
        }
        for send in sends.order_by("due_at", "pk")[window.first : window.first + window.count]
    ]
    totals = sends.exclude(value_minor=None).order_by("value_currency").values_list("value_currency")
    return Page(rows, sends.count(), dict(totals.annotate(Sum("value_minor"))))


_COLUMNS = (
    Column("mail", "rid"),
    Column("kind", "reminder__kind"),
    Column("step", "step"),
    Column("due at (UTC)", "due_at", Kind.MOMENT),
    Column("state", "state"),
    Column("reason", "reason"),
    Column("sent at (UTC)", "decided_at", Kind.MOMENT),
    Column("begun at (UTC)", "begun_at", Kind.MOMENT),
    Column("conversion", "conversion"),
    Column("gave at (UTC)", "converted_at", Kind.MOMENT),
    Column("currency", "value_currency"),
    Column("value", "value_minor", Kind.MONEY, "value_currency"),
    Column("campaign", "reminder__campaign__slug", Kind.TEXT),
)


def register() -> None:
    """Put it beside the reports of the money."""
    exports.register("reminders", exports.Export(_COLUMNS, lambda asked: _sends(asked.period)))
    catalogue.register("reminders", Report(_answer, (funnel,), ("mailed", "direct", "assisted"), _explain))
