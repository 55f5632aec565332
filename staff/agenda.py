"""What asks for somebody's attention today, each with how many, the most urgent, and where to see them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.urls import reverse

from donations.models import (
    Dispute,
    DoubleCharge,
    Dunning,
    Notice,
    ReconcileFinding,
    ReconcileRun,
    StripeEvent,
    Withdrawal,
)
from donations.money import Money
from members import sign_in
from members.models import Message

SHOWN = 5  # of each, the most urgent
COUNTED = 1000  # of each; that there are more says enough
MAILS_SINCE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Line:
    """One of them: what, until or since when, and the page on which something can be done about it."""

    text: str
    when: str
    link: str


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing to look after; `is_urgent` if it costs money or a member to leave it."""

    title: str
    hint: str
    count: int
    link: str
    is_urgent: bool = False
    lines: list[Line] = field(default_factory=list)

    @property
    def shown_count(self) -> str:
        """How many, up to a limit beyond which it does not matter."""
        return str(self.count) if self.count <= COUNTED else f"{COUNTED}+"


def get(user: Any, *, now: datetime) -> list[Matter]:
    """What this member of staff may see of it; also what is at zero, so that it is seen to be at zero."""
    return [make(now) for permission, make in _MATTERS if user.has_perm(permission)]


def _matter(
    rows: QuerySet[Any],
    line: Callable[[Any], Line],
    *,
    title: str,
    hint: str,
    link: str,
    is_urgent: bool = False,
) -> Matter:
    count = rows.order_by()[: COUNTED + 1].count()
    lines = [line(row) for row in rows[:SHOWN]] if count else []
    return Matter(title, hint, count, link, is_urgent and count > 0, lines)


def _list(model: str, **filters: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return reverse(f"admin:{model}_changelist") + (f"?{query}" if query else "")


def _page(member_id: int | None, model: str, pk: int) -> str:
    return (
        reverse("admin:person", args=[member_id])
        if member_id
        else reverse(f"admin:{model}_change", args=[pk])
    )


def _day(moment: datetime | None, words: str) -> str:
    return f"{words} {moment:%-d %b}" if moment else ""


def _disputes(now: datetime) -> Matter:
    rows = Dispute.objects.filter(state=Dispute.State.NEEDS_RESPONSE).select_related("payment__contribution")

    def line(row: Dispute) -> Line:
        there = _page(row.payment.contribution.member_id, "donations_dispute", row.pk)
        money = Money(row.amount_minor, row.currency)
        return Line(
            f"{money}, {row.reason.replace('_', ' ') or 'no reason given'}",
            _day(row.answer_due_at, "answer by"),
            there,
        )

    return _matter(
        rows.order_by(F("answer_due_at").asc(nulls_last=True), "pk"),
        line,
        title="Disputes to answer",
        hint="A reader's bank asks money back. Answer at Stripe before the deadline, or it is lost.",
        link=_list("donations_dispute", state__exact="NEEDS_RESPONSE"),
        is_urgent=True,
    )


def _at_risk(now: datetime) -> Matter:
    rows = Dunning.objects.filter(state=Dunning.State.OPEN).select_related("payment__contribution")

    def line(row: Dunning) -> Line:
        payment = row.payment
        there = _page(payment.contribution.member_id, "donations_dunning", row.pk)
        when = _day(payment.next_attempt_at, "tried again") or "no further try"
        return Line(f"{payment.amount}, {payment.failure_code.replace('_', ' ') or 'refused'}", when, there)

    return _matter(
        rows.order_by("first_failed_at", "pk"),  # Stripe gives up on these first
        line,
        title="At risk now",
        hint="Renewals that were refused and are tried again. Readers were written to.",
        link=_list("donations_dunning", state__exact="OPEN"),
        is_urgent=True,
    )


def _cards(now: datetime) -> Matter:
    rows = Notice.objects.filter(kind=Notice.Kind.CARD, charge_at__gt=now).exclude(state=Notice.State.DROPPED)

    def line(row: Notice) -> Line:
        there = _page(row.subscription.contribution.member_id, "donations_notice", row.pk)
        return Line(str(row.subscription.amount), _day(row.charge_at, "next payment"), there)

    return _matter(
        rows.select_related("subscription__contribution").order_by("charge_at", "pk"),
        line,
        title="Cards about to expire",
        hint="Their next payment comes after the card's end. Readers were written to.",
        link=_list("donations_notice", kind__exact="CARD"),
    )


def _unsendable(now: datetime) -> Matter:
    rows = Notice.objects.filter(state=Notice.State.UNSENDABLE)

    def line(row: Notice) -> Line:
        there = _page(row.subscription.contribution.member_id, "donations_notice", row.pk)
        return Line(
            f"{row.subscription.amount}, {row.problem or 'the mail cannot be delivered'}",
            _day(row.charge_at, "for"),
            there,
        )

    return _matter(
        rows.select_related("subscription__contribution").order_by("charge_at", "pk"),
        line,
        title="Notices that reach nobody",
        hint="Their payments wait. Tell the reader in another way, and say so in the list.",
        link=_list("donations_notice", state__exact="UNSENDABLE"),
        is_urgent=True,
    )


def _doubles(now: datetime) -> Matter:
    rows = DoubleCharge.objects.filter(state=DoubleCharge.State.REFUSED)

    def line(row: DoubleCharge) -> Line:
        there = _page(row.second.contribution.member_id, "donations_doublecharge", row.pk)
        return Line(str(row.second.amount), _day(row.noticed_at, "noticed"), there)

    return _matter(
        rows.select_related("second__contribution").order_by("noticed_at", "pk"),
        line,
        title="Second charges that could not be undone",
        hint="The reader wanted one back, and Stripe refused.",
        link=_list("donations_doublecharge", state__exact="REFUSED"),
        is_urgent=True,
    )


def _parked(now: datetime) -> Matter:
    rows = StripeEvent.objects.filter(state__in=[StripeEvent.State.QUARANTINED, StripeEvent.State.PARKED])

    def line(row: StripeEvent) -> Line:
        there = reverse("admin:donations_stripeevent_change", args=[row.pk])
        why = row.problem or (f"waits for {row.waits_for}" if row.waits_for else "")
        return Line(f"{row.type} {why}".strip(), _day(row.received_at, "since"), there)

    return _matter(
        rows.defer("payload").order_by("-state", "received_at", "pk"),
        line,
        title="Events that wait",
        hint="What Stripe told us and could not be acted on. Most wake by themselves; the others can be tried again.",
        link=_list("donations_stripeevent", state__in="PARKED,QUARANTINED"),
    )


def _drift(now: datetime) -> Matter:
    last = ReconcileRun.objects.filter(scope=ReconcileRun.Scope.OBJECTS, finished_at__isnull=False).first()
    rows = ReconcileFinding.objects.filter(run=last).exclude(outcome=ReconcileFinding.Outcome.REPAIRED)

    def line(row: ReconcileFinding) -> Line:
        there = reverse("admin:donations_reconcilefinding_change", args=[row.pk])
        return Line(f"{row.kind}: {row.what}", _day(row.found_at, "found"), there)

    return _matter(
        rows.order_by("-found_at", "-pk"),
        line,
        title="Differences from Stripe",
        hint="What the last comparison found and could not repair by itself."
        if last
        else "Stripe and our books have not been compared yet.",
        link=_list("donations_reconcilefinding"),
        is_urgent=True,
    )


def _mails(now: datetime) -> Matter:
    given_up = Message.objects.filter(state=Message.State.FAILED, owed_at__gt=now - MAILS_SINCE)
    # A link to sign in that a stranger asked for goes nowhere, and that is as it should be.
    rows = given_up.exclude(kind=sign_in.KIND, failure_code__in=["withdrawn", "not_in_time"])

    def line(row: Message) -> Line:
        there = _page(row.member_id, "members_message", row.pk)
        return Line(
            f"{row.kind.replace('_', ' ')}: {row.failure_code.replace('_', ' ')}",
            _day(row.owed_at, "since"),
            there,
        )

    return _matter(
        rows.defer("recipient", "context").order_by("-owed_at", "-pk"),
        line,
        title="Mails given up",
        hint="In the last 30 days. Mostly an address that does not exist: write to the reader in another way.",
        link=_list("members_message", state__exact="FAILED"),
    )


def _withdrawals(now: datetime) -> Matter:
    rows = Withdrawal.objects.filter(closed_at=None).exclude(problem="").select_related("contribution")

    def line(row: Withdrawal) -> Line:
        there = _page(row.contribution.member_id, "donations_withdrawal", row.pk)
        return Line(row.problem.replace("_", " "), _day(row.declared_at, "declared"), there)

    return _matter(
        rows.order_by("declared_at", "pk"),
        line,
        title="Withdrawals that do not get through",
        hint="A reader withdrew, and something keeps the money from going back. The law gives 14 days.",
        link=_list("donations_withdrawal", closed_at__isempty="1"),
        is_urgent=True,
    )


_MATTERS: Iterable[tuple[str, Callable[[datetime], Matter]]] = (
    ("donations.view_dispute", _disputes),
    ("donations.view_dunning", _at_risk),
    ("donations.view_notice", _unsendable),
    ("donations.view_withdrawal", _withdrawals),
    ("donations.view_doublecharge", _doubles),
    ("donations.view_notice", _cards),
    ("donations.view_stripeevent", _parked),
    ("donations.view_reconcilefinding", _drift),
    ("members.view_message", _mails),
)
