"""
What staff can do from the page of a person: each a form with a reason, a permission, and one call into a service.

Upper floors and later engineers add theirs with `register`. What is asked for is written into the audit log before it
is done, and what came of it afterwards, so that neither a crash nor a refusal leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.db import models

from donations import inbox, on_request, stopping, wishes
from donations.errors import DonationError
from donations.models import Contribution, Payment, StripeEvent, Subscription
from donations.money import Money
from members import audit, calendar, complimentary
from members.addresses import InvalidAddress
from members.models import Member, Membership, Tier


class Refusal(Exception):
    """It could not be done, in words for the member of staff. Everything is as it was."""


class Reason(forms.Form):
    """What every action asks for."""

    once = forms.UUIDField(widget=forms.HiddenInput)
    why = forms.CharField(
        label="Why",
        max_length=200,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="For your colleagues: it stands in the audit log.",
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants what done to which row: `given` is what the form says, `once` names this pressing of the button."""

    target: Any
    given: dict[str, Any]
    actor: str
    once: str
    why: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Action:
    """
    :param target: the model of the row that it is done to.
    :param make_form: the form beside that row, without the reason; its data or None.
    :param warning: what will happen, in words, before it does.
    :param run: does it and says what was done. May raise DonationError, NotPossible, Refusal.
    :param starts_with: what the form holds before anybody types, by the row.
    :param facts: what of the form stands in the audit log; nothing personal.
    :param is_calm: whether nothing is lost by it, for the colour of its button.
    """

    slug: str
    label: str
    permission: str
    target: type[models.Model]
    form: type[Reason]
    warning: Callable[[Any, datetime], str]
    run: Callable[[Wish], str]
    facts: Callable[[Wish], dict[str, Any]] = lambda wish: {}
    starts_with: Callable[[Any], dict[str, Any]] = lambda target: {}
    is_calm: bool = False


_actions: dict[str, Action] = {}


def register(action: Action) -> None:
    """Offer it under `/do/<slug>/`."""
    _actions[action.slug] = action


def get(slug: str) -> Action | None:
    """The action of that name."""
    return _actions.get(slug)


def _plain(money: Money) -> str:
    return str(money).split(" ")[1]


def carry_out(action: Action, wish: Wish) -> str:
    """
    Do it, and write down that it was asked for and what came of it.

    :raises Refusal: it could not be done, and why; nothing has changed.
    """

    def note(act: audit.Act, why: str = "", **more: str) -> None:
        audit.record(
            actor=wish.actor,
            act=act,
            what=action.slug,
            subject=audit.subject_of(wish.target),
            member_id=member_of(wish.target),
            facts={**action.facts(wish), **more},
            why=why,
            now=wish.now,
        )

    note(audit.Act.ASKED, why=wish.why)
    try:
        said = action.run(wish)
    except (DonationError, complimentary.NotPossible, InvalidAddress, Refusal) as error:
        note(audit.Act.REFUSED, code=getattr(error, "code", type(error).__name__))
        raise Refusal(str(error)) from error
    note(audit.Act.DONE)
    return said


def member_of(row: Any) -> int | None:
    """The member to whom a row belongs; None where it is nobody's."""
    if isinstance(row, Member):
        return row.pk
    if isinstance(row, (Payment, Subscription)):
        return row.contribution.member_id
    if isinstance(row, (Contribution, Membership)):
        return row.member_id
    found: int | None = getattr(row, "member_id", None)
    return found


# --- Amounts and days in forms


class AmountField(forms.CharField):
    """Plain decimal text, such as 12.50; which currency it is of, the row says."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "size": 12})
        super().__init__(max_length=20, widget=widget, **kwargs)


class DayField(forms.DateField):
    """A day, by the browser's own calendar."""

    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


def _amount(text: str, currency: str) -> Money:
    try:
        return Money.parse(text.strip().replace(",", "."), currency)
    except ValueError as error:
        raise Refusal(f"“{text}” is not an amount: {error}.") from error


def _money_of(wish: Wish) -> dict[str, Any]:
    return {"amount": wish.given["amount"][:20], "currency": wish.target.currency}


def _end_of(day: date) -> datetime:
    return calendar.end_of_day(day, ZoneInfo(settings.NEWSROOM_TIME_ZONE))


# --- Refunds


class RefundForm(Reason):
    amount = AmountField(label="Amount", help_text="All that is left, or a part of it.")
    reason = forms.ChoiceField(
        label="Reason, for Stripe",
        choices=[
            ("requested_by_customer", "The reader asked for it"),
            ("duplicate", "It was paid twice"),
            ("fraudulent", "It was not the reader who paid"),
        ],
    )
    field_order = ["amount", "reason", "why"]


def _refund(wish: Wish) -> str:
    amount = _amount(wish.given["amount"], wish.target.currency)
    on_request.refund(wish.target, amount=amount, reason=wish.given["reason"], once=wish.once)
    return (
        f"Stripe gives {amount} back. The books follow when Stripe confirms it, and the reader gets a mail."
    )


register(
    Action(
        slug="refund",
        label="Refund",
        permission="donations.refund_payment",
        target=Payment,
        form=RefundForm,
        warning=lambda payment, now: (
            f"{payment.amount} were paid; {on_request.left_to_refund(payment)} can be given back. "
            "This cannot be undone, and Stripe keeps its fee."
        ),
        run=_refund,
        facts=lambda wish: {**_money_of(wish), "reason": wish.given["reason"]},
        starts_with=lambda payment: {"amount": _plain(on_request.left_to_refund(payment))},
    )
)


# --- A contribution that goes on


def _by(wish: Wish) -> wishes.Actor:
    """Whom the change's row names, and which pressing of the button it was."""
    return wishes.Actor(wish.actor, once=f"staff:{wish.once}")


def _stop(wish: Wish) -> str:
    ending = stopping.how_it_would_end(wish.target)
    wishes.stop(wish.target.contribution, by=_by(wish), now=wish.now)
    if ending is stopping.Ending.AT_ONCE:
        return "The contribution ends at once."
    return "No further payment is taken; what is paid for is kept until its end."


def _how_it_ends(subscription: Subscription, now: datetime) -> str:
    if stopping.how_it_would_end(subscription) is stopping.Ending.AT_ONCE:
        return "A payment is open: the contribution ends at once, and what is open is asked for no more."
    until = stopping.paid_until(subscription)
    return "No further payment is taken." + (
        f" What is paid for lasts until {until:%-d %B %Y}." if until else ""
    )


register(
    Action(
        slug="stop",
        label="End the contribution",
        permission="donations.stop_subscription",
        target=Subscription,
        form=Reason,
        warning=_how_it_ends,
        run=_stop,
    )
)


def _keep(wish: Wish) -> str:
    wishes.keep(wish.target.contribution, by=_by(wish), now=wish.now)
    return "The contribution goes on."


register(
    Action(
        slug="keep",
        label="Let it go on after all",
        permission="donations.stop_subscription",
        target=Subscription,
        form=Reason,
        warning=lambda subscription, now: (
            "The contribution was to end. It goes on, with the next payment as before."
        ),
        run=_keep,
        is_calm=True,
    )
)


class PauseForm(Reason):
    until = DayField(
        label="Until", required=False, help_text="The last day of the pause. Empty: until it is resumed."
    )
    field_order = ["until", "why"]


def _pause(wish: Wish) -> str:
    day = wish.given["until"]
    on_request.pause(
        wish.target,
        until=_end_of(day) if day else None,
        actor=wish.actor,
        once=wish.once,
        now=wish.now,
    )
    return f"Paused until the end of {day:%-d %B %Y}." if day else "Paused until it is resumed."


register(
    Action(
        slug="pause",
        label="Pause",
        permission="donations.pause_subscription",
        target=Subscription,
        form=PauseForm,
        warning=lambda subscription, now: (
            "No payment is taken during the pause, and none is made up for later. "
            "The membership rests as well once the paid time is over."
        ),
        run=_pause,
        facts=lambda wish: {"until": str(wish.given["until"] or "")},
        is_calm=True,
    )
)


def _resume(wish: Wish) -> str:
    on_request.resume(wish.target, actor=wish.actor, once=wish.once, now=wish.now)
    return "Payments are taken again, from the next that falls due."


register(
    Action(
        slug="resume",
        label="Resume",
        permission="donations.pause_subscription",
        target=Subscription,
        form=Reason,
        warning=lambda subscription, now: "Payments are taken again, from the next that falls due.",
        run=_resume,
        is_calm=True,
    )
)


class AmountForm(Reason):
    amount = AmountField(label="New amount")
    field_order = ["amount", "why"]


def _change_amount(wish: Wish) -> str:
    amount = _amount(wish.given["amount"], wish.target.currency)
    on_request.change_amount(wish.target, amount=amount, actor=wish.actor, once=wish.once, now=wish.now)
    return f"From the next payment on it is {amount}."


register(
    Action(
        slug="change-amount",
        label="Change the amount",
        permission="donations.change_amount",
        target=Subscription,
        form=AmountForm,
        warning=lambda subscription, now: (
            f"It is {subscription.amount} now. The new amount counts from the next payment on. "
            "Only at the reader's own wish: a change that we want is announced first."
        ),
        run=_change_amount,
        facts=_money_of,
        starts_with=lambda subscription: {"amount": _plain(subscription.amount)},
        is_calm=True,
    )
)


# --- Receipts


def _resend(wish: Wish) -> str:
    on_request.resend_receipt(wish.target, once=wish.once, now=wish.now)
    return f"Receipt {wish.target.receipt_number} is on its way again, to the address that we write to now."


register(
    Action(
        slug="resend-receipt",
        label="Send the receipt again",
        permission="members.resend_message",
        target=Payment,
        form=Reason,
        warning=lambda payment, now: (
            f"Receipt {payment.receipt_number or '-'} over {payment.amount} goes out again."
        ),
        run=_resend,
        is_calm=True,
    )
)


# --- Complimentary memberships


class GiveForm(Reason):
    tier = forms.ModelChoiceField(label="Tier", queryset=Tier.objects.all())
    until = DayField(label="Until", help_text="The last day of it.")
    field_order = ["tier", "until", "why"]


def _give(wish: Wish) -> str:
    complimentary.give_complimentary(
        member=wish.target,
        tier=wish.given["tier"],
        until=wish.given["until"],
        actor=wish.actor,
        why=wish.why,
        now=wish.now,
    )
    return f"{wish.given['tier']} until the end of {wish.given['until']:%-d %B %Y}."


register(
    Action(
        slug="give-membership",
        label="Give a membership",
        permission="members.give_membership",
        target=Member,
        form=GiveForm,
        warning=lambda member, now: "A membership as a gift of the house. It is never counted as paid.",
        run=_give,
        facts=lambda wish: {"tier": wish.given["tier"].slug, "until": str(wish.given["until"])},
        is_calm=True,
    )
)


def _end_gift(wish: Wish) -> str:
    ended = complimentary.end_complimentary(
        membership=wish.target, actor=wish.actor, why=wish.why, now=wish.now
    )
    return "The membership has ended." if ended else "It had ended already."


register(
    Action(
        slug="end-membership",
        label="End the membership",
        permission="members.give_membership",
        target=Membership,
        form=Reason,
        warning=lambda membership, now: "It ends now.",
        run=_end_gift,
    )
)


# --- Events of Stripe


def _replay(wish: Wish) -> str:
    if not inbox.replay(event_id=wish.target.pk, now=wish.now):
        raise Refusal("This event waits its turn, or was acted on.")
    return "The event will be acted on again."


register(
    Action(
        slug="replay",
        label="Act on it again",
        permission="donations.change_stripeevent",
        target=StripeEvent,
        form=Reason,
        warning=lambda event, now: (
            f"{event.type}: {event.problem or event.waits_for or event.get_state_display()}."
        ),
        run=_replay,
        is_calm=True,
    )
)
