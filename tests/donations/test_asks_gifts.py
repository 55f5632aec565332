"""A gift says in which way it was asked for, and whether its giver was to be asked at all."""

from __future__ import annotations

import pytest

from donations.ledger import copies
from donations.models import AskTest, AskVariant, Campaign, Contribution
from tests import factories


@pytest.fixture
def variant(house) -> AskVariant:
    test = AskTest.objects.create(
        campaign=Campaign.objects.get(), slug="words", seed="s", starts_at=factories.LONG_AGO
    )
    return AskVariant.objects.create(test=test, slug="warm")


def test_the_variant_of_a_gift_is_kept_beside_it(house, variant):
    house.give_and_pay(source={"variant": "words:warm", "component": "widget-bar"})
    gift = Contribution.objects.get()

    assert gift.variant == variant
    assert gift.source == {"component": "widget-bar"}
    assert list(Contribution.objects.values_list("variant__test__slug", "variant__slug")) == [
        ("words", "warm")
    ]


@pytest.mark.parametrize(
    "named", ["words:cold", "other:warm", "warm", "words", ":", "", "words:warm:x", "x" * 200, "слова:тепло"]
)
def test_a_variant_that_the_campaign_does_not_have_is_dropped_and_the_gift_taken(house, variant, named):
    house.begin(source={"variant": named, "utm_source": "letter"})
    gift = Contribution.objects.get()

    assert gift.variant is None
    assert gift.source == {"utm_source": "letter"}


def test_another_campaigns_variant_is_not_this_ones(house, variant):
    factories.a_campaign("another")
    house.begin(campaign="another", source={"variant": "words:warm"})

    assert Contribution.objects.get().variant is None


def test_a_gift_without_a_variant_costs_nothing_more(house, variant, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        house.begin()


def test_the_same_request_again_is_the_same_gift_whatever_its_variant(house, variant):
    first = house.begin(key="k", source={"variant": "words:warm"})

    assert house.begin(key="k", source={"variant": "words:warm"}) == first
    assert house.give(key="k", source={"variant": "words:cold"}).status_code == 409


def test_a_copy_of_a_page_has_the_pages_variant(house, variant):
    Campaign.objects.update(hold_out_percent=100)
    house.give_and_pay(source={"variant": "words:warm"}, interval="month", amount=500)
    copy = copies.make_copy(Contribution.objects.get())

    assert (copy.variant, copy.was_held_out) == (variant, True)


def test_who_was_held_out_and_gives_all_the_same_is_counted_as_such(house, reader):
    house.begin()
    Campaign.objects.update(hold_out_percent=100)
    house.begin()
    Campaign.objects.update(hold_out_percent=1)
    house.begin()

    found = Contribution.objects.order_by("pk").values_list("was_held_out", flat=True)
    assert list(found) == [None, True, False]


def test_a_gift_on_our_own_page_tells_as_well_whether_its_giver_was_held_out(house, api):
    Campaign.objects.update(hold_out_percent=100)
    form = {"currency": "USD", "interval": "once", "amount_USD_once": "2500", "email": "ada@example.org"}
    assert api.post("/support/support-us/", form).status_code == 303

    assert Contribution.objects.get().was_held_out is True


def test_a_variant_from_which_gifts_came_cannot_be_taken_away(house, variant, admin_client):
    house.begin(source={"variant": "words:warm"})
    admin_client.post(f"/admin/donations/asktest/{variant.test_id}/delete/", {"post": "yes"})

    assert AskVariant.objects.filter(pk=variant.pk).exists()
    assert Contribution.objects.get().variant == variant
