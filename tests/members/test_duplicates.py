"""Readers who may be one person are suggested; staff look, merge, undo, or say that they are two (A8)."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from donations import doubles, tasks
from donations.models import ChargeTrace
from members import clock, duplicates
from members import queries as members
from members.models import Mark, Member, Merge, TwoPeople
from tests.donations.strangers import OtherSoftware
from tests.house import House, session_of

pytestmark = pytest.mark.django_db


def pay(house: House, email: str, card: str, name: str = "") -> None:
    answer = house.begin(email=email, **({"name": name} if name else {}))
    house.stripe.pay(session_of(answer), card=card)
    house.catch_up()


def staff(*, may_merge: bool = True) -> Client:
    user = User.objects.create_user("grace", is_staff=True)
    names = ["view_merge", "reveal_member", *(["merge_member"] if may_merge else [])]
    for name in names:
        user.user_permissions.add(Permission.objects.get(content_type__app_label="members", codename=name))
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    return client


def press(client: Client, url: str, **given: str) -> Any:
    page = client.get(url)
    assert page.status_code == 200, page.content
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.content.decode())
    assert token
    return client.post(url, {"csrfmiddlewaretoken": token[1]} | given)


def decide_url(one: Member, other: Member) -> str:
    return reverse("admin:members_merge_decide", args=[one.public_id, other.public_id])


def the(email: str) -> Member:
    found = members.get_member(email)
    assert found is not None
    return found


def alike(count: int = 2, *, kind: str = "CARD", value: str = "k:1") -> list[Member]:
    now = clock.now()
    found = []
    for number in range(count):
        found.append(
            Member.objects.create(
                email=f"{value}{number}@example.org".replace(":", ""),
                email_hash=f"{value}{number}",
                locale="en",
                joined_at=now + timedelta(seconds=number),
            )
        )
    duplicates.note([(member.pk, kind, value) for member in found])
    return found


def test_two_members_with_one_card_are_suggested_and_merged_and_parted_again(house: House) -> None:
    pay(house, "ada@example.org", "4242424242424242")
    pay(house, "ada.sample@example.org", "4242424242424242")
    pay(house, "eve@example.org", "5555555555554444")
    tasks.purge_payloads()
    first, second = the("ada@example.org"), the("ada.sample@example.org")
    assert [(one.first, one.second, one.kinds) for one in duplicates.suggest()] == [
        (first, second, ("CARD",))
    ]

    client = staff()
    page = client.get(reverse("admin:members_merge_add")).content.decode()
    assert decide_url(first, second) in page
    assert "the same card" in page
    assert "ada@example.org" not in page, "the list opens no address"
    look = client.get(decide_url(first, second)).content.decode()
    assert "Contributions" in look
    assert "ada.sample@example.org" not in look, "nor does the page that asks"
    press(client, reverse("admin:reveal", args=["members.member", second.pk]), why="To compare them.")
    look = client.get(decide_url(first, second)).content.decode()
    assert "ada.sample@example.org" in look
    assert "ada@example.org" not in look, "one record at a time"

    answer = press(client, decide_url(first, second), why="She wrote to us.", one="1")

    merge = Merge.objects.get()
    assert answer["Location"] == reverse("admin:members_merge_change", args=[merge.pk])
    assert (merge.kept, merge.duplicate, merge.why) == (first, second, "She wrote to us.")
    assert the("ada.sample@example.org").merged_into == first
    assert duplicates.suggest() == []

    undo = reverse("admin:members_merge_undo", args=[merge.pk])
    assert undo in client.get(answer["Location"]).content.decode()
    press(client, undo)
    assert the("ada.sample@example.org").merged_into is None
    assert undo not in client.get(answer["Location"]).content.decode()
    assert len(duplicates.suggest()) == 1


def test_two_people_are_not_suggested_again() -> None:
    first, second = alike()
    client = staff()
    press(client, decide_url(first, second), why="A couple.", two="1")
    assert TwoPeople.objects.get().why == "A couple."
    assert duplicates.suggest() == []
    assert not Merge.objects.exists()


def test_a_reason_is_needed() -> None:
    first, second = alike()
    answer = press(staff(), decide_url(first, second), why=" ", one="1")
    assert answer.status_code == 422
    assert not Merge.objects.exists()


def test_two_that_nobody_suggested_are_found_by_their_addresses(house: House) -> None:
    pay(house, "ada@example.org", "4242424242424242")
    pay(house, "eve@example.org", "5555555555554444")
    add = reverse("admin:members_merge_add")
    client = staff()
    answer = press(client, add, first="ADA@example.org", second="eve@example.org")
    assert answer["Location"] == decide_url(the("ada@example.org"), the("eve@example.org"))
    assert press(client, add, first="nobody@example.org", second="eve@example.org").status_code == 422


def test_a_name_with_a_postcode_is_known_however_it_is_written() -> None:
    one = duplicates.place_of("Ada  Sample", "sw1a 1aa")
    assert one == duplicates.place_of(" ADA SAMPLE", "SW1A-1AA")
    assert duplicates.place_of("Ada Sample", "") == duplicates.place_of("", "SW1A 1AA") == ""
    assert one != duplicates.place_of("Ada Sample", "SW1A 1AB")


def test_the_postcode_comes_from_the_charge_and_only_its_hash_is_kept(house: House, settings: Any) -> None:

    other = OtherSoftware(settings.STRIPE_API_BASE)
    house.stripe.deliver("drop")
    for email, card, name in (
        ("ada@example.org", "4242424242424242", "Ada Sample"),
        ("ada.sample@example.org", "5555555555554444", "ADA SAMPLE"),
    ):
        method = other.stripe.v1.payment_methods.create(
            {
                "type": "card",
                "card": {"number": card, "exp_month": 12, "exp_year": 2035, "cvc": "123"},
                "billing_details": {"email": email, "name": name, "address": {"postal_code": "10115"}},
            }
        ).id
        other.charge(payment_method=method, receipt_email=email)
    call_command("import_stripe", "--campaign", "support-us", stdout=StringIO())
    [suggestion] = duplicates.suggest()
    assert suggestion.kinds == ("PLACE",)
    assert not Mark.objects.filter(value__contains="10115").exists()
    assert ChargeTrace.objects.exclude(place_hash="").count() == 2


def test_a_card_that_many_pay_with_suggests_nothing() -> None:
    alike(duplicates.MOST_PEOPLE)
    assert len(duplicates.suggest()) == 10
    alike(duplicates.MOST_PEOPLE + 1, value="k:2")
    assert len(duplicates.suggest()) == 10


def test_marks_are_told_once_and_traces_may_go_then(house: House) -> None:
    pay(house, "ada@example.org", "4242424242424242")
    assert doubles.note_marks() == 1
    assert doubles.note_marks() == 0
    doubles.forget_traces(now=clock.now() + timedelta(days=60))
    assert not ChargeTrace.objects.exists()
    assert Mark.objects.count() == 1


def test_suggestions_cost_the_same_for_any_number(django_assert_num_queries: Any) -> None:
    for number in range(12):
        alike(value=f"k:{number + 10}")
    with django_assert_num_queries(4):
        assert len(duplicates.suggest()) == 12


def test_who_may_not_merge_sees_nobody() -> None:
    first, second = alike()
    client = staff(may_merge=False)
    for url in (reverse("admin:members_merge_add"), decide_url(first, second)):
        assert client.get(url).status_code == 403
    assert client.get(reverse("admin:members_merge_changelist")).status_code == 200
