"""
The last gate before an annual payment: an invoice that Stripe has just drawn up, and of which nobody was told.

It takes a house that stood still for weeks to come here. Stripe leaves a draft alone for an hour, and for up to three
days while our endpoint does not answer: who is back by then can still keep the money from being taken.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F

from donations import facts, notices
from donations.ledger.common import change, locked
from donations.models import Notice, Subscription
from members.rows import insert_new

Kind, State, Hold = Notice.Kind, Notice.State, Notice.Hold

_ABOUT_A_YEAR = timedelta(days=300)


def is_untold(invoice: facts.Invoice) -> bool:
    """Whether an invoice that Stripe has just drawn up is an annual renewal that its reader was not told of in time."""
    start, end = invoice.period_start, invoice.period_end
    if invoice.billing_reason != "subscription_cycle" or not start or not end or end - start < _ABOUT_A_YEAR:
        return False
    about_it = Notice.objects.filter(
        subscription__stripe_id=invoice.subscription, kind=Kind.RENEWAL, charge_at=start
    )
    told = about_it.filter(state=State.ACCEPTED, takes_at__lte=F("charge_at"))
    held = about_it.filter(hold__in=[Hold.HELD, Hold.LETTING_GO, Hold.RELEASED])
    return not (told | held).exists()


def note_untold(invoice: facts.Invoice, *, was_kept: bool, now: datetime) -> None:
    """
    No sweep ran for weeks, and Stripe has drawn up an invoice of which nobody was told.

    :param was_kept: whether Stripe keeps it as a draft now; else its payment had begun, and staff have to look.
    """
    row = Subscription.objects.filter(stripe_id=invoice.subscription).first()
    if row is None or invoice.period_start is None:
        return
    locked().get(pk=row.contribution_id)
    insert_new([notices.planned_renewal(row, now=now, charge_at=invoice.period_start)])
    notice = Notice.objects.select_related("subscription").get(
        subscription=row, kind=Kind.RENEWAL, reference=invoice.period_start.isoformat()
    )
    if not was_kept:
        notices.drop(notice, "charged_untold")
        return
    state = State.PLANNED if notice.state == State.DROPPED else notice.state
    held = {"hold": Hold.HELD, "held_at": now, "reason": "not_told_in_time", "next_look_at": now}
    change(notice, {"state": state, **held})
