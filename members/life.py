"""
The life of a membership, worked out: from all that the ledger knows to each step, and how it stands after it. Pure.

`live` looks at everything anew each time, sorted by when it happened. So what comes out depends on what is known,
never on the order, the number or the time in which it became known; and what was known wrongly (a payment that was on
its way to us when we thought that it was late) leaves no trace but that it was taken back (members/memberships.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Protocol

from members.models import MembershipStep
from members.plans import Amount, Failed, Paid, Plan, Source, Switch

Kind = MembershipStep.Kind
ENDED, LAPSED = "ENDED", "LAPSED"


@dataclass(frozen=True, slots=True)
class Stand:
    """The columns of `models.Standing` as a value."""

    tier_id: int | None
    annual_minor: int
    paid_through: datetime
    grace_until: datetime
    past_due_since: datetime | None = None
    lapses_at: datetime | None = None
    paused_at: datetime | None = None
    cancelled_at: datetime | None = None
    ends_at: datetime | None = None
    ends_as: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A step that is true: which, when, and how the membership stands after it."""

    kind: str
    reference: str
    at: datetime
    place: int
    why: str
    actor: str
    stand: Stand


@dataclass(frozen=True, slots=True)
class Life:
    """The whole life until now; without entries, nobody ever became a member by this."""

    entries: tuple[Entry, ...]
    resumes_at: datetime | None = None


class Rules(Protocol):
    """
    What the newsroom decides. An answer that was recorded before is given again, whatever was changed since.
    """

    def tier(self, reference: str, annual_minor: int) -> int | None:
        """The tier (its primary key) of a yearly amount; `reference` names where the amount was first told."""

    def redrawn(self) -> list[Redrawn]:
        """When tiers were given anew because the newsroom changed what they ask."""

    def grace(self, reference: str, paid_through: datetime) -> datetime:
        """Until when somebody counts as a member whose paid time is over."""

    def lapse(self, reference: str, since: datetime) -> datetime | None:
        """When a payment that failed then is given up; None for never."""

    def later(self, moment: datetime, months: int) -> datetime:
        """So many months later."""


@dataclass(frozen=True, slots=True)
class Redrawn:
    """From then on the same amount reaches another tier. No fact of the ledger: it is kept as it was recorded."""

    reference: str
    at: datetime
    tier_id: int | None


REDRAWN = "The newsroom changed what its tiers ask."
FIRST_AMOUNT = "the first amount"  # how `Rules.tier` is asked for the amount with which it began


def live(plan: Plan, rules: Rules, *, now: datetime) -> Life:
    """Each step in the life of the membership for which the plan stands, until now, in order."""
    story = _Story(plan, rules)
    told_at: datetime | None = None
    for at, tell in _in_order(plan, story):
        if at != told_at:  # what happens at one moment happens before time goes on
            story.pass_time(until=at)
        tell()
        told_at = at
    story.pass_time(until=now)
    return Life(tuple(story.entries), story.pause.until if story.pause else None)


def _in_order(plan: Plan, story: _Story) -> list[tuple[datetime, Callable[[], None]]]:
    """All that happened, by its moment; within a moment in an order that makes sense, and is always the same."""
    told: list[tuple[datetime, int, int, Callable[[], None]]] = []

    def add(rank: int, at: datetime, tell: Callable[[], None]) -> None:
        told.append((at, rank, len(told), tell))

    arrived = {paid.reference: paid.at for paid in plan.payments}
    for failed in sorted(plan.failures, key=lambda fact: (fact.at, fact.reference)):
        # Refused after it arrived: that cannot be, whatever the clocks of two events say.
        if failed.at <= arrived.get(failed.reference, failed.at):
            add(0, failed.at, partial(story.fail, failed))
    for paid in sorted(plan.payments, key=lambda fact: (fact.at, fact.is_renewal, fact.reference)):
        add(1, paid.at, partial(story.pay, paid))
        if paid.given_back_at is not None:
            add(2, max(paid.given_back_at, paid.at), partial(story.give_back, paid))
    for amount in plan.amounts:
        add(3, amount.at, partial(story.change_amount, amount))
    for redrawn in story.rules.redrawn():
        add(4, redrawn.at, partial(story.redraw, redrawn))
    for pause in plan.pauses:
        add(5, pause.at, partial(story.switch_pause, pause))
    for wish in plan.wishes_to_leave:
        add(6, wish.at, partial(story.switch_leaving, wish))
    for retries in plan.retries:
        add(7, retries.at, partial(story.switch_retries, retries))
    if plan.ended_at is not None:
        add(8, plan.ended_at, story.end)
    return [(at, tell) for at, _, _, tell in sorted(told, key=lambda one: one[:3])]


@dataclass(slots=True)
class _Story:
    """The fold: how it stands so far. Before the first payment there is nothing to tell, only to remember."""

    plan: Plan
    rules: Rules
    entries: list[Entry] = field(default_factory=list)
    stand: Stand | None = None
    kept: list[Paid] = field(default_factory=list)
    annual_minor: int = 0
    amount_told_by: str = FIRST_AMOUNT
    pause: Switch | None = None
    leaving: Switch | None = None
    is_over: bool = False  # whether its end was told, and nothing brought it back since
    has_ended: bool = False  # whether Stripe has ended it

    def __post_init__(self) -> None:
        self.annual_minor = self.plan.annual_minor

    # --- What happens

    def pay(self, paid: Paid) -> None:
        self.kept.append(paid)
        before = self.stand
        if self.plan.source == Source.GIFT:
            self._take_best_gift(paid)
        through = self._paid_through(paid.at)
        is_new = before is None or through != before.paid_through
        tier = self.rules.tier(self.amount_told_by, self.annual_minor)
        if before is None:
            self.stand = Stand(tier, self.annual_minor, through, through)
        assert self.stand is not None, "just made, or there before"
        self.stand = replace(
            self.stand,
            tier_id=tier if self.plan.source == Source.GIFT else self.stand.tier_id,
            annual_minor=self.annual_minor,
            paid_through=through,
            grace_until=self._grace(paid.reference, through) if is_new else self.stand.grace_until,
            past_due_since=None,
            lapses_at=None,
            paused_at=self.pause.at if self.pause else None,
            cancelled_at=self.leaving.at if self.leaving else self.stand.cancelled_at,
        )
        starts = before is None or (self.plan.source == Source.GIFT and self.is_over)
        starts = starts and not paid.is_renewal  # then the first one is still on its way to us
        self._reopen(paid.at)
        self._tell(Kind.STARTED if starts else Kind.RENEWED, paid.reference, paid.at, "A payment arrived.")
        if before is not None and before.past_due_since is not None:
            self._tell(Kind.RECOVERED, paid.reference, paid.at, "A payment arrived after one had failed.")

    def give_back(self, paid: Paid) -> None:
        if self.stand is None or paid not in self.kept:
            return
        assert paid.given_back_at is not None, "that is why we are here"
        self.kept.remove(paid)
        through = self._paid_through(paid.given_back_at)
        if through < self.stand.paid_through:
            # Whoever has the money back does not stay a member on credit.
            self.stand = replace(self.stand, paid_through=through, grace_until=through)
        self._tell(Kind.GIVEN_BACK, paid.reference, paid.given_back_at, "All of a payment went back.")

    def fail(self, failed: Failed) -> None:
        if self.stand is None:
            return  # a first payment: the reader tries again on the page
        since = self.stand.past_due_since or failed.at
        lapses_at = self.stand.lapses_at
        if self.stand.past_due_since is None:
            lapses_at = self.rules.lapse(failed.reference, since)
        self.stand = replace(
            self.stand,
            past_due_since=since,
            lapses_at=lapses_at,
            paused_at=self.stand.paused_at if self.pause else None,
        )
        self._tell(Kind.PAST_DUE, failed.reference, failed.at, "A payment failed.")

    def change_amount(self, amount: Amount) -> None:
        self.annual_minor, self.amount_told_by = amount.annual_minor, amount.reference
        if self.stand is None:
            return
        before = self.stand.tier_id
        tier = self.rules.tier(amount.reference, amount.annual_minor)
        self.stand = replace(self.stand, annual_minor=amount.annual_minor, tier_id=tier)
        kind = Kind.AMOUNT_CHANGED if tier == before else Kind.TIER_CHANGED
        self._tell(kind, amount.reference, amount.at, "The amount was changed.")

    def redraw(self, redrawn: Redrawn) -> None:
        if self.stand is None:
            return
        self.stand = replace(self.stand, tier_id=redrawn.tier_id)
        self._tell(Kind.TIER_CHANGED, redrawn.reference, redrawn.at, REDRAWN, actor="system")

    def switch_pause(self, pause: Switch) -> None:
        was_on = self.pause is not None
        self.pause = pause if pause.is_on else None
        if self.stand is None:
            return
        if pause.is_on:
            since = (self.stand.paused_at or pause.at) if was_on else pause.at
            self.stand = replace(self.stand, paused_at=since)
            self._tell(Kind.PAUSED, pause.reference, pause.at, "Payments were paused.")
            return
        changes: dict[str, datetime | None] = {}
        if pause.at < self.stand.paid_through or self.stand.past_due_since is not None:
            changes["paused_at"] = None  # else it goes on in fact until the next payment
        if self.stand.past_due_since is not None:
            changes["lapses_at"] = self.rules.lapse(pause.reference, pause.at)
        self.stand = replace(self.stand, **changes)  # type: ignore[arg-type]
        self._tell(Kind.RESUMED, pause.reference, pause.at, "The pause is over.")

    def switch_leaving(self, wish: Switch) -> None:
        self.leaving = wish if wish.is_on else None
        if self.stand is None:
            return
        self.stand = replace(self.stand, cancelled_at=wish.at if wish.is_on else None)
        if wish.is_on:
            self._tell(Kind.CANCELLED, wish.reference, wish.at, "An end was asked for.")
        else:
            self._tell(Kind.CANCELLATION_WITHDRAWN, wish.reference, wish.at, "It goes on after all.")

    def switch_retries(self, retries: Switch) -> None:
        """Stripe gives up and leaves the subscription unpaid; or nothing is owed any more, without a payment."""
        if self.stand is None:
            return
        if retries.is_on:
            self.stand = replace(
                self.stand,
                past_due_since=self.stand.past_due_since or retries.at,
                lapses_at=retries.at,
            )
            if retries.at < self.stand.paid_through or self.pause:
                self._tell(Kind.PAST_DUE, retries.reference, retries.at, "No payment is tried any more.")
        elif self.stand.past_due_since is not None:
            self.stand = replace(self.stand, past_due_since=None, lapses_at=None)
            self._reopen(retries.at)
            self._tell(Kind.RECOVERED, retries.reference, retries.at, "Nothing is owed any more.")

    def end(self) -> None:
        assert self.plan.ended_at is not None, "that is why we are here"
        self.has_ended = True
        if self.stand is None:
            return
        if self.plan.ended_at < self.stand.paid_through and self.leaving is None:
            self.leaving = Switch("ended", self.plan.ended_at, is_on=True)
            self.stand = replace(self.stand, cancelled_at=self.plan.ended_at)
            self._tell(Kind.CANCELLED, "ended", self.plan.ended_at, "It was ended; what is paid stays paid.")

    # --- What time brings

    def pass_time(self, *, until: datetime) -> None:
        """Let the end come, if it is known and lies before that moment or on it."""
        if self.stand is None or self.is_over:
            return
        self._foresee(self.entries[-1].at)
        ends_at = self.stand.ends_at
        if ends_at is None or ends_at > until:
            return
        self.is_over = True
        kind, why = end_of(self.stand.ends_as)
        self._tell(kind, reference_of_moment(ends_at), ends_at, why, actor="system")

    def _foresee(self, since: datetime) -> None:
        """Write down when it is going to end, as far as is known; no end lies before what was told last (`since`)."""
        assert self.stand is not None, "asked only of a membership that began"
        through = self.stand.paid_through
        ends: list[tuple[datetime, int, str]] = []
        if self.has_ended and self.plan.ended_at is not None:
            ends.append((max(self.plan.ended_at, through), 0, LAPSED if self.plan.is_lost else ENDED))
        if self.leaving and self.leaving.until:
            ends.append((max(self.leaving.until, through), 1, ENDED))
        if self.stand.lapses_at is not None and not self.pause:
            ends.append((max(self.stand.lapses_at, through), 2, LAPSED))
        if self.plan.source == Source.GIFT:
            ends.append((through, 3, ENDED))
        if ends:
            ends_at, _, ends_as = min(ends)
            self.stand = replace(self.stand, ends_at=max(ends_at, since), ends_as=ends_as)
        else:
            self.stand = replace(self.stand, ends_at=None, ends_as="")

    def _reopen(self, at: datetime) -> None:
        """Something happened that may bring an ended membership back."""
        if not self.is_over:
            return
        ended = self.stand
        self._foresee(ended.ends_at if ended and ended.ends_at else at)
        assert self.stand is not None, "it began, or it could not have ended"
        self.is_over = self.stand.ends_at is not None and self.stand.ends_at <= at
        if self.is_over and ended is not None:
            self.stand = replace(self.stand, ends_at=ended.ends_at, ends_as=ended.ends_as)

    # --- Small things

    def _tell(self, kind: str, reference: str, at: datetime, why: str, actor: str = "stripe") -> None:
        if not self.is_over:
            self._foresee(at)
        assert self.stand is not None, "only a membership that began has steps"
        place = self.entries[-1].place + 1 if self.entries and self.entries[-1].at == at else 0
        self.entries.append(Entry(kind, reference, at, place, why, actor, self.stand))

    def _paid_through(self, moment: datetime) -> datetime:
        if self.plan.source == Source.GIFT:
            end: datetime | None = None
            for paid in self.kept:
                begins = paid.at if end is None else max(paid.at, end)
                end = self.rules.later(begins, paid.months)
            return moment if end is None else max(end, moment)
        first = min((paid.at for paid in self.plan.payments), default=moment)
        return max((paid.through for paid in self.kept if paid.through), default=first)

    def _grace(self, reference: str, through: datetime) -> datetime:
        return through if self.plan.source == Source.GIFT else self.rules.grace(reference, through)

    def _take_best_gift(self, paid: Paid) -> None:
        """Of the gifts whose time is not over, the largest says which tier it is."""
        if self.stand is None or self.is_over or paid.annual_minor > self.annual_minor:
            self.annual_minor, self.amount_told_by = paid.annual_minor, paid.reference


def end_of(ends_as: str) -> tuple[str, str]:
    """The step that an end is, and why it came."""
    if ends_as == LAPSED:
        return Kind.LAPSED, "No payment came."
    return Kind.ENDED, "Its end has come."


def reference_of_moment(moment: datetime) -> str:
    """By which a step is known of which there is one at a moment, such as an end."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"
