"""
Everything about one person on one screen: how they stand, and what happened, newest first, each with who and when.

The page asks a fixed number of questions of the database, however long the story is. Personal data is not opened here;
the page shows it when it was revealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.contrib.auth import get_user_model
from django.db.models import Prefetch, Q
from django.urls import reverse

from donations import change_admin
from donations.models import (
    Contribution,
    ContributionChange,
    Dispute,
    DoubleCharge,
    Dunning,
    Notice,
    Payment,
    Refund,
    Subscription,
    SubscriptionChange,
)
from donations.money import Money
from members import data_rights, people, self_service
from members.models import (
    AuditEntry,
    Consent,
    DataRequest,
    Member,
    Membership,
    MembershipStep,
    Merge,
    Message,
    StaffNote,
)
from reminders.models import Reminder, ReminderSend

_WITH_ACTION = (AuditEntry.Act.ASKED, AuditEntry.Act.DONE, AuditEntry.Act.REFUSED)
MOST = 200  # of each kind, the newest
STRIPE, READER, HOUSE = "Stripe", "the reader", "Sustainer"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the story."""

    at: datetime
    kind: str
    title: str
    who: str
    detail: str = ""
    link: str = ""
    tone: str = ""  # good, bad or ""


@dataclass(slots=True)
class Gift:
    """A contribution with what came of it, and what staff can do about it."""

    contribution: Contribution
    subscription: Subscription | None
    payments: list[Payment]

    @property
    def is_paused(self) -> bool:
        return self.subscription is not None and self.subscription.state == Subscription.State.PAUSED

    @property
    def goes_on(self) -> bool:
        return self.subscription is not None and self.subscription.state != Subscription.State.CANCELLED


@dataclass(slots=True)
class Person:
    """What the page shows."""

    member: Member
    addresses: list[Member]
    memberships: list[Membership]
    gifts: list[Gift]
    open_disputes: list[Dispute]
    story: list[Entry] = field(default_factory=list)


def get(pk: int, *, now: datetime) -> Person:
    """
    The person to whom this member belongs.

    :raises Member.DoesNotExist: there is none.
    """
    asked = Member.objects.select_related("merged_into").get(pk=pk)
    head = asked.person
    known = list(people.members_of(head.pk).order_by("joined_at", "pk"))
    ids = [member.pk for member in known]
    payments = Payment.objects.order_by("-created_at", "-pk").prefetch_related(
        Prefetch("refunds", Refund.objects.order_by("-created_at")),
        Prefetch("disputes", Dispute.objects.order_by("-opened_at")),
    )
    contributions = list(
        Contribution.objects.filter(member__in=ids)
        .select_related("campaign", "subscription")
        .defer("email", "name", "checkout_url", "recovery_url")
        .prefetch_related(Prefetch("payments", payments))
        .order_by("-created_at", "-pk")[:MOST]
    )
    gifts = [
        Gift(contribution, getattr(contribution, "subscription", None), list(contribution.payments.all()))
        for contribution in contributions
    ]
    memberships = list(
        Membership.objects.filter(member__in=ids).select_related("tier").order_by("-started_at", "-pk")[:MOST]
    )
    for membership in memberships:
        membership.state_now = membership.state_at(now)  # type: ignore[attr-defined]  # for the page
    disputes = [dispute for gift in gifts for payment in gift.payments for dispute in payment.disputes.all()]
    waiting = [dispute for dispute in disputes if dispute.state == Dispute.State.NEEDS_RESPONSE]
    person = Person(head, known, memberships, gifts, waiting)
    names = _Names()
    story = [
        *_joined(known),
        *_given(gifts),
        *_changes(gifts),
        *_wishes(gifts, names),
        *_dunning(ids),
        *_notices(ids),
        *_doubles(ids),
        *_steps(memberships, names),
        *_notes(memberships, names),
        *_merges(ids, names),
        *_consents(ids),
        *_mails(ids),
        *_data_requests(ids, names),
        *_reminders(known),
        *_audited(ids, names),
    ]
    person.story = names.put_into(sorted(story, key=lambda entry: entry.at, reverse=True))
    return person


# --- What happened, by where it is written


def _joined(known: list[Member]) -> Iterator[Entry]:
    for member in known:
        yield Entry(member.joined_at, "person", "First gift under this address", READER, str(member))


def _given(gifts: list[Gift]) -> Iterator[Entry]:
    for gift in gifts:
        contribution = gift.contribution
        there = reverse("admin:donations_contribution_change", args=[contribution.pk])
        every = {"once": "once", "month": "every month", "year": "every year"}[contribution.interval]
        title = f"Began to give {contribution.total} {every}"
        yield Entry(contribution.created_at, "gift", title, READER, contribution.campaign.title, there)
        for payment in gift.payments:
            yield from _of_payment(payment)
        if gift.subscription is not None and gift.subscription.ended_at:
            why = gift.subscription.end_reason.replace("_", " ")
            yield Entry(
                gift.subscription.ended_at, "gift", "The contribution ended", STRIPE, why, there, "bad"
            )


def _of_payment(payment: Payment) -> Iterator[Entry]:
    there = reverse("admin:donations_payment_change", args=[payment.pk])
    if payment.paid_at:
        detail = f"Receipt {payment.receipt_number}" if payment.receipt_number else ""
        yield Entry(payment.paid_at, "payment", f"Paid {payment.amount}", STRIPE, detail, there, "good")
    elif payment.state == Payment.State.FAILED:
        at = payment.failed_at or payment.created_at
        detail = payment.failure_code.replace("_", " ")
        if payment.next_attempt_at:
            detail += f"; tried again {payment.next_attempt_at:%-d %b %H:%M} UTC"
        yield Entry(at, "payment", f"{payment.amount} was refused", STRIPE, detail, there, "bad")
    else:
        yield Entry(payment.created_at, "payment", f"{payment.amount} is on its way", STRIPE, "", there)
    for refund in payment.refunds.all():
        title = f"Given back {Money(refund.amount_minor, refund.currency)}"
        detail = " · ".join(filter(None, [refund.get_state_display(), refund.reason.replace("_", " ")]))
        yield Entry(refund.created_at, "refund", title, STRIPE, detail, there)
    for dispute in payment.disputes.all():
        title = f"The bank asks {Money(dispute.amount_minor, dispute.currency)} back"
        detail = " · ".join(filter(None, [dispute.get_state_display(), dispute.reason.replace("_", " ")]))
        page = reverse("admin:donations_dispute_change", args=[dispute.pk])
        yield Entry(dispute.opened_at, "dispute", title, "the reader's bank", detail, page, "bad")


def _changes(gifts: list[Gift]) -> Iterator[Entry]:
    subscriptions = [gift.subscription.pk for gift in gifts if gift.subscription is not None]
    Kind = SubscriptionChange.Kind
    found = SubscriptionChange.objects.filter(subscription__in=subscriptions).select_related("subscription")
    seen: set[tuple[int, str, datetime, bool | None]] = set()
    for change in found.order_by("-at")[:MOST]:
        key = (change.subscription_id, change.kind, change.at, change.is_on)
        if key in seen:
            continue  # several events may tell of one change
        seen.add(key)
        detail = f"until {change.until:%-d %b %Y}" if change.until and change.is_on else ""
        if change.kind == Kind.AMOUNT:
            currency = change.subscription.currency
            before, after = (
                Money(change.amount_before or 0, currency),
                Money(change.amount_after or 0, currency),
            )
            title = f"The amount changed from {before} to {after}"
        elif change.kind == Kind.PAUSE:
            title = "Paused" if change.is_on else "Goes on after a pause"
        elif change.kind == Kind.WISH_TO_END:
            title = "Will end" if change.is_on else "Will not end after all"
        else:
            title = "Payments are not tried any more" if change.is_on else "Payments are tried again"
        yield Entry(change.at, "change", title, STRIPE, detail)


def _wishes(gifts: list[Gift], names: _Names) -> Iterator[Entry]:
    """Who asked for those changes, and what came of it."""
    found = ContributionChange.objects.filter(contribution__in=[gift.contribution for gift in gifts])
    for row in found.order_by("-asked_at", "-pk")[:MOST]:
        there = reverse("admin:donations_contributionchange_change", args=[row.pk])
        who = {"reader": READER, "link": f"{READER}, by a mail's link", "stripe": STRIPE}.get(row.actor, "")
        before, after = change_admin.terms(row.before), change_admin.terms(row.after)
        title = f"Asked for a change: {row.get_kind_display().lower()}"
        detail = " · ".join(
            filter(
                None,
                [
                    f"{before} → {after}" if before != after else "",
                    row.get_state_display(),
                    row.get_reason_display() if row.reason else "",
                    "instead of stopping" if row.instead_of_stopping else "",
                ],
            )
        )
        tone = "bad" if row.state == ContributionChange.State.REFUSED else ""
        yield Entry(row.asked_at, "change", title, who or names.later(row.actor), detail, there, tone)


def _dunning(ids: list[int]) -> Iterator[Entry]:
    found = Dunning.objects.filter(payment__contribution__member__in=ids).order_by("-first_failed_at")
    for row in found[:MOST]:
        there = reverse("admin:donations_dunning_change", args=[row.pk])
        detail = f"{row.get_state_display()} · {row.mails} mails"
        yield Entry(
            row.first_failed_at, "dunning", "A renewal failed for the first time", STRIPE, detail, there
        )


def _notices(ids: list[int]) -> Iterator[Entry]:
    found = Notice.objects.filter(subscription__contribution__member__in=ids).order_by("-due_at")
    for row in found[:MOST]:
        there = reverse("admin:donations_notice_change", args=[row.pk])
        title = f"Notice before a payment ({row.get_kind_display()})"
        yield Entry(row.accepted_at or row.due_at, "notice", title, HOUSE, row.get_state_display(), there)


def _doubles(ids: list[int]) -> Iterator[Entry]:
    found = DoubleCharge.objects.filter(second__contribution__member__in=ids).order_by("-noticed_at")
    for row in found[:MOST]:
        there = reverse("admin:donations_doublecharge_change", args=[row.pk])
        yield Entry(
            row.noticed_at,
            "double",
            "Two payments soon after each other",
            HOUSE,
            row.get_state_display(),
            there,
        )


def _steps(memberships: list[Membership], names: _Names) -> Iterator[Entry]:
    found = MembershipStep.objects.filter(membership__in=memberships).select_related("tier")
    for step in found.order_by("-at", "-pk")[:MOST]:
        there = reverse("admin:members_membership_change", args=[step.membership_id])
        tier = step.tier.name if step.tier else ""
        detail = " · ".join(filter(None, [tier, step.why]))
        title = f"Membership: {step.get_kind_display().lower()}"
        yield Entry(step.at, "membership", title, names.later(step.actor), detail, there)


def _notes(memberships: list[Membership], names: _Names) -> Iterator[Entry]:
    found = StaffNote.objects.filter(membership__in=memberships).defer("text").order_by("-written_at")
    for note in found[:MOST]:
        there = reverse("admin:members_membership_change", args=[note.membership_id])
        yield Entry(note.written_at, "note", "Wrote a note", names.later(note.actor), "", there)


def _merges(ids: list[int], names: _Names) -> Iterator[Entry]:
    found = Merge.objects.filter(Q(kept__in=ids) | Q(duplicate__in=ids)).defer("why").order_by("-merged_at")
    for merge in found[:MOST]:
        who = READER if merge.actor == self_service.ACTOR else names.later(merge.actor)
        yield Entry(merge.merged_at, "merge", "Two addresses found to be one person", who)
        if merge.undone_at:
            yield Entry(merge.undone_at, "merge", "That was taken back", names.later(merge.undone_by))


def _consents(ids: list[int]) -> Iterator[Entry]:
    for consent in Consent.objects.filter(member__in=ids).order_by("-granted_at")[:MOST]:
        yield Entry(consent.granted_at, "consent", f"Agreed: {consent.purpose}", READER, consent.text_version)
        if consent.withdrawn_at:
            yield Entry(consent.withdrawn_at, "consent", f"Withdrew: {consent.purpose}", READER)


def _mails(ids: list[int]) -> Iterator[Entry]:
    found = Message.objects.filter(member__in=ids).defer("recipient", "context").order_by("-owed_at", "-pk")
    for mail in found[:MOST]:
        there = reverse("admin:members_message_change", args=[mail.pk])
        tone = "bad" if mail.state == Message.State.FAILED else ""
        title = f"Mail: {mail.kind.replace('_', ' ')}"
        detail = mail.get_state_display() + (f" · {mail.failure_code}" if mail.failure_code else "")
        yield Entry(mail.sent_at or mail.owed_at, "mail", title, HOUSE, detail, there, tone)


def _data_requests(ids: list[int], names: _Names) -> Iterator[Entry]:
    for row in DataRequest.objects.filter(member__in=ids).order_by("-asked_at", "-pk")[:MOST]:
        there = reverse("admin:members_datarequest_change", args=[row.pk])
        title = f"Asked for: {row.get_kind_display().lower()}"
        who = READER if row.asked_by == data_rights.READER else names.later(row.asked_by)
        tone = "bad" if row.state == DataRequest.State.REFUSED else ""
        detail = " · ".join(filter(None, [row.get_state_display(), row.problem.replace("_", " ")]))
        yield Entry(row.asked_at, "person", title, who, detail, there, tone)


def _reminders(known: list[Member]) -> Iterator[Entry]:
    """Reminders belong to an address, not to a member: found by the same keyed hash."""
    hashes = [member.email_hash for member in known]
    found = Reminder.objects.filter(email_hash__in=hashes).defer("email").order_by("-created_at")
    for row in found[:MOST]:
        there = reverse("admin:reminders_reminder_change", args=[row.pk])
        title = f"Asked for a reminder ({row.get_kind_display().lower()})"
        yield Entry(row.created_at, "reminder", title, READER, row.get_state_display(), there)
    sends = ReminderSend.objects.filter(person__in=hashes, decided_at__isnull=False).order_by("-decided_at")
    for send in sends[:MOST]:
        there = reverse("admin:reminders_reminder_change", args=[send.reminder_id])
        detail = send.get_state_display() + (f" · {send.reason.replace('_', ' ')}" if send.reason else "")
        yield Entry(send.decided_at, "reminder", "A reminder was due", HOUSE, detail, there)  # type: ignore[arg-type]


def _audited(ids: list[int], names: _Names) -> Iterator[Entry]:
    shown = [act for act in AuditEntry.Act if act != AuditEntry.Act.LOOKED]
    found = AuditEntry.objects.filter(member_id__in=ids, act__in=shown).select_related("reason")
    for row in found.order_by("-number")[:MOST]:
        detail = ", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in row.facts.items())
        what = row.what.replace("-", " ")
        title = row.get_act_display() + (f": {what}" if row.act in _WITH_ACTION else "")
        tone = "bad" if row.act in (AuditEntry.Act.REFUSED, AuditEntry.Act.DENIED) else ""
        yield Entry(row.at, "staff", title, names.later(row.actor), detail, "", tone)


class _Names:
    """The names of members of staff, asked for all at once at the end."""

    def __init__(self) -> None:
        self._wanted: set[int] = set()

    def later(self, actor: str) -> str:
        """The actor as it stands in a row, remembered if it is of staff."""
        if actor.startswith("staff:") and actor[6:].isdigit():
            self._wanted.add(int(actor[6:]))
        return actor

    def put_into(self, story: Iterable[Entry]) -> list[Entry]:
        """The same lines, with names in the place of ids."""
        users = get_user_model().objects.filter(pk__in=self._wanted).values_list("pk", "username")
        names = {f"staff:{pk}": name for pk, name in users}
        return [replace(entry, who=names.get(entry.who, entry.who)) for entry in story]
