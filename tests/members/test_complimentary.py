"""Memberships that staff give."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from members import merging, queries, services
from members.models import Member, Membership, MembershipState, Message, Tier
from members.services import NotPossible
from tests.members.plans import DAY, a_plan, history, kinds

pytestmark = pytest.mark.django_db
State = MembershipState
LAST_DAY = date(2027, 1, 31)


def give(member: Member, tier: Tier, now: datetime, **changes: Any) -> Membership:
    wish: dict[str, Any] = {"until": LAST_DAY, "actor": "staff:7", "why": "Won our quiz."} | changes
    return services.give_complimentary(member=member, tier=tier, now=now, **wish)


def test_it_runs_until_the_end_of_its_last_day_in_the_newsroom(
    grace: Member, tiers: dict[str, Tier], now: datetime, settings: Any
) -> None:
    settings.NEWSROOM_TIME_ZONE = "America/New_York"
    membership = give(grace, tiers["patron"], now)
    end = datetime(2027, 2, 1, 5, 0, tzinfo=UTC)

    assert membership.ends_at == end
    assert membership.state_at(end - timedelta(seconds=1)) == State.COMPLIMENTARY
    assert queries.get_state(grace, LAST_DAY) == State.COMPLIMENTARY
    assert queries.get_current_membership(grace, now) == membership
    assert services.end_due_memberships(now=end) == 1
    assert queries.get_state(grace, end) == State.ENDED
    assert Message.objects.get().kind == "membership_ended"


def test_history_says_who_gave_it_and_the_note_says_why(
    grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    membership = give(grace, tiers["patron"], now)
    step = membership.steps.get()

    assert (step.kind, step.actor, step.at, step.tier) == (
        "COMPLIMENTARY_GIVEN",
        "staff:7",
        now,
        tiers["patron"],
    )
    note = membership.notes.get()
    assert (note.text, note.actor, note.written_at) == ("Won our quiz.", "staff:7", now)


def test_it_is_a_member_and_nothing_is_paid(grace: Member, tiers: dict[str, Tier], now: datetime) -> None:
    membership = give(grace, tiers["patron"], now)
    census = queries.members_on(now)

    assert (membership.annual_minor, membership.currency) == (0, "")
    assert census.members == 1
    assert census.by_state() == {State.COMPLIMENTARY: 1}


def test_who_pays_as_well_counts_as_paying(grace: Member, tiers: dict[str, Tier], now: datetime) -> None:
    give(grace, tiers["patron"], now)
    services.follow_plan(member=grace, plan=a_plan(now), now=now)

    assert queries.members_on(now).people == {("friend", State.ACTIVE): 1}
    current = queries.get_current_membership(grace, now)
    assert current is not None
    assert current.tier == tiers["patron"], "but may do what the higher of both tiers may"


def test_giving_it_again_changes_the_terms_and_a_form_sent_twice_nothing(
    grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    first = give(grace, tiers["friend"], now)
    assert give(grace, tiers["friend"], now + timedelta(seconds=1)) == first
    second = give(grace, tiers["patron"], now + DAY, until=date(2027, 6, 30), why="Won it again.")

    assert second == first
    assert (second.tier, second.ends_at) == (tiers["patron"], datetime(2027, 7, 1, tzinfo=UTC))
    assert [at for _, _, at in history(second)] == [now, now + DAY]
    assert [note.text for note in second.notes.all()] == ["Won our quiz.", "Won it again."]
    assert queries.members_on(now).by_tier() == {"friend": 1}
    assert queries.members_on(now + DAY).by_tier() == {"patron": 1}


def test_a_person_with_two_addresses_has_one(grace: Member, tiers: dict[str, Tier], now: datetime) -> None:
    other = services.get_or_join(email="g.hopper@example.org", now=now)
    first = give(other, tiers["friend"], now)
    merging.merge(grace, other, actor="staff:7", why="She told us.", now=now)

    assert give(grace, tiers["patron"], now + DAY) == first


def test_one_that_is_over_is_followed_by_another(
    grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    first = give(grace, tiers["friend"], now, until=date(2026, 11, 30))
    second = give(grace, tiers["friend"], now + 30 * DAY)  # no sweep in between

    assert first != second
    first.refresh_from_db()
    assert kinds(first) == ["COMPLIMENTARY_GIVEN", "ENDED"]
    assert queries.get_state(grace, now + 10 * DAY) == State.ENDED
    assert queries.get_state(grace, now + 30 * DAY) == State.COMPLIMENTARY


def test_staff_end_it_early_once_and_history_says_who(
    grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    membership = give(grace, tiers["friend"], now)
    end: dict[str, Any] = {"membership": membership, "actor": "staff:8", "why": "A mistake."}

    assert services.end_complimentary(**end, now=now + DAY)
    assert not services.end_complimentary(**end, now=now + 2 * DAY)
    membership.refresh_from_db()
    assert [(step.kind, step.actor) for step in membership.steps.all()] == [
        ("COMPLIMENTARY_GIVEN", "staff:7"),
        ("ENDED", "staff:8"),
    ]
    assert membership.ended_at == now + DAY
    assert services.end_due_memberships(now=now + 400 * DAY) == 0
    assert queries.get_current_membership(grace, now + DAY) is None


def test_a_membership_that_is_paid_for_is_not_ended_here(grace: Member, now: datetime) -> None:
    membership = services.follow_plan(member=grace, plan=a_plan(now), now=now)
    assert membership is not None
    with pytest.raises(NotPossible, match="where it is paid"):
        services.end_complimentary(membership=membership, actor="staff:7", why="No.", now=now)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"until": date(2026, 11, 23)}, "lies in the past"),
        ({"why": "  "}, "Say why"),
        ({"why": "x" * 201}, "at most 200"),
    ],
)
def test_what_is_not_possible_is_said_in_a_sentence(
    grace: Member, tiers: dict[str, Tier], now: datetime, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(NotPossible, match=sentence):
        give(grace, tiers["friend"], now, **changes)
    assert not Membership.objects.exists()
