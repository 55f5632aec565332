"""
The button of the mail about a payment page that was left: back to that page.

Where it leads is decided when somebody comes, not when the mail is written: to Stripe's copy of the page while Stripe
would open it, else to the support page, filled in. So no mail holds Stripe's link, and an old mail still works.
Nothing is changed here: programs that check mails follow every link.
"""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import translation
from django.views.decorators.http import require_safe

from donations import pages, recovery
from members import clock, emails
from reminders import codes, letters
from reminders.codes import Purpose
from reminders.models import ReminderSend


@require_safe
def go_on(request: HttpRequest, code: str) -> HttpResponse:
    """Send the reader on; the usual page for a code that is no good."""
    address = get_way_back(code=code, now=clock.now())
    if address:
        response = HttpResponseRedirect(address)
        response["Referrer-Policy"] = "no-referrer"  # the address that led here is the reader's own
        return response
    with translation.override(pages.language_of(request)):
        return pages.show(request, "reminders/no_good.html", {}, status=404)


def get_way_back(*, code: str, now: datetime) -> str:
    """Where the holder of a code from a mail goes on, now; "" for a code that is no good."""
    rid = codes.read(Purpose.WAY_BACK, code)
    mail = rid and ReminderSend.objects.select_related("reminder__campaign").filter(rid=rid).first()
    if not mail or mail.reminder.campaign is None:
        return ""
    reminder, campaign = mail.reminder, mail.reminder.campaign
    if reminder.contribution_id and (address := recovery.get_way_back(reminder.contribution_id, now=now)):
        return address
    facts = letters.facts_of(reminder, rid=mail.rid, public_id=reminder.public_id)
    return letters.give_url(facts, campaign, emails.supported_language(reminder.locale))
