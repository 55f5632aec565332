"""The way through the years of a list, without asking which days have rows."""

from __future__ import annotations

import calendar
from datetime import date, datetime
from typing import Any

from django import template
from django.db.models import Max, Min
from django.utils import formats, timezone
from django.utils.text import capfirst

from members.windows import BY_HASH

register = template.Library()


@register.filter
def is_of_address(term: str) -> bool:
    """Whether a list was searched by an address, for which hashes stand in its URL."""
    return term.startswith(BY_HASH)


@register.inclusion_tag("admin/date_hierarchy.html")
def drill_down(cl: Any) -> dict[str, Any]:
    """
    Years, months or days to choose from, as Django's `date_hierarchy`, between the first and the last row of the table.

    Django asks for the days that have rows, and reads them all for that. A day without rows may be offered here.
    """
    name = cl.date_hierarchy
    asked = [_number(cl.params.get(f"{name}__{part}")) for part in ("year", "month", "day")]
    ends = cl.model._default_manager.order_by().aggregate(first=Min(name), last=Max(name))
    if ends["first"] is None:
        return {"show": False}
    first, last = _day(ends["first"]), _day(ends["last"])
    year, month, day = asked

    def link(**parts: int | None) -> str:
        chosen = {f"{name}__{part}": value for part, value in parts.items() if value}
        return str(cl.get_query_string(chosen, [f"{name}__"]))

    if year and month and day:
        back = {"link": link(year=year, month=month), "title": _month_title(year, month)}
        return {"show": True, "back": back, "choices": [{"title": _day_title(date(year, month, day))}]}
    if year and month:
        days = [date(year, month, one) for one in range(1, calendar.monthrange(year, month)[1] + 1)]
        choices = [
            {"link": link(year=year, month=month, day=one.day), "title": _day_title(one)}
            for one in days
            if first <= one <= last
        ]
        return {"show": True, "back": {"link": link(year=year), "title": str(year)}, "choices": choices}
    if year:
        choices = [
            {"link": link(year=year, month=one), "title": _month_title(year, one)}
            for one in range(1, 13)
            if (first.year, first.month) <= (year, one) <= (last.year, last.month)
        ]
        return {"show": True, "back": {"link": link(), "title": "All dates"}, "choices": choices}
    years = [{"link": link(year=one), "title": str(one)} for one in range(first.year, last.year + 1)]
    return {"show": True, "back": None, "choices": years}


def _number(text: Any) -> int | None:
    return int(text) if text else None


def _day(moment: Any) -> date:
    if isinstance(moment, datetime):
        return moment.astimezone(timezone.get_current_timezone()).date()
    found: date = moment
    return found


def _month_title(year: int, month: int) -> str:
    return str(capfirst(formats.date_format(date(year, month, 1), "YEAR_MONTH_FORMAT")))


def _day_title(day: date) -> str:
    return str(capfirst(formats.date_format(day, "MONTH_DAY_FORMAT")))
