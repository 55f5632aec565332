"""
Everything that is kept about a person, as one zip file: `everything.json`, and each kind as a table of its own.

Made in memory and handed back as bytes: nothing of it is written to a disk in plain text.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from members import emails, holders
from members.holders import Rows, Subject
from members.models import Member

# What a spreadsheet takes for the beginning of a formula, in its wide forms too.
_BEGINS_FORMULA = re.compile(r"^[=+\-@\t\r\n＝＋－＠]|[\r\n][\s\u00a0\u200b\ufeff]*[=+\-@＝＋－＠]")
_LEADING = " \u00a0\u200b\u2060\ufeff\u3000"


def make(subject: Subject, *, now: datetime) -> bytes:
    """
    The zip file with all that every holder keeps about a person.

    Kinds of which nothing is kept are in it too, as empty lists, so that the reader sees what was looked for.
    """
    kinds: dict[str, Rows] = {}
    for holder in holders.get_all():
        kinds |= holder.collect(subject)
    everything = {"made_at": now, "newsroom": settings.NEWSROOM_NAME, **kinds}
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:

        def add(name: str, text: str) -> None:
            file.writestr(zipfile.ZipInfo(name, now.timetuple()[:6]), text, zipfile.ZIP_DEFLATED)

        add("README.txt", _introduction(subject))
        add("everything.json", json.dumps(everything, ensure_ascii=False, indent=2, default=_as_text) + "\n")
        for kind, rows in kinds.items():
            if rows:
                add(f"{kind}.csv", table(rows))
    return held.getvalue()


def _introduction(subject: Subject) -> str:
    locale = Member.objects.values_list("locale", flat=True).get(pk=subject.members[0])
    with translation.override(emails.supported_language(locale)):
        return "\n\n".join(
            (
                _("This is everything that %(newsroom)s keeps about you.")
                % {"newsroom": settings.NEWSROOM_NAME},
                _(
                    "everything.json holds all of it. The other files hold the same as tables, for a spreadsheet."
                ),
                _(
                    "Moments are in UTC. In a table, a text that a spreadsheet would take for a formula begins with "
                    "an apostrophe."
                ),
                _(
                    "Card numbers are not here because we never see them. What Stripe keeps, Stripe tells you: "
                    "https://stripe.com/privacy"
                ),
                "",
            )
        )


def table(rows: Rows) -> str:
    """Rows as CSV (RFC 4180) with a header; texts cannot act as formulas in a spreadsheet."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    held = io.StringIO()
    writer = csv.writer(held, quoting=csv.QUOTE_MINIMAL, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([[cell(row.get(name)) for name in columns] for row in rows])
    return "\ufeff" + held.getvalue()  # the mark by which spreadsheets know UTF-8


def cell(value: Any) -> Any:
    """
    A value as a cell: numbers stay numbers, and a text that begins as a formula does gets an apostrophe in front.

    Also where spaces come before it, or a line inside begins so. A tab in front would not do: spreadsheets that skip
    it see the formula (OWASP, CSV injection).
    """
    if value is None:
        return ""
    if isinstance(value, bool | int):
        return value
    text = value if isinstance(value, str) else str(_as_text(value))
    text = text.replace("\x00", "")
    return f"'{text}" if _BEGINS_FORMULA.search(text.lstrip(_LEADING)) else text


def _as_text(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=_as_text)
    raise TypeError(f"{type(value).__name__} has no place in a download")
