"""A contribution is changed by its reader: asked of Stripe, confirmed by its event, told by mail."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from donations import changes, inbox, links, pauses, standing, wishes
from donations.errors import (
    ChangeAtWork,
    ChangedMeanwhile,
    DonationError,
    HasEnded,
    InvalidWish,
    NotPossibleNow,
    PaymentsUnavailable,
)
from donations.models import Contribution, ContributionChange, Notice, Payment, Subscription
from donations.money import Money
from members import clock
from members.models import Message
from tests.house import House, session_of

GRACE = {"interval": "month", "amount": 500, "email": "grace@example.org", "locale": "en"}
Kind, State = ContributionChange.Kind, ContributionChange.State


@pytest.fixture
def monthly(house: House) -> Contribution:
    """Grace's contribution, 5.00 a month, paid today."""
    house.give_and_pay(**GRACE)
    return Contribution.objects.select_related("campaign").get()


def change(contribution: Contribution, **wish: Any) -> ContributionChange:
    return wishes.change_terms(contribution, by=wishes.READER, now=clock.now(), **wish)


def pause(contribution: Contribution, payments: int = 1, **more: Any) -> ContributionChange:
    return wishes.pause(contribution, payments=payments, by=wishes.READER, now=clock.now(), **more)


def stop(contribution: Contribution, **more: Any) -> ContributionChange | None:
    return wishes.stop(contribution, by=wishes.READER, now=clock.now(), **more)


def mails() -> list[str]:
    return [
        message.context["subject_text"]
        for message in Message.objects.filter(kind="contribution_changed").order_by("pk")
    ]


def charged() -> list[int]:
    return list(
        Payment.objects.filter(state="SUCCEEDED")
        .order_by("paid_at", "pk")
        .values_list("amount_minor", flat=True)
    )


def until(house: House, moment: datetime) -> None:
    """Let time pass up to that moment, and everything happen that belongs to it."""
    house.stripe.advance(moment - clock.now())
    house.catch_up()
    house.work()


# --- Amount and fee cover -----------------------------------------------------------------------------


def test_another_amount_counts_from_the_next_payment_on(house: House, monthly: Contribution) -> None:
    made = change(monthly, amount=Money(800, "USD"))

    assert (made.kind, made.state, made.actor) == (Kind.AMOUNT, State.TAKEN, "reader")
    assert Subscription.objects.get().amount_minor == 500, "the books wait for Stripe's word"
    assert mails() == [], "and so does the mail"
    assert standing.get(monthly).now.gift == Money(800, "USD"), "but its reader sees what was agreed"

    house.catch_up()
    made.refresh_from_db()
    assert made.state == State.CONFIRMED
    assert mails() == ["Your contribution was changed"]
    house.advance(days=32)
    assert charged() == [500, 800]
    house.assert_books_agree()


def test_a_preview_says_sum_fee_and_day_and_changes_nothing(house: House, monthly: Contribution) -> None:
    found = wishes.preview(monthly, amount=Money(1000, "USD"), cover_fees=True, now=clock.now())

    assert found.after.gift == Money(1000, "USD")
    assert found.after.total == Money(1061, "USD")
    assert found.first_payment_at == Subscription.objects.get().upcoming_payment_at
    assert not ContributionChange.objects.exists()
    assert "POST /v1/subscriptions" not in " ".join(house.stripe.calls)


def test_the_fee_is_covered_and_no_longer(house: House, monthly: Contribution) -> None:
    change(monthly, cover_fees=True)
    house.catch_up()
    assert standing.get(monthly).now.total == Money(546, "USD")
    house.advance(days=32)
    receipt = Message.objects.filter(kind="receipt").order_by("-pk")[0].context
    assert (receipt["gift_text"], receipt["fee_cover_text"]) == ("$5.00", "$0.46")

    change(monthly, cover_fees=False)
    house.catch_up()
    assert standing.get(monthly).now.total == Money(500, "USD")
    assert list(ContributionChange.objects.values_list("kind", flat=True)) == ["FEE_COVER", "FEE_COVER"]


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"amount": Money(1, "USD")}, "amount_too_small"),
        ({"amount": Money(99_999_999, "USD")}, "amount_too_large"),
        ({"amount": Money(800, "EUR")}, "currency_not_offered"),
        ({"amount": Money(500, "USD")}, "unchanged"),
        ({"interval": "once"}, "interval_not_offered"),
        ({}, "unchanged"),
    ],
)
def test_what_the_campaign_does_not_take_is_refused(monthly: Contribution, wish: Any, code: str) -> None:
    if code == "interval_not_offered":
        monthly.campaign.asks.filter(interval="once").delete()
    with pytest.raises(InvalidWish) as refused:
        change(monthly, **wish)
    assert refused.value.code == code
    assert not ContributionChange.objects.exists()


# --- Interval -------------------------------------------------------------------------------------------


def test_the_annual_one_begins_when_the_paid_month_ends(house: House, monthly: Contribution) -> None:
    paid_until = Subscription.objects.get().current_period_end
    found = wishes.preview(monthly, interval="year", amount=Money(5000, "USD"), now=clock.now())
    assert found.first_payment_at == paid_until

    change(monthly, interval="year", amount=Money(5000, "USD"))
    house.catch_up()
    assert charged() == [500], "nothing is charged now"
    assert Subscription.objects.get().upcoming_payment_at == paid_until

    until(house, paid_until - timedelta(days=20))
    until(house, paid_until + timedelta(days=1))
    assert charged() == [500, 5000]
    notice = Notice.objects.get(kind="RENEWAL", charge_at=paid_until)
    assert notice.accepted_at is not None
    assert notice.accepted_at <= paid_until - timedelta(days=15), "told in time"
    house.assert_books_agree()


def test_late_in_the_month_it_begins_when_its_reader_can_have_been_told(
    house: House, monthly: Contribution
) -> None:
    house.advance(days=25)
    begins = wishes.preview(monthly, interval="year", amount=Money(5000, "USD"), now=clock.now())
    assert begins.first_payment_at is not None
    assert timedelta(days=15) < begins.first_payment_at - clock.now() <= timedelta(days=16)

    change(monthly, interval="year", amount=Money(5000, "USD"))
    house.catch_up()
    house.work()
    until(house, begins.first_payment_at + timedelta(days=1))
    assert charged() == [500, 5000]
    assert not Notice.objects.exclude(hold="NONE").exists(), "and nothing had to wait"


def test_a_year_becomes_months_when_it_is_over(house: House) -> None:
    house.give_and_pay(**{**GRACE, "interval": "year", "amount": 6000})
    contribution = Contribution.objects.get()
    change(contribution, interval="month", amount=Money(600, "USD"))
    house.catch_up()
    house.advance(days=340)
    assert charged() == [6000]
    house.advance(days=30)
    assert charged() == [6000, 600]
    assert not Message.objects.filter(kind="renewal_notice").exists(), "no annual payment comes"


# --- Two at once ------------------------------------------------------------------------------------------


def test_who_decided_on_what_is_no_longer_so_is_told(house: House, monthly: Contribution) -> None:
    seen = standing.get(monthly).version
    change(monthly, amount=Money(800, "USD"), version=seen)
    with pytest.raises(ChangedMeanwhile):
        change(monthly, amount=Money(900, "USD"), version=seen)
    house.catch_up()
    with pytest.raises(ChangedMeanwhile):
        pause(monthly, version=seen)
    assert Subscription.objects.get().amount_minor == 800


def test_the_same_button_twice_is_one_change(house: House, monthly: Contribution) -> None:
    seen = standing.get(monthly).version
    first = change(monthly, amount=Money(800, "USD"), version=seen)
    house.catch_up()
    assert change(monthly, amount=Money(800, "USD"), version=seen) == first


def test_the_version_outlives_the_event(house: House, monthly: Contribution) -> None:
    change(monthly, amount=Money(800, "USD"))
    seen = standing.get(monthly).version
    house.catch_up()
    assert standing.get(monthly).version == seen


def test_one_change_is_asked_at_a_time(house: House, monthly: Contribution, monkeypatch: Any) -> None:
    def meanwhile(*_args: Any, **_named: Any) -> None:
        with pytest.raises(ChangeAtWork):
            pause(monthly)

    monkeypatch.setattr("donations.gateway.change_amount", meanwhile)
    change(monthly, amount=Money(800, "USD"))
    assert ContributionChange.objects.count() == 1


# --- Stripe says no, or nothing -----------------------------------------------------------------------------


def test_a_refusal_leaves_everything_as_it_was(house: House, monthly: Contribution) -> None:
    before = Subscription.objects.values().get()
    item = Subscription.objects.get().item_id
    Subscription.objects.update(item_id="si_of_somebody_else")
    with pytest.raises(DonationError):
        change(monthly, amount=Money(800, "USD"))
    Subscription.objects.update(item_id=item)
    house.catch_up()
    assert Subscription.objects.values().get() == before
    row = ContributionChange.objects.get()
    assert (row.state, row.problem) == (State.REFUSED, "gone")
    assert mails() == []
    change(monthly, amount=Money(800, "USD"))


def test_an_answer_that_got_lost_is_known_by_its_event(
    house: House, monthly: Contribution, monkeypatch: Any
) -> None:
    from donations import gateway

    real = gateway.change_amount

    def cut_off(*args: Any, **named: Any) -> None:
        real(*args, **named)
        raise PaymentsUnavailable("no answer")

    monkeypatch.setattr(gateway, "change_amount", cut_off)
    with pytest.raises(PaymentsUnavailable):
        change(monthly, amount=Money(800, "USD"))
    assert ContributionChange.objects.get().state == State.UNCLEAR
    house.catch_up()
    assert ContributionChange.objects.get().state == State.CONFIRMED
    assert mails() == ["Your contribution was changed"]


@pytest.mark.parametrize("was_done", [True, False])
def test_a_change_whose_asker_died_is_settled(
    house: House, monthly: Contribution, monkeypatch: Any, was_done: bool
) -> None:
    from donations import gateway

    real = gateway.change_amount

    def die(*args: Any, **named: Any) -> None:
        if was_done:
            real(*args, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(gateway, "change_amount", die)
    with pytest.raises(KeyboardInterrupt):
        change(monthly, amount=Money(800, "USD"))
    house.stripe.take_webhooks()  # and its event is lost as well
    assert changes.finish(now=clock.now()) == 0, "not while it may be at work"

    house.stripe.advance(timedelta(minutes=6))
    assert changes.finish(now=clock.now()) == 1
    row = ContributionChange.objects.get()
    assert row.state == (State.CONFIRMED if was_done else State.REFUSED)
    assert len(mails()) == was_done


def test_a_change_that_was_overtaken_is_not_told(house: House, monthly: Contribution) -> None:
    change(monthly, amount=Money(800, "USD"))
    house.stripe.take_webhooks()
    change(monthly, amount=Money(900, "USD"))
    house.stripe.advance(timedelta(hours=2))
    house.catch_up()
    assert list(ContributionChange.objects.order_by("pk").values_list("state", flat=True)) == [
        State.OVERTAKEN,
        State.CONFIRMED,
    ]
    assert len(mails()) == 1


@pytest.mark.parametrize("seed", range(4))
def test_events_in_any_order_confirm_each_change_once(house: House, monthly: Contribution, seed: int) -> None:
    change(monthly, amount=Money(800, "USD"))
    house.stripe.advance(timedelta(seconds=5))
    pause(monthly)
    house.stripe.advance(timedelta(seconds=5))
    stop(monthly)
    house.catch_up(seed=seed, duplicates=True)
    assert set(ContributionChange.objects.values_list("state", flat=True)) == {State.CONFIRMED}
    assert len(mails()) == 3


# --- Pause ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payments", [1, 2, 3])
def test_a_pause_leaves_out_so_many_payments_and_goes_on_by_itself(
    house: House, monthly: Contribution, payments: int
) -> None:
    pause(monthly, payments)
    house.catch_up()
    assert Subscription.objects.get().state == "PAUSED"
    assert mails() == ["Your contribution is paused"]

    paused = Subscription.objects.get()
    resumes = paused.pause_resumes_at
    assert resumes is not None
    until(house, resumes - timedelta(days=6))
    assert charged() == [500]
    assert Message.objects.get(kind="pause_ends").state == "SENT"
    until(house, resumes + timedelta(days=2))
    assert charged() == [500, 500]
    house.assert_books_agree()


def test_its_reader_is_told_a_week_before_it_goes_on(house: House, monthly: Contribution) -> None:
    pause(monthly)
    house.catch_up()
    resumes = Subscription.objects.get().pause_resumes_at
    assert resumes is not None
    house.stripe.advance(resumes - clock.now() - timedelta(days=7, hours=1))
    house.catch_up()
    assert not Message.objects.filter(kind="pause_ends").exists()
    house.advance(hours=2)
    house.work()
    mail = Message.objects.get(kind="pause_ends")
    assert mail.context["amount_text"] == "$5.00"


def test_a_pause_can_be_made_longer(house: House, monthly: Contribution) -> None:
    pause(monthly)
    house.catch_up()
    first = Subscription.objects.get().pause_resumes_at
    pause(monthly)
    house.catch_up()
    second = Subscription.objects.get().pause_resumes_at
    assert first is not None
    assert second is not None
    assert timedelta(days=27) < second - first < timedelta(days=32)


def test_a_pause_is_ended_early(house: House, monthly: Contribution) -> None:
    pause(monthly, 3)
    house.catch_up()
    wishes.resume(monthly, by=wishes.READER, now=clock.now())
    house.advance(days=32)
    assert charged() == [500, 500]
    assert mails() == ["Your contribution is paused", "Your contribution goes on"]


def test_an_annual_one_leaves_out_a_year_and_is_told_before_the_next(house: House) -> None:
    house.give_and_pay(**{**GRACE, "interval": "year", "amount": 6000})
    contribution = Contribution.objects.get()
    begun = clock.now()
    with pytest.raises(InvalidWish):
        pause(contribution, 2)
    pause(contribution)
    house.catch_up()
    until(house, begun + timedelta(days=731 - 31))
    assert charged() == [6000]
    until(house, begun + timedelta(days=731 - 20))
    until(house, begun + timedelta(days=733))
    assert charged() == [6000, 6000]
    assert Message.objects.filter(kind="renewal_notice", state="SENT").count() == 1


def test_the_31st_stays_the_31st_after_a_short_month() -> None:
    class Nothing:
        @staticmethod
        def filter(**_named: Any) -> Any:
            return Nothing()

        @staticmethod
        def values_list(*_args: Any, **_named: Any) -> list[datetime]:
            return [datetime(2027, 1, 31, tzinfo=UTC)]

    subscription = Subscription(interval="month", current_period_end=datetime(2027, 2, 28, tzinfo=UTC))
    subscription.__dict__["contribution_id"] = 1
    subscription._state.fields_cache["contribution"] = type("", (), {"payments": Nothing()})()
    found = pauses.payments_to_come(subscription, 3)
    assert [(moment.month, moment.day) for moment in found] == [(2, 28), (3, 31), (4, 30)]


# --- Stop, keep, and what has ended -----------------------------------------------------------------------------


def test_stopping_keeps_what_is_paid_and_can_be_taken_back(house: House, monthly: Contribution) -> None:
    made = stop(monthly, reason="too_expensive")
    assert made is not None
    assert made.reason == "too_expensive"
    house.catch_up()
    assert Subscription.objects.get().cancel_at == Subscription.objects.get().current_period_end
    assert stop(monthly) is None, "it was to end already"
    with pytest.raises(NotPossibleNow):
        change(monthly, amount=Money(800, "USD"))

    wishes.keep(monthly, by=wishes.READER, now=clock.now())
    house.catch_up()
    assert wishes.keep(monthly, by=wishes.READER, now=clock.now()) is None
    house.advance(days=32)
    assert charged() == [500, 500]
    assert mails() == ["Your contribution is stopped", "Your contribution goes on"]


def test_what_has_ended_stays_ended(house: House, monthly: Contribution) -> None:
    stop(monthly)
    house.catch_up()
    house.advance(days=32)
    for wish in (
        lambda: change(monthly, amount=Money(800, "USD")),
        lambda: pause(monthly),
        lambda: stop(monthly),
        lambda: wishes.keep(monthly, by=wishes.READER, now=clock.now()),
        lambda: wishes.resume(monthly, by=wishes.READER, now=clock.now()),
    ):
        with pytest.raises(HasEnded):
            wish()


def test_a_gift_given_once_has_nothing_to_change(house: House) -> None:
    house.give_and_pay()
    contribution = Contribution.objects.get()
    for wish in (lambda: change(contribution, cover_fees=True), lambda: pause(contribution)):
        with pytest.raises(NotPossibleNow):
            wish()


def test_one_whose_payment_failed_ends_at_once(house: House, monthly: Contribution) -> None:
    Subscription.objects.update(state="PAST_DUE")
    assert Subscription.objects.get().state == "PAST_DUE"
    with pytest.raises(NotPossibleNow):
        pause(monthly)
    stop(monthly)
    house.catch_up()
    assert Subscription.objects.get().state == "CANCELLED"
    assert "come_back_url" in Message.objects.get(kind="contribution_changed").context


# --- Undo -------------------------------------------------------------------------------------------------------


def _amount(contribution: Contribution) -> ContributionChange | None:
    return change(contribution, amount=Money(800, "USD"), cover_fees=True)


def _year(contribution: Contribution) -> ContributionChange | None:
    return change(contribution, interval="year", amount=Money(5000, "USD"))


@pytest.mark.parametrize("wish", [_amount, _year, pause, stop])
def test_each_change_is_undone_within_a_day(house: House, monthly: Contribution, wish: Any) -> None:
    before = standing.get(monthly).now
    ends = Subscription.objects.get().current_period_end
    made = wish(monthly)
    house.catch_up()
    house.stripe.advance(timedelta(hours=23))

    undone = wishes.undo(made, by=wishes.LINK, now=clock.now())
    house.catch_up()

    assert undone is not None
    assert undone.undoes == made
    assert standing.get(monthly).now == before
    assert Subscription.objects.get().current_period_end == ends
    assert wishes.undo(made, by=wishes.LINK, now=clock.now()) == undone, "once is enough"
    house.advance(days=32)
    assert charged() == [500, 500]


def test_a_pause_that_was_ended_goes_on_as_it_was(house: House, monthly: Contribution) -> None:
    pause(monthly, 2)
    house.catch_up()
    until = Subscription.objects.get().pause_resumes_at
    resumed = wishes.resume(monthly, by=wishes.READER, now=clock.now())
    house.catch_up()
    wishes.undo(resumed, by=wishes.LINK, now=clock.now())
    house.catch_up()
    assert Subscription.objects.get().pause_resumes_at == until


def test_later_or_after_something_else_it_is_not_undone(house: House, monthly: Contribution) -> None:
    made = change(monthly, amount=Money(800, "USD"))
    house.catch_up()
    later = pause(monthly)
    house.catch_up()
    assert not wishes.can_undo(made, now=clock.now())
    assert wishes.can_undo(later, now=clock.now())
    house.advance(hours=25)
    with pytest.raises(DonationError) as refused:
        wishes.undo(later, by=wishes.LINK, now=clock.now())
    assert refused.value.code == "too_late"


# --- What a receipt leads to -----------------------------------------------------------------------------------


def actions_in(text: str) -> list[str]:
    """What the one-action links in a mail do."""
    return [str(links.ACTION.read(token)[1]) for token in re.findall(r"/support/do/([^/\s]+)/", text)]


def test_the_first_receipt_asks_whether_once_was_meant_and_later_ones_lead_out(
    house: House, mailoutbox: Any
) -> None:
    house.give_and_pay(interval="month", amount=500)
    assert actions_in(mailoutbox[0].body) == ["once"]
    assert "/support/stop/" in mailoutbox[0].body
    mailoutbox.clear()
    house.advance(days=32)
    [later] = [letter.body for letter in mailoutbox if letter.kind == "receipt"]
    assert sorted(actions_in(later)) == ["lower", "skip"]
    assert "/support/card/" in later
    assert "/support/stop/" in later


def test_a_gift_given_once_has_no_way_out_of_anything(house: House, mailoutbox: Any) -> None:
    house.give_and_pay()
    assert [letter.kind for letter in mailoutbox] == ["receipt"]
    assert "/support/" not in mailoutbox[0].body


def test_a_receipt_that_was_owed_before_its_subscription_was_known_has_its_links(
    house: House, mailoutbox: Any
) -> None:
    house.stripe.pay(session_of(house.begin(interval="month", amount=500)))
    news = house.stripe.take_webhooks()
    later = [one for one in news if b"customer.subscription" in one.body or b"checkout.session" in one.body]
    house.deliver([one for one in news if one not in later])
    inbox.process_waiting(now=clock.now())
    house.deliver(later)
    house.catch_up()
    [receipt] = [letter.body for letter in mailoutbox if letter.kind == "receipt"]
    assert actions_in(receipt) == ["once"]
