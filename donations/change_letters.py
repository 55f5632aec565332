"""
The mails that confirm what a reader changed, and what they say, in the reader's language.

Owed when Stripe's event has brought the change into the books. Each says what is so from now on, and how it is undone.
"""

from __future__ import annotations

from datetime import datetime

from django.utils import translation
from django.utils.translation import gettext as _

from donations import letters, links, pauses
from donations.models import Contribution, ContributionChange, Subscription
from donations.money import Money
from donations.standing import Picture
from members import outbox

CHANGED = "contribution_changed"
Kind = ContributionChange.Kind
_TOLD_OTHERWISE = (Kind.ONE_TIME, Kind.WITHDRAWAL)  # each has a mail of its own


def owe(
    change: ContributionChange, contribution: Contribution, subscription: Subscription, *, now: datetime
) -> None:
    """Owe the mail about a change that is confirmed; nothing where nobody knows whom to write to."""
    member = contribution.member
    if member is None or change.kind in _TOLD_OTHERWISE:
        return
    locale = contribution.locale
    outbox.owe(
        kind=CHANGED,
        member=member,
        recipient=member.person.email,
        dedup_key=f"{CHANGED}:{change.public_id}",
        context=context_of(change, contribution, subscription, locale=locale),
        locale=locale,
        now=now,
    )


def context_of(
    change: ContributionChange, contribution: Contribution, subscription: Subscription, *, locale: str
) -> dict[str, str]:
    """What the mail holds."""
    with translation.override(locale):
        subject, what, before, after, following = _words(change, subscription, locale)
    context = {
        "subject_text": subject,
        "what_text": what,
        "before_text": before,
        "after_text": after,
        "next_text": following,
    }
    if change.kind == Kind.CARD:
        return context
    if Picture.of(change.after).is_ended:
        context["come_back_url"] = links.again(contribution, locale=locale)
    elif change.undoes_id is None:
        context["undo_url"] = links.undo_page(change)
    return context


def _words(
    change: ContributionChange, subscription: Subscription, locale: str
) -> tuple[str, str, str, str, str]:
    """Subject, sentence, how it was, how it is, the next payment; in the active language."""
    before, after = Picture.of(change.before), Picture.of(change.after)
    match change.kind:
        case Kind.PAUSE:
            return (_("Your contribution is paused"), *_of_pause(after, subscription, locale))
        case Kind.STOP:
            return _("Your contribution is stopped"), _of_stop(after, locale), "", "", ""
        case Kind.CARD:
            what = _("As you asked, your contribution is charged to another card from now on.")
            if subscription.state == Subscription.State.PAST_DUE:
                what += " " + _("The payment that had failed is tried with it at once.")
            return _("Another card for your contribution"), what, "", "", _following(subscription, locale)
        case Kind.KEEP | Kind.RESUME:
            goes_on = _("Your contribution goes on")
            return (
                goes_on,
                _("As you asked, your contribution goes on. Thank you!"),
                "",
                "",
                _following(subscription, locale),
            )
    what = _("As you asked, your contribution was changed. It counts from the next payment on.")
    following = _following(subscription, locale)
    if change.kind == Kind.INTERVAL and after.next_at:
        what = _("As you asked, your contribution was changed. What you have paid for stays as it is.")
        following = letters.day_text(datetime.fromisoformat(after.next_at), locale)
    return _("Your contribution was changed"), what, _sum(before, locale), _sum(after, locale), following


def _of_pause(after: Picture, subscription: Subscription, locale: str) -> tuple[str, str, str, str]:
    resumes = after.resumes
    if resumes is None:
        what = _("As you asked, no payment is taken until you let your contribution go on.")
        return what, "", "", ""
    following = pauses.payment_after(subscription, resumes)
    what = _(
        "As you asked, your contribution is paused. It goes on by itself, and we write to you before the next payment."
    )
    return what, "", "", letters.day_text(following, locale) if following else ""


def _of_stop(after: Picture, locale: str) -> str:
    if after.is_ended or after.ends is None:
        return _("As you asked, your contribution has ended. No further payment is taken.")
    return _("As you asked, no further payment is taken. What you have paid for lasts until %(day)s.") % {
        "day": letters.day_text(after.ends, locale)
    }


def _following(subscription: Subscription, locale: str) -> str:
    comes = subscription.upcoming_payment_at
    return letters.day_text(comes, locale) if comes else ""


def _sum(picture: Picture, locale: str) -> str:
    """A sum and how often, such as "$5.44 each month, $0.44 of it for the payment fee"."""
    total = picture.total.format(locale)
    text = (
        _("%(sum)s each month") % {"sum": total}
        if picture.interval == "month"
        else _("%(sum)s each year") % {"sum": total}
    )
    if not picture.covers_fees:
        return text
    fee = Money(picture.fee_cover, picture.currency).format(locale)
    return _("%(text)s, %(fee)s of it for the payment fee") % {"text": text, "fee": fee}
