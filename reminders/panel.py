"""The reminders of a reader who is signed in, for the page about them."""

from __future__ import annotations

from datetime import datetime

from django.utils import translation
from django.utils.translation import gettext as _

from donations.account import panels
from members import people
from members.models import Member
from reminders import calendar, letters
from reminders.models import Reminder

_SHOWN = 20


def register() -> None:
    """Tell the floor below; once, when the app starts."""
    panels.register("reminders", panel)


def panel(reader: Member, now: datetime) -> panels.Panel | None:
    """What this reader asked to be reminded of, under any address; None without any."""
    hashes = people.members_of(reader.pk).values("email_hash")
    planned = Reminder.objects.filter(email_hash__in=hashes, state__in=Reminder.OPEN)
    asked_for = planned.filter(kind__in=[Reminder.Kind.ONE_OFF, Reminder.Kind.RECURRING])
    lines = [_line(row) for row in asked_for.order_by("period", "pk")[:_SHOWN]]
    return panels.Panel(_("Reminders"), lines) if lines else None


def _line(reminder: Reminder) -> panels.Line:
    plan = calendar.Plan(
        calendar.day_in(reminder.period, reminder.anchor_day),
        reminder.anchor_day,
        reminder.frequency_months or 0,
    )
    text = letters.promise(plan, mails=reminder.mails_promised, language=translation.get_language())
    return panels.Line(text, letters.stop_url(reminder.public_id), _("Stop it"))
