"""
Which gifts came of which reminder, read from the books some minutes after the gift.

*Direct*: the gift was begun from the mail's link, whenever that was and under whatever address; or it is the very
gift whose page was left, paid after the mail about it had gone out, for only that mail leads back to the page.
*Assisted*: the same person gave within 14 days of a mail without its link; for people who were held out, of the moment
at which the mail would have gone. A send has one conversion, and a gift belongs to one send.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from donations import givers
from donations.givers import FirstPayment
from reminders import codes
from reminders.codes import Purpose
from reminders.models import Reminder, ReminderSend, Switch

ASSISTED_WITHIN = timedelta(days=14)
# Stripe's word can come late, or be found days later by the reconciliation: each run looks back as far as that.
LOOK_BACK = timedelta(days=7)
_TO_THE_SECOND = timedelta(seconds=1)  # Stripe tells moments so: a gift in the second of a mail came after it

# A mail whose delivery failed or is unknown may have been read all the same.
_MAILED = (ReminderSend.State.HANDED_OVER, ReminderSend.State.SENT, ReminderSend.State.FAILED)
_COUNTING = (*_MAILED, ReminderSend.State.HELD_OUT)


def count_gifts(*, now: datetime) -> int:
    """Note the conversions since the last run, and looks again at the week before it; how many are new."""
    switch, _ = Switch.objects.get_or_create(pk=1)
    since = (switch.gifts_counted_until or now - timedelta(days=60)) - LOOK_BACK
    _note_begun(givers.get_marked_contributions(since=since))
    found = 0
    for gift in givers.get_first_payments(since=since):
        found += _recovered(gift) or _direct(gift) or _assisted(gift)
    Switch.objects.filter(pk=1).update(gifts_counted_until=now)
    return found


def _note_begun(contributions: Iterable[tuple[str, datetime]]) -> None:
    """A reader who came from a mail and pressed Continue has answered it, whether or not they paid."""
    for mark, begun_at in contributions:
        rid = codes.read(Purpose.FROM_MAIL, mark)
        if rid is None:
            continue
        if ReminderSend.objects.filter(rid=rid, begun_at=None).update(begun_at=begun_at):
            Reminder.objects.filter(sends__rid=rid).update(mails_without_answer=0)


def _recovered(gift: FirstPayment) -> int:
    if gift.left is None:
        return 0
    mails = ReminderSend.objects.filter(
        reminder__contribution_id=gift.left, state__in=_MAILED, decided_at__lt=gift.paid_at + _TO_THE_SECOND
    )
    return _note(mails.values_list("pk", flat=True).first(), gift, "DIRECT")


def _direct(gift: FirstPayment) -> int:
    rid = codes.read(Purpose.FROM_MAIL, gift.mark)
    if rid is None:
        return 0
    return _note(ReminderSend.objects.filter(rid=rid).values_list("pk", flat=True).first(), gift, "DIRECT")


def _assisted(gift: FirstPayment) -> int:
    if gift.email_hash is None or codes.read(Purpose.FROM_MAIL, gift.mark):
        return 0
    recent = ReminderSend.objects.filter(
        reminder__email_hash=gift.email_hash,
        state__in=_COUNTING,
        decided_at__lt=gift.paid_at + _TO_THE_SECOND,
        decided_at__gte=gift.paid_at - ASSISTED_WITHIN,
        conversion="",
    )
    return _note(recent.order_by("-decided_at", "-pk").values_list("pk", flat=True).first(), gift, "ASSISTED")


def _note(send: int | None, gift: FirstPayment, how: str) -> int:
    if send is None or ReminderSend.objects.filter(contribution_id=gift.contribution).exists():
        return 0
    return ReminderSend.objects.filter(pk=send, conversion="").update(
        conversion=how,
        converted_at=gift.paid_at,
        value_minor=gift.minor,
        value_currency=gift.currency,
        contribution_id=gift.contribution,
    )
