"""A cheque, a transfer, cash: entered by staff, with the same receipt and reports as any other gift (G12)."""

from __future__ import annotations

import re
import uuid
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from donations import doubles, offline, queries
from donations.models import Campaign, Contribution, JournalEntry, OfflineGift, Payment
from donations.money import Money
from donations.reports import rebuilding
from members import clock
from members import queries as members
from members.models import Membership, Message
from tests import factories
from tests.house import House

pytestmark = pytest.mark.django_db

ADD = "admin:donations_offlinegift_add"


def staff_who_may(*permissions: str) -> Client:
    user = User.objects.create_user("grace", is_staff=True)
    for name in permissions:
        user.user_permissions.add(Permission.objects.get(content_type__app_label="donations", codename=name))
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    return client


def sent(client: Client, url: str, **given: Any) -> Any:
    """Fill in the form that is shown there, and press the button."""
    page = client.get(url)
    assert page.status_code == 200, page.content
    text = page.content.decode()
    hidden = dict(re.findall(r'name="(csrfmiddlewaretoken|key)" value="([^"]+)"', text))
    return client.post(url, hidden | given)


def a_cheque(**changes: Any) -> dict[str, Any]:
    return {
        "campaign": Campaign.objects.get().pk,
        "amount": "120,50",
        "currency": "EUR",
        "received_on": str(clock.now().date() - timedelta(days=3)),
        "method": "CHEQUE",
        "email": "Ada@example.org",
        "name": "Ada Sample",
        "reference": "cheque 4711",
        "with_receipt": "on",
    } | changes


def entered(**changes: Any) -> OfflineGift:
    now = clock.now()
    entry = offline.Entry(
        campaign=Campaign.objects.get(),
        amount=Money(5000, "EUR"),
        received_on=changes.pop("received_on", now.date()),
        method="BANK",
        **{"email": "ada@example.org", **changes},
    )
    return offline.record_offline_gift(entry, key=uuid.uuid4(), with_receipt=True, actor="staff:1", now=now)


def test_a_cheque_is_entered_and_has_its_receipt_like_any_other_gift(house: House, settings: Any) -> None:
    settings.ONE_OFF_MEMBERSHIP_MONTHS = 12
    client = staff_who_may("record_offlinegift", "view_offlinegift")

    answer = sent(client, reverse(ADD), **a_cheque())

    assert answer.status_code == 302, answer.content
    gift = OfflineGift.objects.select_related("payment__contribution__member").get()
    payment, contribution = gift.payment, gift.payment.contribution
    assert (payment.amount, payment.state, payment.is_offline) == (Money(12050, "EUR"), "SUCCEEDED", True)
    assert payment.receipt_number
    assert (contribution.origin, contribution.email, contribution.name) == ("STAFF", "", "")
    assert contribution.member.name == "Ada Sample"
    assert gift.entered_by.startswith("staff:")
    receipt = Message.objects.get()
    assert (receipt.kind, receipt.context["receipt_number"]) == ("receipt", payment.receipt_number)
    assert Membership.objects.get().source_kind == "GIFT"
    assert house.status({"id": str(contribution.public_id)})["status"] == "paid"
    progress = queries.get_offline_books()
    assert progress == {"EUR": {"count": 1, "amount": 12050}}
    house.assert_books_agree()  # Stripe knows nothing of it, and is asked for nothing


def test_the_receipt_by_mail_can_be_left_out(house: House) -> None:
    client = staff_who_may("record_offlinegift", "view_offlinegift")
    given = a_cheque()
    del given["with_receipt"]
    sent(client, reverse(ADD), **given)
    assert Payment.objects.get().receipt_number
    assert not Message.objects.exists()


def test_the_form_sent_twice_is_one_gift(house: House) -> None:
    client = staff_who_may("record_offlinegift", "view_offlinegift")
    page = client.get(reverse(ADD)).content.decode()
    hidden = dict(re.findall(r'name="(csrfmiddlewaretoken|key)" value="([^"]+)"', page))
    for _ in range(2):
        client.post(reverse(ADD), hidden | a_cheque())
    assert Payment.objects.count() == 1
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"amount": "1,000"}, "Write it in digits"),
        ({"amount": "0"}, "more than nothing"),
        ({"amount": "-5"}, "more than nothing"),
        ({"amount": "5.005"}, "no more than 2 decimals"),
        ({"email": "nobody"}, "e-mail address"),
        ({"received_on": "2999-01-01"}, "has not come yet"),
        ({"currency": "XXX"}, "valid choice"),
        ({"name": "4242424242424242"}, "without special characters"),
    ],
)
def test_what_cannot_be_is_said_beside_the_field(house: House, wrong: dict[str, str], said: str) -> None:
    client = staff_who_may("record_offlinegift", "view_offlinegift")
    answer = sent(client, reverse(ADD), **a_cheque(**wrong))
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Payment.objects.exists()


def test_a_giver_without_an_address_is_booked_and_makes_no_member(house: House) -> None:
    gift = entered(email="", name="Ada Sample")
    contribution = gift.payment.contribution
    assert (contribution.member, contribution.name) == (None, "Ada Sample")
    assert Payment.objects.get().receipt_number
    assert not Message.objects.exists()


def test_a_gift_that_was_entered_by_mistake_is_voided_with_a_reason(house: House, settings: Any) -> None:
    settings.ONE_OFF_MEMBERSHIP_MONTHS = 12
    gift = entered()
    number = Payment.objects.get().receipt_number
    client = staff_who_may("void_offlinegift", "view_offlinegift")
    page = client.get(reverse("admin:donations_offlinegift_change", args=[gift.pk])).content.decode()
    url = reverse("admin:donations_offlinegift_void", args=[gift.pk])
    assert url in page

    answer = sent(client, url, reason="It was meant for another newsroom.")

    assert answer.status_code == 302
    gift.refresh_from_db()
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt_number) == ("VOIDED", number)
    assert rebuilding.compare().agrees
    told = JournalEntry.objects.filter(payment=payment)
    assert sorted(told.values_list("amount_minor", "stands")) == [(-5000, False), (5000, False)]
    assert gift.void_reason == "It was meant for another newsroom."
    assert queries.get_offline_books() == {}
    assert queries.get_contribution(payment.contribution.public_id).status == "refunded"
    assert Message.objects.get().state == "FAILED", "the receipt is not sent any more"
    ada = members.get_member("ada@example.org")
    assert ada is not None
    assert members.get_current_membership(ada, clock.now()) is None
    house.work()
    assert Message.objects.count() == 1, "nobody is told of a membership that never was"
    again = sent(client, url, reason="Once more.")
    assert again.status_code == 302
    gift.refresh_from_db()
    assert gift.void_reason == "It was meant for another newsroom."


def test_one_of_two_gifts_is_voided_and_the_other_goes_on_making_a_member(
    house: House, settings: Any
) -> None:
    settings.ONE_OFF_MEMBERSHIP_MONTHS = 12
    _, second = entered(), entered()
    offline.void_offline_gift(second, reason="Twice.", actor="staff:1", now=clock.now())
    ada = members.get_member("ada@example.org")
    assert ada is not None
    membership = members.get_current_membership(ada, clock.now())
    assert membership is not None
    assert membership.paid_through is not None
    assert membership.paid_through < clock.now() + timedelta(days=367)


def test_who_may_not_cannot(house: House) -> None:
    gift = entered()
    client = staff_who_may("view_offlinegift")
    assert client.get(reverse(ADD)).status_code == 403
    assert client.get(reverse("admin:donations_offlinegift_void", args=[gift.pk])).status_code == 403
    page = client.get(reverse("admin:donations_offlinegift_change", args=[gift.pk])).content.decode()
    assert "Void this gift" not in page
    stranger = Client().get(reverse(ADD))
    assert stranger.status_code == 302
    assert "/login/" in stranger["Location"]


def test_a_gift_by_transfer_beside_one_by_card_is_no_second_charge(house: House) -> None:
    entered()
    house.give_and_pay(email="ada@example.org", currency="EUR", amount=1000)
    assert doubles.notice_due(now=clock.now()) == 0
    assert not Message.objects.filter(kind="second_charge").exists()


def test_the_day_is_the_newsrooms_and_never_later_than_now(settings: Any) -> None:
    settings.NEWSROOM_TIME_ZONE = "Pacific/Auckland"
    now = clock.now().replace(year=2026, month=11, day=24, hour=3)
    moment = offline.moment_of(date(2026, 11, 20), now=now)
    assert offline.day_of(moment) == date(2026, 11, 20)
    assert offline.moment_of(date(2026, 11, 25), now=now) == now


def test_the_list_costs_the_same_for_many(house: House, django_assert_max_num_queries: Any) -> None:
    for _ in range(5):
        entered()
    client = staff_who_may("view_offlinegift")
    with django_assert_max_num_queries(10):
        assert client.get(reverse("admin:donations_offlinegift_changelist")).status_code == 200


def test_another_origin_is_only_of_what_was_entered(house: House) -> None:
    entered()
    factories.a_campaign("another")
    assert [row.origin for row in Contribution.objects.all()] == ["STAFF"]
