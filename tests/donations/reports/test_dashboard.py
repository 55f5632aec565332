"""The dashboard: for whom, what it shows, and that a browser draws it under the strict security policy."""

from __future__ import annotations

import random
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from donations import leavings, wishes
from donations.models import Contribution, Payment, Subscription
from donations.money import Money
from donations.reports import charts
from donations.reports.charts import Series
from members import clock
from tests.browser import CHROMIUM, Browser

PAGE = "/admin/reports/"


def editor(*rights: str) -> Client:
    user = User.objects.create(username="editor", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


def some_months(house, months: int, seed: int = 1, readers: int = 2) -> None:
    """Readers give once or regularly, and some gifts go back; the same each time."""
    chance = random.Random(seed)
    number = 0
    for month in range(months):
        for _ in range(readers + month % 2):
            number += 1
            interval = chance.choice(["once", "month", "month", "year"])
            amount = chance.choice([500, 1000, 2500]) * (10 if interval == "year" else 1)
            house.give_and_pay(
                amount=amount, interval=interval, email=f"reader{number}@example.org",
                cover_fees=chance.random() < 0.3,
            )  # fmt: skip
        if month and month % 3 == 0:
            payment = Payment.objects.filter(state="SUCCEEDED", refunded_minor=0).order_by("pk").first()
            house.stripe.refund(payment.stripe_charge_id)
        house.advance(days=30)


def test_it_is_for_staff_with_the_right(db):
    assert Client().get(PAGE).status_code == 302  # to the sign-in
    assert editor("view_payment").get(PAGE).status_code == 403


def test_an_empty_house_has_a_dashboard_too(db):
    page = editor("view_reports").get(PAGE)

    assert page.status_code == 200
    assert "–" in page.content.decode()


@pytest.mark.parametrize(
    "params", [{"month": "soon"}, {"month": "9999-12"}, {"month": "0001-01"}, {"currency": "XXX"}]
)
def test_nonsense_shows_the_dashboard_all_the_same(db, params):
    assert editor("view_reports").get(PAGE, params).status_code == 200


def test_its_figures_are_those_of_the_books(house):
    some_months(house, 2)
    page = editor("view_reports").get(PAGE).content.decode()

    total = sum(Payment.objects.filter(state="SUCCEEDED").values_list("amount_minor", flat=True))
    told = [
        int(cents.replace(",", "").replace(".", ""))
        for cents in re.findall(r"(?:Once|Monthly|Yearly): \$([\d,.]+)", page)
    ]
    assert sum(told) == total
    active = Subscription.objects.filter(state__in=["ACTIVE", "PAST_DUE"]).count()
    assert f'Recurring donors</th><td class="number">{active}<' in page
    assert "style=" not in page.split('id="content-main"')[1].split('id="footer"')[0]


def test_what_readers_changed_and_who_stayed_is_told(house):
    house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    house.give_and_pay(interval="month", amount=900, email="hedy@example.org")
    grace, hedy = Contribution.objects.select_related("campaign").order_by("amount_minor")
    house.stripe.advance(timedelta(days=1))
    wishes.change_terms(grace, amount=Money(800, "USD"), by=wishes.READER, now=clock.now())
    leavings.begin(hedy, leavings.Offers(lower=True, pause=True), now=clock.now())
    wishes.pause(hedy, payments=1, by=wishes.READER, now=clock.now())
    house.catch_up()

    page = editor("view_reports").get(PAGE).content.decode()

    def told(name: str) -> str:
        return page.split(f'{name}</th><td class="number">')[1].split("<")[0]

    assert told("Upgrades") == "1 ($3.00)"
    assert told("Downgrades") == "0 ($0.00)"
    assert told("Stayed, of those who set out to stop") == "100.0 % (1 of 1)"
    assert told("For the first time") == "2"
    assert told("Known here, never gave") == "0"


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("browser")
def test_a_browser_draws_it_and_the_policy_has_nothing_to_object(house, live_server, tmp_path):
    some_months(house, 1)
    client = editor("view_reports")
    with Browser(tmp_path / "profile") as browser:
        browser.ask(
            "Network.setCookie",
            name="sessionid",
            value=client.cookies["sessionid"].value,
            url=live_server.url,
        )
        browser.open(f"{live_server.url}{PAGE}")

        assert browser.run("document.querySelectorAll('figure.report svg rect.bar').length") > 3
        assert browser.run("document.querySelectorAll('figure.report table').length") == 4
        assert browser.complaints == []


def test_bars_stand_on_zero_and_reach_both_ways():
    chart = charts.bars(
        "t",
        "a",
        ["Jan", "Feb"],
        [Series("up", [30, 0]), Series("more", [10, 5]), Series("down", [0, -20])],
        str,
    )

    first, above, lone, below = sorted(chart.bars, key=lambda bar: (bar.x, bar.series))
    assert first.y + first.height == pytest.approx(chart.zero)
    assert above.y + above.height == pytest.approx(first.y)
    assert lone.y + lone.height == pytest.approx(chart.zero)
    assert below.y == pytest.approx(chart.zero)
    assert chart.rows == (("Jan", ("30", "10", "0")), ("Feb", ("0", "5", "-20")))
