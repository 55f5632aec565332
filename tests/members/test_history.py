"""The history of memberships: nobody changes it, and any past day can be counted from it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from members import farewells, merging, queries, services
from members.models import AppendOnly, Member, MembershipState, MembershipStep, Tier
from members.services import Amount, Failed, Paid, Plan, Switch
from tests.members.plans import DAY, MONTH, a_plan, history

pytestmark = pytest.mark.django_db
State = MembershipState


@pytest.fixture(autouse=True)
def _this_floor_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(farewells, "_tellers", {})


# --- Nobody changes it


def test_our_own_code_cannot_change_history(grace: Member, now: datetime) -> None:
    services.follow_plan(member=grace, plan=a_plan(now), now=now)
    step = MembershipStep.objects.get()

    for attempt in (
        step.save,
        step.delete,
        MembershipStep.objects.all().delete,
        lambda: MembershipStep.objects.update(why="It never happened."),
    ):
        with pytest.raises(AppendOnly):
            attempt()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE members_membershipstep SET why = 'It never happened.'",
        "UPDATE members_membershipstep SET at = recorded_at WHERE id > 0",
        "DELETE FROM members_membershipstep",
        "DELETE FROM members_membershipstep WHERE kind = 'STARTED'",
    ],
)
def test_the_database_itself_refuses_to_change_history(grace: Member, now: datetime, statement: str) -> None:
    services.follow_plan(member=grace, plan=a_plan(now), now=now)
    with (
        pytest.raises(DatabaseError, match=r"never (changed|deleted)"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    assert MembershipStep.objects.get().why == "A payment arrived."


@pytest.mark.django_db(transaction=True)
def test_a_whole_database_can_still_be_emptied(now: datetime) -> None:
    """Between two tests, say."""
    grace = services.get_or_join(email="grace@example.org", now=now)
    services.follow_plan(member=grace, plan=a_plan(now), now=now)

    call_command("flush", interactive=False, verbosity=0)
    assert not MembershipStep.objects.exists()
    grace = services.get_or_join(email="grace@example.org", now=now)
    services.follow_plan(member=grace, plan=a_plan(now), now=now)
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("DELETE FROM members_membershipstep")


def test_what_staff_wrote_can_be_erased_and_history_stays(
    grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    membership = services.give_complimentary(
        member=grace,
        tier=tiers["friend"],
        until=date(2027, 1, 1),
        actor="staff:1",
        why="A prize.",
        now=now,
    )
    membership.notes.all().delete()

    assert not MembershipStep.objects.filter(why__contains="prize").exists()
    assert [kind for kind, _, _ in history(membership)] == ["COMPLIMENTARY_GIVEN"]


# --- Any past day


def test_a_person_with_two_memberships_is_one_member(
    grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    services.follow_plan(member=grace, plan=a_plan(now), now=now)
    services.follow_plan(
        member=grace, plan=a_plan(now, reference="contribution-2", annual_minor=240_00), now=now
    )

    census = queries.members_on(now)
    assert (census.members, dict(census.people)) == (1, {("patron", State.ACTIVE): 1})


def test_two_addresses_of_one_person_are_one_member_once_staff_have_noticed(
    grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    other = services.get_or_join(email="g.hopper@example.org", now=now)
    services.follow_plan(member=grace, plan=a_plan(now), now=now)
    services.follow_plan(
        member=other, plan=a_plan(now, reference="contribution-2", annual_minor=240_00), now=now
    )
    assert queries.members_on(now).members == 2

    noticed = merging.merge(grace, other, actor="staff:7", why="She told us.", now=now + DAY)
    assert queries.members_on(now).people == {("patron", State.ACTIVE): 1}
    assert queries.members_on(now, known_at=now).members == 2, "as it was reported then"
    assert queries.get_state(grace, now) == State.ACTIVE

    merging.undo(noticed, actor="staff:7", now=now + 2 * DAY)
    assert queries.members_on(now).members == 2
    assert queries.members_on(now, known_at=now + DAY).members == 1


def test_a_day_ends_when_it_ends_in_the_newsroom(grace: Member, settings: Any) -> None:
    settings.NEWSROOM_TIME_ZONE = "Pacific/Kiritimati"  # 14 hours ahead of UTC
    started = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)  # midnight there: the 25th begins
    services.follow_plan(member=grace, plan=a_plan(started), now=started)

    assert queries.members_on(date(2026, 11, 24)).members == 0
    assert queries.members_on(date(2026, 11, 25)).members == 1
    assert queries.get_state(grace, date(2026, 11, 24)) is None


def test_counting_costs_the_same_for_few_and_for_many(now: datetime, django_assert_num_queries: Any) -> None:
    for number in range(12):
        reader = services.get_or_join(email=f"grace+{number}@example.org", now=now)
        services.follow_plan(member=reader, plan=a_plan(now, reference=f"contribution-{number}"), now=now)
    with django_assert_num_queries(3):
        assert queries.members_on(now).members == 12


# --- Against a replay that knows nothing of how it is stored

START = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
END = 150  # days
GRACE, LAPSE = 7, 25  # days


@dataclass
class Replay:
    """One membership, told day by day to somebody with a pencil."""

    plan: Plan

    def states(self) -> list[tuple[State | None, int]]:
        """The state and the yearly amount at noon of each day, events being at nine."""
        return [self._state_at(START + day * DAY) for day in range(END)]

    def _state_at(self, until: datetime) -> tuple[State | None, int]:
        plan = self.plan
        self.begun = self.over = False
        self.as_ = State.ENDED
        self.through = self.grace = START
        self.failing: datetime | None = None
        self.given_up: datetime | None = None
        self.pausing = self.waiting = False
        self.leaving: datetime | None = None
        self.asked = self.finished = False
        amount = plan.annual_minor
        kept: list[Paid] = []
        arrived = {paid.reference: paid.at for paid in plan.payments}
        day = START
        while day <= until:
            self._end(day)
            for failed in plan.failures:
                if failed.at == day and self.begun and arrived.get(failed.reference, day) >= day:
                    if self.failing is None:
                        self.failing, self.given_up = day, day + LAPSE * DAY
                    self.waiting = self.waiting and self.pausing
            for paid in plan.payments:
                if paid.at == day:
                    kept.append(paid)
                    before, self.through = self.through, self._through(kept)
                    if not self.begun or before != self.through:
                        self.grace = self.through + GRACE * DAY
                    self.begun = True
                    self.failing = self.given_up = None
                    self.waiting = self.pausing
                    self.over = self.over and self.finished and not self._ends_after(day)
            for paid in plan.payments:
                if paid.given_back_at == day:
                    kept.remove(paid)
                    through = self._through(kept)
                    if through < self.through:
                        self.through = self.grace = through
            for change in plan.amounts:
                if change.at == day:
                    amount = change.annual_minor
            for pause in plan.pauses:
                if pause.at == day:
                    self.pausing = pause.is_on
                    if self.begun and pause.is_on:
                        self.waiting = True
                    elif self.begun:
                        self.waiting = self.waiting and self.failing is None and self.through <= day
                        if self.failing:
                            self.given_up = day + LAPSE * DAY
            for wish in plan.wishes_to_leave:
                if wish.at == day:
                    self.leaving, self.asked = wish.until, wish.is_on
            if plan.ended_at == day:
                self.finished = True
                self.asked = self.asked or (self.begun and self.through > day)
            self._end(day)
            day += DAY
        return self._say(until), amount

    def _through(self, kept: list[Paid]) -> datetime:
        first = min(paid.at for paid in self.plan.payments)
        return max([paid.through for paid in kept if paid.through], default=first)

    def _ends(self) -> list[tuple[datetime, int, State]]:
        ends = []
        if self.finished and self.plan.ended_at:
            last = State.LAPSED if self.plan.is_lost else State.ENDED
            ends.append((max(self.plan.ended_at, self.through), 0, last))
        if self.leaving:
            ends.append((max(self.leaving, self.through), 1, State.ENDED))
        if self.given_up and not self.pausing:
            ends.append((max(self.given_up, self.through), 2, State.LAPSED))
        return ends

    def _ends_after(self, day: datetime) -> bool:
        return not self._ends() or min(self._ends())[0] > day

    def _end(self, day: datetime) -> None:
        if self.begun and not self.over and not self._ends_after(day):
            self.over, self.as_ = True, min(self._ends())[2]

    def _say(self, day: datetime) -> State | None:
        if not self.begun:
            return None
        if self.over:
            return self.as_
        calm = State.ENDING if self.asked else State.ACTIVE
        if day < self.through:
            return calm
        if self.waiting:
            return State.PAUSED
        if day >= self.grace:
            return State.PAST_DUE
        return State.GRACE if self.failing else calm


days = st.integers(min_value=1, max_value=END - 20)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A life of some months: renewals that come, fail, come late or go back; pauses, wishes, new amounts, an end."""
    payments, failures = [], []
    for number in range(draw(st.integers(1, 5))):
        due = START + number * MONTH
        late = draw(st.sampled_from([0, 0, 0, 2, 9, 26, None])) if number else 0
        if late != 0 and draw(st.booleans()):
            failures.append(Failed(f"invoice-{number}", due))
        if late is None:
            failures.append(Failed(f"invoice-{number}", due))
            continue
        back = draw(st.sampled_from([None, None, None, 0, 3, 40]))
        at = due + late * DAY
        payments.append(
            Paid(
                f"invoice-{number}",
                at,
                through=due + MONTH,
                is_renewal=number > 0,
                given_back_at=None if back is None else at + back * DAY,
            )
        )
    pauses = []
    for number, day in enumerate(sorted(draw(st.sets(days, max_size=4)))):
        pauses.append(Switch(f"pause-{number}", START + day * DAY, is_on=number % 2 == 0))
    wishes = []
    for number, day in enumerate(sorted(draw(st.sets(days, max_size=3)))):
        on = number % 2 == 0
        until = START + (day + draw(st.integers(0, 40))) * DAY if on else None
        wishes.append(Switch(f"wish-{number}", START + day * DAY, is_on=on, until=until))
    amounts = [
        Amount(f"amount-{number}", START + day * DAY, draw(st.sampled_from([12_00, 60_00, 240_00])))
        for number, day in enumerate(sorted(draw(st.sets(days, max_size=3))))
    ]
    ended = draw(st.none() | days)
    return Plan(
        reference="contribution",
        currency="USD",
        annual_minor=draw(st.sampled_from([12_00, 60_00])),
        payments=tuple(payments),
        failures=tuple({failed.reference: failed for failed in failures}.values()),
        amounts=tuple(amounts),
        pauses=tuple(pauses),
        wishes_to_leave=tuple(wishes),
        ended_at=None if ended is None else START + ended * DAY,
        is_lost=draw(st.booleans()),
    )


def facts_of(plan: Plan) -> list[tuple[str, Any]]:
    """Each thing that can become known by itself."""
    lists = ("payments", "failures", "amounts", "pauses", "wishes_to_leave")
    facts = [(name, fact) for name in lists for fact in getattr(plan, name)]
    facts += [("back", paid) for paid in plan.payments if paid.given_back_at]
    return facts + ([("end", plan.ended_at)] if plan.ended_at else [])


def known_by(plan: Plan, facts: Iterable[tuple[str, Any]]) -> Plan:
    """The plan as a ledger tells it that has heard of these facts only; by the moments of the facts, as always."""
    told = list(facts)
    backs = {paid.reference for kind, paid in told if kind == "back"}

    def of(name: str) -> tuple[Any, ...]:
        return tuple(fact for fact in getattr(plan, name) if (name, fact) in told)

    return replace(
        plan,
        payments=tuple(
            paid if paid.reference in backs else replace(paid, given_back_at=None) for paid in of("payments")
        ),
        failures=of("failures"),
        amounts=of("amounts"),
        pauses=of("pauses"),
        wishes_to_leave=of("wishes_to_leave"),
        ended_at=plan.ended_at if ("end", plan.ended_at) in told else None,
    )


@given(lives=st.lists(plans(), min_size=1, max_size=3), chance=st.randoms(use_true_random=False))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_members_of_any_day_are_those_of_a_replay_whatever_the_order_of_news(
    lives: list[Plan], chance: random.Random, tiers: dict[str, Tier], db: None
) -> None:
    from django.conf import settings as django_settings

    tier_of = {12_00: None, 60_00: "friend", 240_00: "patron"}
    with transaction.atomic(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(django_settings, "MEMBERSHIP_GRACE_DAYS", GRACE)
        patch.setattr(django_settings, "MEMBERSHIP_LAPSE_DAYS", LAPSE)
        now = START + END * DAY
        seen: dict[datetime, Counter[Any]] = {}
        news = []
        for number, plan in enumerate(lives):
            reader = services.get_or_join(email=f"grace+{number}@example.org", now=START)
            order = facts_of(plan)
            chance.shuffle(order)
            told = replace(plan, reference=f"contribution-{number}")
            news += [(reader, told, order[: count + 1]) for count in range(len(order))]
        chance.shuffle(news)
        news.sort(key=lambda one: len(one[2]))  # nobody un-hears anything
        for reader, told, order in news:
            now += timedelta(hours=1)
            services.follow_plan(member=reader, plan=known_by(told, order), now=now)
            if chance.random() < 0.3:
                services.end_due_memberships(now=now)
            seen[now] = queries.members_on(START + 40 * DAY).people
        services.end_due_memberships(now=now)

        expected = [Replay(plan).states() for plan in lives]
        for day in range(0, END, 5):
            wanted = Counter(
                (tier_of[amount], state)
                for states in expected
                for state, amount in [states[day]]
                if state is not None
            )
            assert queries.members_on(START + day * DAY).people == wanted, f"day {day}"
        for then, people in seen.items():
            assert queries.members_on(START + 40 * DAY, known_at=then).people == people
        transaction.set_rollback(True)
