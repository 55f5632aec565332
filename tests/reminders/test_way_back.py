"""The mail about a page that was left leads back to it: from the page that expires to the gift that is counted."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.conf import settings as django_settings
from django.db import connection

from donations import recovery, services
from donations.models import Ask, Campaign, Contribution, Payment, StripeEvent, Subscription
from members import clock, outbox
from members.models import Message
from reminders import codes, tasks
from reminders import services as reminder_services
from reminders.models import Reminder, ReminderSend
from tests.house import House, session_of

pytestmark = pytest.mark.django_db

CHARLIE = {"email": "charlie@example.org", "reminder_consent": True}
MONTHLY: dict[str, Any] = {**CHARLIE, "interval": "month", "amount": 500}


@pytest.fixture(autouse=True)
def everybody_is_mailed(settings: Any) -> None:
    settings.REMINDER_HOLD_OUT_PERCENT = 0


@pytest.fixture
def campaign(house: House) -> Campaign:
    """One that writes about pages that were left."""
    Campaign.objects.update(reminds_abandoned=True)
    return Campaign.objects.get()


def leave(house: House, **wish: Any) -> dict[str, Any]:
    """Begin, and do not pay until the page has expired."""
    answer = house.begin(**{**CHARLIE, **wish})
    house.advance(hours=3)
    return answer


def mail_is_due(house: House, mailoutbox: Any) -> str:
    """What workers do until the mail about the page is out; the address behind its button."""
    tasks.follow_reminders()
    house.stripe.advance(ReminderSend.objects.get().due_at - clock.now() + timedelta(minutes=1))
    tasks.dispatch_reminders()
    outbox.deliver_due(now=clock.now())
    tasks.dispatch_reminders()
    [letter] = [mail for mail in mailoutbox if mail.kind == "reminder_abandoned"]
    [address] = set(re.findall(r"\S+/continue/", letter.body))
    assert address.startswith(django_settings.PUBLIC_BASE_URL)
    return address.removeprefix(django_settings.PUBLIC_BASE_URL)


def press(house: House, button: str) -> str:
    """Where the mail's button leads."""
    response = house.api.get(button)
    assert response.status_code == 302, response.content
    return str(response["Location"])


def open_page(address: str) -> str:
    """Follow Stripe's link as a browser does; the session of the page that opens."""
    opened = requests.get(address, timeout=5)
    assert opened.status_code == 200
    return opened.url.rsplit("/", 1)[1]


def pay_by_mail(house: House, button: str) -> str:
    session = open_page(press(house, button))
    house.stripe.pay(session)
    house.catch_up()
    return session


def all_rows() -> list[Any]:
    """All that a visit could have changed."""
    models = (Contribution, Payment, Reminder, ReminderSend, StripeEvent, Message)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


# --- The whole way


@pytest.mark.parametrize("wish", [CHARLIE, MONTHLY], ids=["once", "monthly"])
def test_a_reader_goes_back_to_the_page_from_the_mail_and_gives(
    house: House, campaign: Campaign, mailoutbox: Any, wish: dict[str, Any]
) -> None:
    answer = leave(house, **wish)
    assert house.status(answer)["status"] == "expired"
    button = mail_is_due(house, mailoutbox)

    before = all_rows()
    address = press(house, button)
    assert address.startswith(house.stripe.account.public_url + "/r/")
    assert house.api.head(button).status_code == 302
    assert all_rows() == before
    assert not any(address in mail.body or "/r/" in mail.body for mail in mailoutbox)

    session = pay_by_mail(house, button)
    row = Contribution.objects.get()
    assert (row.checkout_state, row.stripe_session_id) == ("COMPLETED", session)
    assert house.status(answer)["status"] == ("paid" if wish is CHARLIE else "active")
    house.assert_books_agree()
    assert [mail.kind for mail in mailoutbox].count("receipt") == 1

    tasks.follow_reminders()
    send = ReminderSend.objects.get()
    value = (send.conversion, send.value_minor, send.value_currency)
    assert value == ("DIRECT", 2500 if wish is CHARLIE else 500, "USD")
    house.advance(days=40)
    tasks.follow_reminders()
    tasks.dispatch_reminders()
    outbox.deliver_due(now=clock.now())
    assert ReminderSend.objects.count() == 1
    assert [mail.kind for mail in mailoutbox].count("reminder_abandoned") == 1


def test_who_has_given_is_thanked_and_not_asked_to_pay_again(
    house: House, campaign: Campaign, mailoutbox: Any
) -> None:
    answer = leave(house)
    button = mail_is_due(house, mailoutbox)
    pay_by_mail(house, button)

    assert press(house, button).endswith(f"/support/support-us/thanks/{answer['id']}/")
    assert Contribution.objects.get().recovery_url == ""


def test_a_gift_given_once_on_two_copies_is_two_payments_with_two_receipts(
    house: House, campaign: Campaign, mailoutbox: Any
) -> None:
    answer = leave(house)
    button = mail_is_due(house, mailoutbox)
    copies = [open_page(press(house, button)) for _ in range(2)]
    for copy in copies:
        house.stripe.pay(copy)
    house.catch_up()

    house.assert_books_agree()
    assert Payment.objects.filter(contribution__public_id=answer["id"], state="SUCCEEDED").count() == 2
    assert [mail.kind for mail in mailoutbox].count("receipt") == 2
    assert house.status(answer)["status"] == "paid"
    tasks.follow_reminders()
    assert ReminderSend.objects.get().conversion == "DIRECT"


def test_a_monthly_gift_begun_on_two_copies_is_two_contributions_that_both_go_on(
    house: House, campaign: Campaign, mailoutbox: Any
) -> None:
    answer = leave(house, **MONTHLY)
    button = mail_is_due(house, mailoutbox)
    for copy in [open_page(press(house, button)) for _ in range(2)]:
        house.stripe.pay(copy)
    house.catch_up()
    house.advance(days=32)

    house.assert_books_agree()
    first, copy = Contribution.objects.order_by("pk")
    assert (str(first.public_id), copy.copy_of) == (answer["id"], first)
    assert (copy.member, copy.amount, copy.created_at) == (first.member, first.amount, first.created_at)
    assert [row.payments.filter(state="SUCCEEDED").count() for row in (first, copy)] == [2, 2]
    assert [mail.kind for mail in mailoutbox].count("receipt") == 4

    # Each can be ended for itself.
    house.stripe.controls.change_card(copy.subscription.stripe_id, "4000000000000341")
    house.advance(days=80)
    assert Subscription.objects.get(contribution=copy).state == "CANCELLED"
    assert house.status(answer)["status"] == "active"
    tasks.follow_reminders()
    assert ReminderSend.objects.get().conversion == "DIRECT"


def test_what_stripe_does_not_copy_is_found_by_the_page(
    house: House, campaign: Campaign, mailoutbox: Any
) -> None:
    """Stripe promises a copy of the page; our mark on the payment behind it might not be part of that."""
    answer = leave(house, **MONTHLY)
    button = mail_is_due(house, mailoutbox)
    for _ in range(2):
        session = open_page(press(house, button))
        house.stripe.account.secret(session)["subscription_data"] = {}
        house.stripe.pay(session)
    house.catch_up(seed=3, duplicates=True)
    house.advance(days=32)

    house.assert_books_agree()
    assert house.status(answer)["status"] == "active"
    assert Payment.objects.count() == 4


def test_programs_that_check_the_mail_open_pages_that_nobody_hears_of(
    house: House, campaign: Campaign, mailoutbox: Any
) -> None:
    answer = leave(house)
    button = mail_is_due(house, mailoutbox)
    address = press(house, button)
    for _ in range(3):
        open_page(address)
    house.advance(days=2)
    tasks.follow_reminders()

    assert house.status(answer)["status"] == "expired"
    assert press(house, button) == address
    assert ReminderSend.objects.count() == 1
    house.assert_books_agree()


# --- Where the button leads otherwise


def test_after_thirty_days_the_button_leads_to_the_filled_in_page(
    house: House, campaign: Campaign, mailoutbox: Any
) -> None:
    leave(house)
    button = mail_is_due(house, mailoutbox)
    house.stripe.advance(timedelta(days=27))
    services.forget_unpaid(now=clock.now())
    assert "/r/" in press(house, button)
    house.stripe.advance(timedelta(days=3))
    address = press(house, button)
    assert "/support/support-us/?interval=once&amount=2500&currency=USD" in address
    assert house.api.get(address.removeprefix(django_settings.PUBLIC_BASE_URL)).status_code == 200

    mark = address.partition("reminder=")[2]
    house.give_and_pay(email="grace@example.org", source={"reminder": mark})
    tasks.follow_reminders()
    assert ReminderSend.objects.get().conversion == "DIRECT"


def test_a_gift_that_the_appeal_would_not_take_today_is_not_taken_by_an_old_page(
    house: House, campaign: Campaign, mailoutbox: Any
) -> None:
    leave(house)
    button = mail_is_due(house, mailoutbox)
    Ask.objects.filter(currency="USD", interval="once").update(minimum_minor=3000, default_minor=5000)
    assert "amount=2500" in press(house, button)  # there the page raises it, and says so

    Ask.objects.filter(currency="USD", interval="once").delete()
    assert "/support/" in press(house, button)
    Campaign.objects.update(ends_at=clock.now())
    assert "/support/" in press(house, button)


def test_a_link_that_is_not_stripes_is_not_followed(
    house: House, campaign: Campaign, mailoutbox: Any
) -> None:
    leave(house)
    button = mail_is_due(house, mailoutbox)
    row = Contribution.objects.get()
    for address in ("https://stripe.example/r/1", "http://[broken", "javascript:alert(1)"):
        row.recovery_url = address
        row.save()
        assert "/support/support-us/" in press(house, button)


def test_stripes_own_links_to_left_pages_are_followed(settings: Any) -> None:
    from donations import gateway

    settings.STRIPE_API_BASE = None
    assert gateway.is_stripes("https://buy.stripe.com/r/live_asAb1724")
    assert not gateway.is_stripes("https://buy.stripe.com.example/r/live_asAb1724")


def test_a_code_for_anything_else_opens_nothing(house: House, campaign: Campaign, mailoutbox: Any) -> None:
    leave(house)
    button = mail_is_due(house, mailoutbox)
    send = ReminderSend.objects.get()
    for code in (
        codes.make(codes.Purpose.FROM_MAIL, send.rid),
        codes.make(codes.Purpose.WAY_BACK, send.reminder.public_id),
        "x" * 43,
    ):
        assert house.api.get(f"/reminders/{code}/continue/").status_code == 404
    assert house.api.post(button).status_code == 405


# --- Only where both agreed


def asked_for_a_way_back(house: House, answer: dict[str, Any]) -> bool:
    session = house.stripe.account.objects[session_of(answer)]
    return bool(session["after_expiration"])


@pytest.mark.parametrize(
    ("reminds", "wish", "asked"),
    [
        (True, CHARLIE, True),
        (False, CHARLIE, False),
        (True, {**CHARLIE, "reminder_consent": False}, False),
        (True, {**CHARLIE, "email": ...}, False),
    ],
)
def test_stripe_is_asked_for_a_way_back_only_where_it_may_be_used(
    house: House, reminds: bool, wish: dict[str, Any], asked: bool
) -> None:
    Campaign.objects.update(reminds_abandoned=reminds)
    answer = house.begin(**wish)
    assert asked_for_a_way_back(house, answer) == asked
    house.advance(hours=3)
    assert bool(Contribution.objects.get().recovery_url) == asked
    tasks.follow_reminders()
    assert ReminderSend.objects.count() == asked


def test_a_try_that_is_repeated_asks_for_the_same_though_the_switch_was_turned_meanwhile(
    house: House, campaign: Campaign
) -> None:
    house.stripe.fault("POST /v1/checkout/sessions", "lost_answer", times=3)
    assert house.give(**CHARLIE, key="once").status_code == 503
    Campaign.objects.update(reminds_abandoned=False)
    assert asked_for_a_way_back(house, house.begin(**CHARLIE, key="once"))


def test_who_was_held_out_got_no_mail_and_gives_by_no_mail(
    house: House, campaign: Campaign, settings: Any
) -> None:
    settings.REMINDER_HOLD_OUT_PERCENT = 100
    answer = leave(house)
    tasks.follow_reminders()
    house.stripe.advance(ReminderSend.objects.get().due_at - clock.now() + timedelta(minutes=1))
    tasks.dispatch_reminders()
    copy = house.stripe.recover(session_of(answer))  # on Stripe's own page for those who come late
    house.stripe.pay(copy["id"])
    house.catch_up()
    tasks.follow_reminders()
    send = ReminderSend.objects.get()
    assert (send.state, send.conversion) == ("HELD_OUT", "ASSISTED")


# --- Privacy


def stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT recovery_url FROM donations_contribution")
        return bytes(cursor.fetchone()[0]).decode("latin-1")


def test_the_link_lies_sealed_and_in_no_log(
    house: House, campaign: Campaign, mailoutbox: Any, capsys: Any
) -> None:
    answer = leave(house)
    assert "/r/" in Contribution.objects.get().recovery_url
    assert stored()
    assert session_of(answer) not in stored()
    press(house, mail_is_due(house, mailoutbox))
    assert "/r/" not in "".join(capsys.readouterr())


def test_the_link_is_forgotten_when_it_is_of_no_use(house: House, campaign: Campaign) -> None:
    leave(house)
    services.forget_unpaid(now=clock.now() + timedelta(days=8))
    assert recovery.forget_old(now=clock.now() + timedelta(days=29)) == 0
    assert stored()
    assert recovery.forget_old(now=clock.now() + timedelta(days=30)) == 1
    assert stored() == ""
    assert Contribution.objects.get().recovery_expires_at is None


def test_who_asks_to_be_forgotten_leaves_no_link(house: House, campaign: Campaign) -> None:
    leave(house)
    tasks.follow_reminders()
    reminder_services.erase_person(email="charlie@example.org", now=clock.now())
    assert stored() == ""


def test_news_of_the_expiry_that_come_after_the_forgetting_bring_no_link_back(
    house: House, campaign: Campaign
) -> None:
    answer = house.begin(**CHARLIE)
    house.stripe.advance(timedelta(hours=3))
    late = house.stripe.take_webhooks()
    assert [json.loads(webhook.body)["type"] for webhook in late] == ["checkout.session.expired"]
    later = clock.now() + timedelta(days=8)
    services.expire_forgotten_checkouts(now=later)
    services.forget_unpaid(now=later)
    house.deliver(late)
    house.work()
    assert house.status(answer)["status"] == "expired"
    assert stored() == ""
