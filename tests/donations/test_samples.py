"""What `load_sample` and `books` do for whoever tries the house out."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from donations import currencies, queries
from donations.models import Ask, Campaign
from donations.money import Money
from members.models import Tier, TierThreshold


def test_the_sample_is_there_once_however_often_it_is_loaded(db, capsys):
    call_command("load_sample")
    began = Campaign.objects.get(slug="support-us").starts_at
    counts = [model.objects.count() for model in (Campaign, Ask, Tier, TierThreshold)]
    call_command("load_sample")

    assert [model.objects.count() for model in (Campaign, Ask, Tier, TierThreshold)] == counts
    assert Campaign.objects.get(slug="support-us").starts_at == began
    assert {campaign.locale for campaign in Campaign.objects.all()} == {"en", "ru"}


def test_each_sample_says_that_it_is_one(db):
    call_command("load_sample", verbosity=0)

    for campaign in Campaign.objects.all():
        assert "sample" in campaign.message or "образец" in campaign.message
        assert "sample" in campaign.thank_you or "образец" in campaign.thank_you


def test_every_kind_of_currency_can_be_tried_and_each_amount_be_charged(db):
    call_command("load_sample", verbosity=0)

    asks = list(Ask.objects.all())
    assert {currencies.get(ask.currency).exponent for ask in asks} == {0, 2, 3}
    assert any(currencies.get(ask.currency).step_minor == 100 for ask in asks)
    for ask in asks:
        ask.full_clean()
        for minor in (ask.minimum_minor, *ask.suggested):
            Money(minor, ask.currency).check_chargeable()
    monthly = Ask.objects.get(campaign__slug="support-us", currency="USD", interval="month")
    assert monthly.minimum == Money(200, "USD")


def test_a_higher_tier_asks_for_more_in_each_currency(db):
    call_command("load_sample", verbosity=0)

    for currency in ("USD", "EUR", "GBP", "JPY", "KWD", "UGX"):
        thresholds = TierThreshold.objects.filter(currency=currency).order_by("tier__position")
        amounts = [threshold.minimum_annual_minor for threshold in thresholds]
        assert len(amounts) == 3
        assert amounts == sorted(set(amounts))


def test_a_changed_sample_is_mended(db):
    call_command("load_sample", verbosity=0)
    Campaign.objects.update(title="Oops", is_published=False)

    call_command("load_sample", verbosity=0)

    assert not Campaign.objects.filter(title="Oops").exists()
    assert queries.get_campaign("support-us").title


def test_the_sample_member_of_staff_can_sign_in(db):
    for _ in range(2):
        call_command("load_sample", staff=True, password="sample-password", verbosity=0)

    admin = authenticate(username="admin", password="sample-password")
    assert admin is not None
    assert admin.is_staff


def test_no_sample_member_of_staff_in_production_or_without_a_password(db, settings):
    with pytest.raises(CommandError, match="--password"):
        call_command("load_sample", staff=True)
    settings.DEV_PAGES = False
    with pytest.raises(CommandError, match="createsuperuser"):
        call_command("load_sample", staff=True, password="sample-password")
    assert not Campaign.objects.exists(), "nothing is half loaded"


def test_the_books_are_a_table_for_people_and_json_for_programs(house, capsys):
    call_command("books")
    assert capsys.readouterr().out == "The books are empty.\n"
    house.give_and_pay(interval="once", amount=2500)
    house.give_and_pay(interval="month", amount=1000, currency="KWD")

    call_command("books")
    table = capsys.readouterr().out.splitlines()
    call_command("books", as_json=True)
    books = json.loads(capsys.readouterr().out)

    assert books == queries.get_books() == house.stripe.books()
    assert [line.split()[0] for line in table] == ["charges", "KWD", "USD"]
    assert "$25.00 (1)" in table[2]
    assert "$23.97" in table[2]
