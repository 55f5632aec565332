"""
Which gifts came of which reminder, read from the books some minutes after the gift.

*Direct*: the gift was begun from the mail's link, whenever that was and under whatever address; or it is the very
gift whose page was left, paid after the mail about it had gone out, for only that mail leads back to the page.
*Assisted*: the same person gave within 14 days of a mail without its link; for people who were held out, of the moment
at which the mail would have gone. A send has one conversion, and a gift belongs to one send.

Who is the same person is known from staff, who merge members and take that back: what was counted as assisted is then
counted anew for those people, so that it does not matter whether the merge or the gift came first.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from donations import givers
from donations.givers import FirstPayment
from members.people import get_changed_members, members_of
from members.rows import among
from reminders import codes
from reminders.codes import Purpose
from reminders.models import Reminder, ReminderSend, Switch

ASSISTED_WITHIN = timedelta(days=14)
# Stripe's word can come late, or be found days later by the reconciliation: each run looks back as far as that.
LOOK_BACK = timedelta(days=7)
MERGED_MEANWHILE = timedelta(
    hours=1
)  # a merge is seen when it is committed, some moments after its `merged_at`
_TO_THE_SECOND = timedelta(seconds=1)  # Stripe tells moments so: a gift in the second of a mail came after it

# A mail whose delivery failed or is unknown may have been read all the same.
_MAILED = (ReminderSend.State.HANDED_OVER, ReminderSend.State.SENT, ReminderSend.State.FAILED)
_COUNTING = (*_MAILED, ReminderSend.State.HELD_OUT)


def count_gifts(*, now: datetime) -> int:
    """
    Note the conversions since the last run, and look again at the week before it, and at people merged meanwhile.

    :returns: how many more are noted than before; fewer, if a merge was undone.
    """
    switch, _ = Switch.objects.get_or_create(pk=1)
    until = switch.gifts_counted_until or now - timedelta(days=60)
    since = until - LOOK_BACK
    _note_begun(givers.get_marked_contributions(since=since))
    found = _count_anew(get_changed_members(since=until - MERGED_MEANWHILE))
    for gift in givers.get_first_payments(since=since):
        found += _note_any(gift)
    Switch.objects.filter(pk=1).update(gifts_counted_until=now)
    return found


def _count_anew(members: dict[int, str]) -> int:
    """Forget what was assisted by these members (look-up hash by primary key), and count all their gifts again."""
    if not members:
        return 0
    with transaction.atomic():
        assisted = ReminderSend.objects.filter(conversion=ReminderSend.Conversion.ASSISTED)
        forgotten = assisted.filter(among("person", members.values())).update(
            conversion="", converted_at=None, value_minor=None, value_currency="", contribution_id=None
        )
        return sum(_note_any(gift) for gift in list(givers.get_first_payments_of(members))) - forgotten


def _note_any(gift: FirstPayment) -> int:
    return _recovered(gift) or _direct(gift) or _assisted(gift)


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
    if gift.member is None or codes.read(Purpose.FROM_MAIL, gift.mark):
        return 0
    recent = ReminderSend.objects.filter(
        reminder__email_hash__in=members_of(gift.member).values("email_hash"),
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
