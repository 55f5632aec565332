"""Memberships follow the ledger: states, steps, ends, and what turns out to have been otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail

from members import farewells, memberships, outbox, queries, services
from members.models import STANDING, Member, Membership, MembershipState, Message, Tier
from members.services import Amount, Failed, Paid, Plan, Source, Switch
from tests.members.plans import DAY, MONTH, a_plan, history, kinds, paid

pytestmark = pytest.mark.django_db

State = MembershipState
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _this_floor_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody above knows our made-up contributions, or says more about their ends."""
    monkeypatch.setattr(farewells, "_tellers", {})


def follow(member: Member, plan: Plan, now: datetime) -> Membership:
    membership = services.follow_plan(member=member, plan=plan, now=now)
    assert membership is not None
    membership.refresh_from_db()
    return membership


# --- Begin, go on


def test_a_first_payment_starts_a_membership(grace: Member, tiers: dict[str, Tier], now: datetime) -> None:
    membership = follow(grace, a_plan(now), now + DAY)

    assert membership.tier == tiers["friend"]
    assert (membership.started_at, membership.paid_through) == (now, now + MONTH)
    assert membership.state_at(now + DAY) == State.ACTIVE
    assert history(membership) == [("STARTED", "invoice-1", now)]
    assert queries.get_current_membership(grace, now) == membership
    assert queries.get_state(grace, now - SECOND) is None
    assert not Message.objects.exists()


def test_without_a_payment_there_is_no_membership(grace: Member, now: datetime) -> None:
    plan = a_plan(now, payments=(), failures=(Failed("invoice-1", now),), ended_at=now)

    assert services.follow_plan(member=grace, plan=plan, now=now) is None
    assert not Membership.objects.exists()


def test_a_renewal_is_recorded_once_however_often_it_is_told(grace: Member, now: datetime) -> None:
    follow(grace, a_plan(now), now)
    for _ in range(3):
        membership = follow(grace, a_plan(now, months=2), now + MONTH)

    assert membership.paid_through == now + 2 * MONTH
    assert kinds(membership) == ["STARTED", "RENEWED"]


def test_a_renewal_costs_four_statements_and_the_same_again_one(
    grace: Member, tiers: dict[str, Tier], now: datetime, django_assert_num_queries: Any
) -> None:
    follow(grace, a_plan(now), now)
    longer = a_plan(now, months=2)
    with django_assert_num_queries(4):
        services.follow_plan(member=grace, plan=longer, now=now + MONTH)
    with django_assert_num_queries(1):
        services.follow_plan(member=grace, plan=longer, now=now + MONTH)


def test_a_first_payment_that_is_told_after_the_second_leaves_the_same_history(
    grace: Member, now: datetime
) -> None:
    second_only = a_plan(now, payments=(paid(2, now + MONTH),))
    follow(grace, second_only, now + MONTH)
    membership = follow(grace, a_plan(now, months=2), now + MONTH)

    assert membership.started_at == now
    assert history(membership) == [("STARTED", "invoice-1", now), ("RENEWED", "invoice-2", now + MONTH)]


def test_the_row_always_stands_as_its_last_step_says(grace: Member, now: datetime) -> None:
    membership = follow(grace, a_full_life(now), now + 300 * DAY)
    last = membership.steps.effective().order_by("at", "place").last()
    assert last is not None

    assert [getattr(membership, name) for name in STANDING] == [getattr(last, name) for name in STANDING]


# --- Amounts and tiers


def test_giving_more_lifts_the_tier_from_that_moment_on(
    grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    follow(grace, a_plan(now), now)
    more = a_plan(now, amounts=(Amount("change-1", now + DAY, 240_00),))
    membership = follow(grace, more, now + 2 * DAY)

    assert membership.tier == tiers["patron"]
    assert history(membership)[-1] == ("TIER_CHANGED", "change-1", now + DAY)
    assert queries.members_on(now + DAY - SECOND).by_tier() == {"friend": 1}
    assert queries.members_on(now + DAY).by_tier() == {"patron": 1}


def test_giving_a_little_more_or_less_within_a_tier_is_recorded_too(
    grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    changes = (Amount("change-1", now + DAY, 72_00), Amount("change-2", now + 2 * DAY, 12_00))
    membership = follow(grace, a_plan(now, amounts=changes), now + 3 * DAY)

    assert kinds(membership) == ["STARTED", "AMOUNT_CHANGED", "TIER_CHANGED"]
    assert (membership.tier, membership.annual_minor) == (None, 12_00)


def test_tiers_that_are_redrawn_change_members_from_then_on_and_not_their_past(
    grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    follow(grace, a_plan(now), now)
    tiers["patron"].thresholds.update(minimum_annual_minor=50_00)
    assert services.follow_tiers(now=now + DAY) == 1
    assert services.follow_tiers(now=now + 2 * DAY) == 0
    membership = follow(grace, a_plan(now, months=2), now + MONTH)

    assert membership.tier == tiers["patron"]
    assert kinds(membership) == ["STARTED", "TIER_CHANGED", "RENEWED"]
    assert queries.members_on(now).by_tier() == {"friend": 1}
    assert queries.members_on(now + DAY).by_tier() == {"patron": 1}


# --- Late payments


def failing(now: datetime, **changes: Any) -> Plan:
    """The second payment failed as soon as it was due."""
    return a_plan(now, failures=(Failed("invoice-2", now + MONTH),), **changes)


def test_whoever_fails_to_pay_is_counted_for_the_days_of_grace(
    grace: Member, now: datetime, settings: Any
) -> None:
    settings.MEMBERSHIP_GRACE_DAYS = 10
    follow(grace, a_plan(now), now)
    membership = follow(grace, failing(now, next_try_at=now + 33 * DAY), now + MONTH)

    assert kinds(membership) == ["STARTED", "PAST_DUE"]
    assert membership.next_try_at == now + 33 * DAY
    for moment, state in (
        (now + MONTH - SECOND, State.ACTIVE),
        (now + MONTH, State.GRACE),
        (now + MONTH + 10 * DAY - SECOND, State.GRACE),
        (now + MONTH + 10 * DAY, State.PAST_DUE),
    ):
        assert membership.state_at(moment) == state
        assert queries.get_state(grace, moment) == state
        assert (queries.get_current_membership(grace, moment) is not None) == state.is_member


def test_a_renewal_of_which_we_have_not_heard_yet_is_no_late_payment(grace: Member, now: datetime) -> None:
    """Stripe collects an hour after the period has ended; a bank debit takes days."""
    membership = follow(grace, a_plan(now), now)

    assert membership.state_at(now + MONTH + 5 * DAY) == State.ACTIVE
    assert membership.state_at(now + MONTH + 14 * DAY) == State.PAST_DUE


def test_a_payment_that_comes_after_all_recovers(grace: Member, now: datetime) -> None:
    came = now + MONTH + 3 * DAY
    plan = failing(now, payments=(paid(1, now), paid(2, came, through=now + 2 * MONTH)))
    membership = follow(grace, plan, came)

    assert history(membership)[1:] == [
        ("PAST_DUE", "invoice-2", now + MONTH),
        ("RENEWED", "invoice-2", came),
        ("RECOVERED", "invoice-2", came),
    ]
    assert membership.past_due_since is None
    assert queries.get_state(grace, came - SECOND) == State.GRACE


def test_a_refusal_that_is_told_after_the_money_takes_its_place_before_it(
    grace: Member, now: datetime
) -> None:
    came = now + MONTH + 3 * DAY
    payments = (paid(1, now), paid(2, came, through=now + 2 * MONTH))
    follow(grace, a_plan(now, payments=payments), came)
    membership = follow(grace, failing(now, payments=payments), came + DAY)

    assert kinds(membership) == ["STARTED", "PAST_DUE", "RENEWED", "RECOVERED"]
    assert membership.state_at(came + DAY) == State.ACTIVE


def test_a_refusal_later_than_the_money_for_the_same_invoice_is_no_refusal(
    grace: Member, now: datetime
) -> None:
    plan = a_plan(now, months=2, failures=(Failed("invoice-2", now + MONTH + SECOND),))
    membership = follow(grace, plan, now + MONTH + DAY)

    assert kinds(membership) == ["STARTED", "RENEWED"]


def test_money_that_is_owed_no_more_recovers_without_a_payment(grace: Member, now: datetime) -> None:
    """Staff forgave the invoice at Stripe, and the subscription is active again."""
    forgiven = Switch("forgiven", now + MONTH + DAY, is_on=False)
    membership = follow(grace, failing(now, retries=(forgiven,)), now + MONTH + DAY)

    assert history(membership)[-1] == ("RECOVERED", "forgiven", now + MONTH + DAY)
    assert membership.past_due_since is None


def test_a_change_of_the_days_of_grace_counts_from_the_next_payment_on(
    grace: Member, now: datetime, settings: Any
) -> None:
    settings.MEMBERSHIP_GRACE_DAYS = 10
    follow(grace, a_plan(now), now)
    settings.MEMBERSHIP_GRACE_DAYS = 2
    membership = follow(grace, failing(now), now + MONTH)
    assert membership.grace_until == now + MONTH + 10 * DAY

    membership = follow(grace, failing(now, payments=a_plan(now, months=2).payments), now + MONTH)
    assert membership.grace_until == now + 2 * MONTH + 2 * DAY
    assert queries.get_state(grace, now + MONTH - DAY) == State.ACTIVE


# --- Lapsed


def test_without_a_payment_a_membership_lapses_after_the_newsrooms_days(
    grace: Member, now: datetime, settings: Any
) -> None:
    settings.MEMBERSHIP_LAPSE_DAYS = 20
    follow(grace, failing(now), now + MONTH)
    lapse = now + MONTH + 20 * DAY
    assert services.end_due_memberships(now=lapse - SECOND) == 0
    assert services.end_due_memberships(now=lapse + DAY) == 1
    membership = Membership.objects.get()

    assert kinds(membership) == ["STARTED", "PAST_DUE", "LAPSED"]
    assert history(membership)[-1][2] == membership.ended_at == lapse
    assert [queries.get_state(grace, moment) for moment in (lapse - SECOND, lapse)] == [
        State.PAST_DUE,
        State.LAPSED,
    ]
    assert not Message.objects.exists(), "Stripe goes on trying: this is no time to say that it will not"


def test_a_lapsed_membership_comes_back_with_a_payment(grace: Member, now: datetime, settings: Any) -> None:
    settings.MEMBERSHIP_LAPSE_DAYS = 20
    follow(grace, failing(now), now + MONTH)
    services.end_due_memberships(now=now + 60 * DAY)
    came = now + 65 * DAY
    back = failing(now, payments=(paid(1, now), paid(2, came)))
    membership = follow(grace, back, came)

    assert kinds(membership) == ["STARTED", "PAST_DUE", "LAPSED", "RENEWED", "RECOVERED"]
    assert (membership.ended_at, membership.ends_at) == (None, None)
    assert queries.get_state(grace, came - SECOND) == State.LAPSED
    assert queries.get_state(grace, came) == State.ACTIVE


def test_a_lapse_that_late_news_disproves_is_taken_back(grace: Member, now: datetime, settings: Any) -> None:
    settings.MEMBERSHIP_LAPSE_DAYS = 20
    follow(grace, failing(now), now + MONTH)
    services.end_due_memberships(now=now + 60 * DAY)
    came = now + MONTH + 5 * DAY
    truth = failing(now, payments=(paid(1, now), paid(2, came)))
    membership = follow(grace, truth, now + 61 * DAY)

    assert kinds(membership) == ["STARTED", "PAST_DUE", "RENEWED", "RECOVERED"]
    wrong = membership.steps.get(kind="TAKEN_BACK")
    assert (wrong.takes_back.kind, wrong.at) == ("LAPSED", now + 61 * DAY)
    assert membership.ended_at is None
    # What was reported in the meantime can be found again.
    day = now + 52 * DAY
    assert queries.members_on(day, known_at=now + 60 * DAY).by_state() == {State.LAPSED: 1}
    assert queries.members_on(day).by_state() == {State.ACTIVE: 1}


def test_a_payment_between_two_failures_gives_the_second_its_own_time(
    grace: Member, now: datetime, settings: Any
) -> None:
    """As long as we do not know of it, the second failure is part of the first."""
    settings.MEMBERSHIP_LAPSE_DAYS = 40
    failures = (Failed("invoice-2", now + MONTH), Failed("invoice-3", now + 2 * MONTH))
    first = follow(grace, a_plan(now, failures=failures), now + 2 * MONTH)
    assert first.lapses_at == now + MONTH + 40 * DAY

    payments = (paid(1, now), paid(2, now + 45 * DAY, through=now + 2 * MONTH))
    membership = follow(grace, a_plan(now, payments=payments, failures=failures), now + 2 * MONTH + DAY)
    assert membership.lapses_at == now + 2 * MONTH + 40 * DAY


def test_what_lapsed_and_was_taken_back_can_lapse_again(grace: Member, now: datetime, settings: Any) -> None:
    settings.MEMBERSHIP_LAPSE_DAYS = 20
    follow(grace, failing(now), now + 60 * DAY)
    follow(grace, failing(now, pauses=(Switch("pause", now + 40 * DAY, is_on=True),)), now + 61 * DAY)
    membership = follow(grace, failing(now), now + 62 * DAY)

    assert kinds(membership) == ["STARTED", "PAST_DUE", "LAPSED"]
    assert membership.steps.filter(kind="LAPSED").count() == 2


def test_retries_that_ended_at_stripe_are_a_lapse(grace: Member, now: datetime) -> None:
    gave_up = now + MONTH + 14 * DAY
    plan = failing(now, retries=(Switch("unpaid", gave_up, is_on=True),))
    membership = follow(grace, plan, gave_up)

    assert history(membership)[-1][::2] == ("LAPSED", gave_up)
    assert membership.state_at(gave_up) == State.LAPSED
    assert queries.get_current_membership(grace, gave_up) is None


def test_a_subscription_that_stripe_ended_for_want_of_payments_is_a_lapse(
    grace: Member, now: datetime
) -> None:
    gave_up = now + MONTH + 14 * DAY
    membership = follow(grace, failing(now, ended_at=gave_up, is_lost=True), gave_up)

    assert kinds(membership) == ["STARTED", "PAST_DUE", "LAPSED"]
    assert not Message.objects.exists(), "the floor above tells of it, with the way back"


# --- Leaving


def leaving(now: datetime, **changes: Any) -> Plan:
    """On the third day, the reader asks for an end with the paid time."""
    wish = Switch("wish", now + 3 * DAY, is_on=True, until=now + MONTH)
    return a_plan(now, wishes_to_leave=(wish,), **changes)


def test_whoever_asks_to_leave_stays_for_the_time_that_is_paid(grace: Member, now: datetime) -> None:
    membership = follow(grace, leaving(now), now + 3 * DAY)

    assert kinds(membership) == ["STARTED", "CANCELLED"]
    assert membership.ends_at == now + MONTH
    assert queries.get_state(grace, now + 2 * DAY) == State.ACTIVE
    assert queries.get_state(grace, now + 3 * DAY) == State.ENDING
    assert queries.get_state(grace, now + MONTH) == State.ENDED
    assert queries.get_current_membership(grace, now + 29 * DAY) == membership


def test_a_known_end_comes_by_itself_and_the_reader_is_told_once(
    grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    follow(grace, leaving(now), now + 3 * DAY)
    assert services.end_due_memberships(now=now + 29 * DAY) == 0
    assert services.end_due_memberships(now=now + 30 * DAY) == 1
    assert services.end_due_memberships(now=now + 31 * DAY) == 0
    # Stripe's own word comes a little later, and says the same.
    membership = follow(grace, leaving(now, ended_at=now + MONTH + 40 * SECOND), now + 31 * DAY)

    assert [step[::2] for step in history(membership)][-1] == ("ENDED", now + 30 * DAY)
    assert not membership.steps.filter(kind="TAKEN_BACK").exists()
    mail = Message.objects.get()
    assert (mail.kind, mail.recipient, mail.member) == ("membership_ended", "grace@example.org", grace)
    assert mail.context["tier_name"] == "Friend"
    assert mail.context["ended_on"] == "December 24, 2026"
    assert queries.get_current_membership(grace, now + 30 * DAY) is None


def test_a_wish_to_leave_that_was_taken_back_is_no_end(grace: Member, now: datetime) -> None:
    follow(grace, leaving(now), now + 3 * DAY)
    stays = Switch("stays", now + 5 * DAY, is_on=False)
    plan = leaving(now)
    membership = follow(grace, replace(plan, wishes_to_leave=(*plan.wishes_to_leave, stays)), now + 5 * DAY)

    assert kinds(membership) == ["STARTED", "CANCELLED", "CANCELLATION_WITHDRAWN"]
    assert (membership.ends_at, membership.cancelled_at) == (None, None)
    assert services.end_due_memberships(now=now + 40 * DAY) == 0


def test_an_end_does_not_slip_in_between_two_things_of_one_moment(grace: Member, now: datetime) -> None:
    """The money of the time that is left goes back, and in the same second the reader decides to stay."""
    at = now + MONTH + 5 * DAY
    wishes = (
        Switch("wish", now + 3 * DAY, is_on=True, until=now + MONTH),
        Switch("stays", at, is_on=False),
    )
    payments = (paid(1, now), paid(2, now + MONTH - DAY, given_back_at=at))
    membership = follow(grace, a_plan(now, payments=payments, wishes_to_leave=wishes), at + DAY)

    assert kinds(membership) == ["STARTED", "CANCELLED", "RENEWED", "GIVEN_BACK", "CANCELLATION_WITHDRAWN"]
    assert membership.ended_at is None


def test_whoever_is_ended_at_once_keeps_what_is_paid(grace: Member, now: datetime) -> None:
    membership = follow(grace, a_plan(now, ended_at=now + 2 * DAY), now + 2 * DAY)

    assert kinds(membership) == ["STARTED", "CANCELLED"]
    assert membership.state_at(now + 2 * DAY) == State.ENDING
    assert membership.ends_at == now + MONTH


def test_a_renewal_that_is_told_after_the_end_moves_the_end(grace: Member, now: datetime) -> None:
    follow(grace, a_plan(now, ended_at=now + MONTH + DAY), now + MONTH + 2 * DAY)
    membership = follow(grace, a_plan(now, months=2, ended_at=now + MONTH + DAY), now + MONTH + 3 * DAY)

    assert membership.ends_at == now + 2 * MONTH
    assert kinds(membership) == ["STARTED", "RENEWED", "CANCELLED"]
    assert membership.state_at(now + MONTH + 3 * DAY) == State.ENDING


def test_one_membership_that_cannot_be_ended_does_not_hold_up_the_others(
    grace: Member, now: datetime, log_lines: list[dict[str, Any]]
) -> None:
    ada = services.get_or_join(email="ada@example.org", now=now)
    for member, reference in ((ada, "contribution-1"), (grace, "contribution-2")):
        follow(member, leaving(now, reference=reference), now + 3 * DAY)
    Member.objects.filter(pk=ada.pk).update(email=Member.objects.values_list("email").get(pk=grace.pk)[0])

    assert services.end_due_memberships(now=now + MONTH) == 1
    assert Membership.objects.get(ended_at=None).member_id == ada.pk
    assert [(line["event"], line["error"]) for line in log_lines] == [("membership_not_ended", "Unreadable")]


def test_the_day_of_the_end_is_the_newsrooms_and_in_the_readers_language(
    now: datetime, settings: Any
) -> None:
    settings.NEWSROOM_TIME_ZONE = "Pacific/Kiritimati"
    ada = services.get_or_join(email="ada@example.org", locale="ru", now=now)
    follow(ada, a_plan(now - MONTH, ended_at=now), now)

    assert Message.objects.get().context["ended_on"] == "25 ноября 2026\u202fг."


def test_a_reader_who_moved_to_another_plan_is_not_told_goodbye(grace: Member, now: datetime) -> None:
    follow(grace, a_plan(now, reference="contribution-2"), now)
    follow(grace, a_plan(now - MONTH, ended_at=now), now)

    outbox.deliver_due(now=now)

    assert mail.outbox == []


def test_an_end_that_turns_out_to_be_none_is_not_told(grace: Member, now: datetime) -> None:
    """A payment was on its way to us when the membership seemed to have ended; or a refund that failed."""
    follow(grace, a_plan(now - MONTH, ended_at=now), now)
    follow(grace, a_plan(now - MONTH), now)

    outbox.deliver_due(now=now)

    assert mail.outbox == []


def test_an_end_that_turns_out_to_be_another_day_is_told_once_as_it_is(grace: Member, now: datetime) -> None:
    begun = now - MONTH - 3 * DAY
    follow(grace, a_plan(begun, ended_at=now - 2 * DAY), now)
    follow(grace, a_plan(begun, ended_at=now - DAY), now)
    outbox.deliver_due(now=now)
    follow(grace, a_plan(begun, ended_at=now), now)
    outbox.deliver_due(now=now)

    [letter] = mail.outbox
    assert "November 23, 2026" in letter.body


def test_whoever_is_no_member_by_anything_else_after_all_is_told_goodbye(
    grace: Member, now: datetime
) -> None:
    """When the first membership ended the second one seemed to run; its end, which lies earlier, came late."""
    other = a_plan(now - MONTH - 2 * DAY, reference="contribution-2")
    follow(grace, other, now)
    follow(grace, a_plan(now - MONTH, ended_at=now), now)
    follow(grace, replace(other, ended_at=now - DAY), now)

    outbox.deliver_due(now=now)

    assert len(mail.outbox) == 1


def test_news_of_an_end_long_ago_writes_history_but_no_mail(grace: Member, now: datetime) -> None:
    membership = follow(grace, a_plan(now - 400 * DAY, ended_at=now - 40 * DAY), now)

    assert membership.ended_at == now - 40 * DAY
    assert not Message.objects.exists()


# --- Pauses


def paused(now: datetime, *, until: datetime | None = None, **changes: Any) -> Plan:
    return a_plan(now, pauses=(Switch("pause", now + 10 * DAY, is_on=True, until=until),), **changes)


def test_paid_time_stays_paid_during_a_pause_and_then_it_is_a_pause(grace: Member, now: datetime) -> None:
    membership = follow(grace, paused(now, until=now + 70 * DAY), now + 10 * DAY)

    assert kinds(membership) == ["STARTED", "PAUSED"]
    assert (membership.paused_at, membership.resumes_at) == (now + 10 * DAY, now + 70 * DAY)
    assert queries.get_state(grace, now + 29 * DAY) == State.ACTIVE
    assert queries.get_state(grace, now + 31 * DAY) == State.PAUSED
    assert queries.get_current_membership(grace, now + 31 * DAY) is None
    assert services.end_due_memberships(now=now + 400 * DAY) == 0, "a pause is not the end"


def test_a_pause_is_over_with_the_next_payment(grace: Member, now: datetime) -> None:
    pause = Switch("pause", now + 10 * DAY, is_on=True)
    resumed = Switch("resumed", now + 50 * DAY, is_on=False)
    plan = a_plan(now, pauses=(pause, resumed))
    follow(grace, plan, now + 50 * DAY)
    assert queries.get_state(grace, now + 55 * DAY) == State.PAUSED

    again = replace(plan, payments=(paid(1, now), paid(3, now + 60 * DAY)))
    membership = follow(grace, again, now + 60 * DAY)
    assert kinds(membership) == ["STARTED", "PAUSED", "RESUMED", "RENEWED"]
    assert membership.state_at(now + 60 * DAY) == State.ACTIVE
    assert queries.get_state(grace, now + 59 * DAY) == State.PAUSED


def test_a_short_pause_within_the_paid_time_changes_nothing_about_the_next_renewal(
    grace: Member, now: datetime
) -> None:
    pauses = (Switch("pause", now + 10 * DAY, is_on=True), Switch("resumed", now + 12 * DAY, is_on=False))
    membership = follow(grace, a_plan(now, pauses=pauses), now + 12 * DAY)

    assert membership.paused_at is None
    assert membership.state_at(now + MONTH + timedelta(hours=1)) == State.ACTIVE


def test_nobody_lapses_while_payments_are_paused(grace: Member, now: datetime, settings: Any) -> None:
    settings.MEMBERSHIP_LAPSE_DAYS = 20
    pause = Switch("pause", now + MONTH + 5 * DAY, is_on=True)
    follow(grace, failing(now, pauses=(pause,)), now + MONTH + 5 * DAY)
    assert services.end_due_memberships(now=now + 300 * DAY) == 0

    resumed = Switch("resumed", now + 300 * DAY, is_on=False)
    membership = follow(grace, failing(now, pauses=(pause, resumed)), now + 300 * DAY)
    assert membership.ends_at == now + 320 * DAY


# --- Money that went back


def test_a_period_whose_money_went_back_no_longer_counts(grace: Member, now: datetime) -> None:
    back = now + MONTH + 4 * DAY
    payments = (paid(1, now), paid(2, now + MONTH, given_back_at=back))
    membership = follow(grace, a_plan(now, payments=payments), back)

    assert kinds(membership) == ["STARTED", "RENEWED", "GIVEN_BACK"]
    assert membership.paid_through == now + MONTH
    assert queries.get_state(grace, back - SECOND) == State.ACTIVE
    assert queries.get_state(grace, back) == State.PAST_DUE
    assert queries.get_current_membership(grace, back) is None


def test_money_that_came_back_to_us_counts_again(grace: Member, now: datetime) -> None:
    """A refund can fail days later."""
    payments = (paid(1, now), paid(2, now + MONTH, given_back_at=now + MONTH + DAY))
    follow(grace, a_plan(now, payments=payments), now + MONTH + DAY)
    membership = follow(grace, a_plan(now, months=2), now + MONTH + 6 * DAY)

    assert kinds(membership) == ["STARTED", "RENEWED"]
    assert queries.get_state(grace, now + MONTH + 2 * DAY) == State.ACTIVE


# --- Gifts that are given once


def gifts(*payments: Paid) -> Plan:
    return Plan("gifts", "USD", 0, payments, source=Source.GIFT)


def gift(number: int, at: datetime, *, annual: int = 60_00, **changes: Any) -> Paid:
    return replace(Paid(f"gift-{number}", at, months=12, annual_minor=annual), **changes)


def test_a_gift_makes_a_member_for_its_months_and_then_says_goodbye(
    grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    membership = follow(grace, gifts(gift(1, now)), now)
    end = now.replace(year=now.year + 1)
    assert (membership.tier, membership.ends_at) == (tiers["friend"], end)
    assert services.end_due_memberships(now=end) == 1

    assert queries.get_state(grace, end - SECOND) == State.ACTIVE
    assert queries.get_state(grace, end) == State.ENDED
    assert Message.objects.get().kind == "membership_ended"


def test_another_gift_adds_its_months_to_those_that_are_left(grace: Member, now: datetime) -> None:
    plan = gifts(gift(1, now), gift(2, now + 100 * DAY))
    membership = follow(grace, plan, now + 100 * DAY)

    assert kinds(membership) == ["STARTED", "RENEWED"]
    assert membership.ends_at == now.replace(year=now.year + 2)


def test_a_gift_that_went_back_takes_its_months_along(grace: Member, now: datetime) -> None:
    first = gift(1, now, given_back_at=now + 200 * DAY)
    second = gift(2, now + 100 * DAY)
    membership = follow(grace, gifts(first, second), now + 200 * DAY)
    assert membership.ends_at == (now + 100 * DAY).replace(year=now.year + 2)

    both = gifts(first, replace(second, given_back_at=now + 250 * DAY))
    membership = follow(grace, both, now + 250 * DAY)
    assert kinds(membership) == ["STARTED", "RENEWED", "GIVEN_BACK", "GIVEN_BACK", "ENDED"]
    assert membership.ended_at == now + 250 * DAY


def test_a_gift_after_the_end_begins_anew(grace: Member, now: datetime) -> None:
    later = now + 500 * DAY
    follow(grace, gifts(gift(1, now)), now + 400 * DAY)
    membership = follow(grace, gifts(gift(1, now), gift(2, later)), later)

    assert kinds(membership) == ["STARTED", "ENDED", "STARTED"]
    assert queries.get_state(grace, later - SECOND) == State.ENDED
    assert membership.state_at(later) == State.ACTIVE


def test_a_small_gift_prolongs_but_does_not_lower_the_tier(
    grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    plan = gifts(gift(1, now, annual=240_00), gift(2, now + DAY, annual=24_00))
    assert follow(grace, plan, now + DAY).tier == tiers["patron"]


# --- Two at once, and everything at once


def test_a_membership_goes_along_when_its_contribution_gets_another_member(
    grace: Member, now: datetime
) -> None:
    ada = services.get_or_join(email="ada@example.org", now=now)
    follow(grace, a_plan(now), now)

    assert follow(ada, a_plan(now), now).member == ada


def test_two_workers_that_start_the_same_membership_make_one(
    grace: Member, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = memberships.insert_new

    def somebody_is_quicker(rows: Any) -> int:
        monkeypatch.setattr(memberships, "insert_new", real)
        services.follow_plan(member=grace, plan=a_plan(now), now=now)
        return real(rows)

    monkeypatch.setattr(memberships, "insert_new", somebody_is_quicker)
    services.follow_plan(member=grace, plan=a_plan(now), now=now)

    assert history(Membership.objects.get()) == [("STARTED", "invoice-1", now)]


def a_full_life(now: datetime) -> Plan:
    """A bit of everything."""
    return a_plan(
        now,
        payments=(
            paid(1, now),
            paid(2, now + 33 * DAY, through=now + 2 * MONTH),
            paid(3, now + 2 * MONTH, given_back_at=now + 62 * DAY),
            paid(5, now + 4 * MONTH),
        ),
        failures=(Failed("invoice-2", now + MONTH), Failed("invoice-6", now + 5 * MONTH)),
        amounts=(Amount("amount-1", now + 5 * DAY, 240_00), Amount("amount-2", now + 70 * DAY, 60_00)),
        pauses=(Switch("pause", now + 80 * DAY, is_on=True), Switch("on", now + 110 * DAY, is_on=False)),
        wishes_to_leave=(
            Switch("wish", now + 35 * DAY, is_on=True, until=now + 2 * MONTH),
            Switch("stay", now + 40 * DAY, is_on=False),
        ),
        ended_at=now + 170 * DAY,
        is_lost=True,
    )


def test_a_full_life_reads_like_one(grace: Member, tiers: dict[str, Tier], now: datetime) -> None:
    membership = follow(grace, a_full_life(now), now + 300 * DAY)

    assert kinds(membership) == [
        "STARTED", "TIER_CHANGED", "PAST_DUE", "RENEWED", "RECOVERED", "CANCELLED", "CANCELLATION_WITHDRAWN",
        "RENEWED", "GIVEN_BACK", "TIER_CHANGED", "PAUSED", "RESUMED", "RENEWED", "PAST_DUE", "LAPSED",
    ]  # fmt: skip
    days = {1: "ACTIVE", 31: "GRACE", 36: "ENDING", 45: "ACTIVE", 61: "ACTIVE", 63: "PAST_DUE", 81: "PAUSED"}
    days |= {115: "PAUSED", 121: "ACTIVE", 151: "GRACE", 166: "PAST_DUE", 171: "LAPSED"}
    assert {day: queries.get_state(grace, now + day * DAY) for day in days} == days
