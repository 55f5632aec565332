"""The regret window: for two days, a monthly gift that was meant once can be made one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client

from donations import inbox, stopping
from donations.models import Payment, Subscription
from members import clock, outbox
from members.models import Member
from tests.house import CONTRIBUTIONS, House

MONTHLY: dict[str, Any] = {"interval": "month", "amount": 500, "email": "grace@example.org"}


def make_one_time(house: House, gift: dict[str, Any]) -> Any:
    return house.api.post(f"{CONTRIBUTIONS}{gift['id']}/make-one-time/")


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_within_two_days_a_monthly_gift_becomes_a_one_time_gift(house):
    gift = house.give_and_pay(**MONTHLY)
    before = house.status(gift)
    mail.outbox.clear()
    answer = make_one_time(house, gift)
    house.catch_up()
    after = house.status(gift)

    assert before["can_be_made_one_time"] is True
    assert answer.status_code == 200
    for told in (answer.json(), after):
        assert (told["can_be_made_one_time"], told["was_made_one_time"]) == (False, True)
        assert told["next_payment_at"] is None
    assert after["membership"] == before["membership"] is not None
    [letter] = mail.outbox
    assert letter.subject == "Your gift is a one-time gift"
    assert "$5.00" in letter.body
    assert "Nothing more will be charged" in letter.body

    house.advance(days=70)
    assert Payment.objects.count() == 1
    assert house.status(gift)["status"] == "cancelled"
    house.assert_books_agree()


@pytest.mark.parametrize("interval", ["month", "year"])
def test_it_can_be_done_until_two_days_are_over(house_out_of_time, interval):
    house = house_out_of_time
    gift = house.give_and_pay(interval=interval, amount=5000, email="grace@example.org")
    house.advance(hours=47, minutes=59)
    assert house.status(gift)["can_be_made_one_time"] is True
    house.advance(minutes=1)

    assert house.status(gift)["can_be_made_one_time"] is False
    assert refused(make_one_time(house, gift)) == (409, "too_late")
    house.catch_up()
    assert Subscription.objects.get().cancel_at is None


def test_asking_again_at_any_time_changes_nothing_and_is_no_error(house):
    gift = house.give_and_pay(**MONTHLY)
    first, again = make_one_time(house, gift), make_one_time(house, gift)
    house.catch_up()
    calls = list(house.stripe.calls)
    house.advance(days=3)
    late = make_one_time(house, gift)

    assert [one.status_code for one in (first, again, late)] == [200] * 3
    assert first.json() == again.json() == late.json() | {"status": "active"}
    assert house.stripe.calls == calls
    assert sum("one-time" in letter.subject for letter in mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_ask_at_once_do_one_thing(house):
    gift = house.give_and_pay(**MONTHLY)
    together = threading.Barrier(2)

    def press(_: int) -> int:
        together.wait(10)
        try:
            path = f"{CONTRIBUTIONS}{gift['id']}/make-one-time/"
            return Client().post(path).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(press, range(2))) == [200, 200]
    house.catch_up()

    assert Subscription.objects.get().was_made_one_time
    assert sum("one-time" in letter.subject for letter in mail.outbox) == 1
    house.assert_books_agree()


def test_a_gift_that_is_one_time_unpaid_or_over_cannot_be_made_one(house):
    once = house.give_and_pay()
    unpaid = house.begin(**MONTHLY)
    assert house.status(once)["can_be_made_one_time"] is False
    assert house.status(unpaid)["can_be_made_one_time"] is False
    calls = list(house.stripe.calls)

    for gift in (once, unpaid):
        assert refused(make_one_time(house, gift)) == (409, "not_possible")
    assert house.stripe.calls == calls


def test_a_gift_that_its_reader_stops_already_is_left_as_it_is(house):
    gift = house.give_and_pay(**MONTHLY)
    stopping.stop(Subscription.objects.get())
    house.catch_up()

    assert house.status(gift)["can_be_made_one_time"] is False
    assert refused(make_one_time(house, gift)) == (409, "not_possible")
    assert not Subscription.objects.get().was_made_one_time


def test_a_payment_that_was_given_back_is_no_gift_to_keep(house):
    gift = house.give_and_pay(**MONTHLY)
    charge = [key for key, one in house.stripe.account.objects.items() if one["object"] == "charge"][-1]
    house.stripe.controls.refund(charge, 500)
    house.catch_up()

    assert refused(make_one_time(house, gift)) == (409, "not_possible")


def test_whoever_thinks_better_of_it_goes_on_by_the_link_in_the_mail(house, reader):
    gift = house.give_and_pay(**MONTHLY)
    make_one_time(house, gift)
    house.catch_up()
    link = next(line for line in mail.outbox[-1].body.splitlines() if "/support/stop/" in line)
    path = link[link.index("/support/") :]

    assert reader.get(path).status_code == 200
    house.catch_up()
    assert Subscription.objects.get().was_made_one_time  # whoever only looks changes nothing
    reader.post(path, {"act": "keep"})
    house.catch_up()

    found = house.status(gift)
    assert (found["was_made_one_time"], found["can_be_made_one_time"]) == (False, True)
    assert found["next_payment_at"] is not None


def test_a_mail_whose_reason_has_gone_is_not_sent(house):
    house.give_and_pay(**MONTHLY)
    mail.outbox.clear()
    plan = Subscription.objects.get()
    stopping.make_one_time(plan.contribution, now=plan.contribution.created_at)
    house.deliver(house.stripe.take_webhooks())
    inbox.process_waiting(now=clock.now())
    stopping.keep(plan)
    house.deliver(house.stripe.take_webhooks())
    inbox.process_waiting(now=clock.now())
    outbox.deliver_due(now=clock.now())

    assert not [letter for letter in mail.outbox if "one-time" in letter.subject]


@pytest.mark.parametrize("fault", ["unavailable", "lost_answer"])
def test_while_stripe_is_away_nothing_is_promised(house, fault):
    gift = house.give_and_pay(**MONTHLY)
    house.stripe.fault("POST /v1/subscriptions/*", fault, times=9)
    answer = make_one_time(house, gift)

    assert refused(answer) == (503, "payments_unavailable")
    assert answer["Retry-After"]
    assert house.status(gift)["was_made_one_time"] is False
    house.stripe.faults.clear()
    assert make_one_time(house, gift).status_code == 200
    house.catch_up()
    assert house.status(gift)["was_made_one_time"] is True


def test_nobody_does_it_by_following_a_link_or_by_guessing(house):
    gift = house.give_and_pay(**MONTHLY)

    assert house.api.get(f"{CONTRIBUTIONS}{gift['id']}/make-one-time/").status_code == 405
    for wrong in (
        "00000000-0000-4000-8000-000000000000",
        gift["id"].upper(),
        gift["id"].replace("-", ""),
        "x",
    ):
        assert house.api.post(f"{CONTRIBUTIONS}{wrong}/make-one-time/").status_code == 404
    house.catch_up()
    assert Subscription.objects.get().cancel_at is None


def test_the_state_of_a_gift_tells_its_membership_and_nothing_personal(house, settings):
    settings.ONE_OFF_MEMBERSHIP_MONTHS = 12
    monthly = house.give_and_pay(**MONTHLY)
    once = house.give_and_pay()
    unpaid = house.begin(email="charlie@example.org")
    paid_until = Subscription.objects.get().current_period_end

    assert house.status(monthly)["membership"] == {"tier": "Friend", "until": f"{paid_until:%Y-%m-%d}"}
    assert house.status(once)["membership"]["tier"] == "Supporter"
    assert house.status(unpaid)["membership"] is None
    assert Member.objects.count() == 2
    house.advance(days=400)  # and nothing is left of the gift's year
    assert house.status(once)["membership"] is None
    assert timedelta(hours=48) == stopping.REGRET
