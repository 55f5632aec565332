"""Lots are even, steady and independent of each other, and nothing of whoever draws one is kept."""

from __future__ import annotations

from math import comb

import pytest

from donations import lots, methods, regions
from donations.intervals import Interval
from donations.models import Campaign
from tests.test_personal_data import everything_in_the_database

VISITORS = [
    lots.Visitor(f"10.{n // 250}.{n % 250}.0/24", f"Mozilla/5.0 (X11; {n % 7}) Gecko/{n % 31}")
    for n in range(1000)
]


def likely(n: int, numerator: int, denominator: int) -> range:
    """The counts that all but one in a million fair draws of n with this probability stay within; exact."""
    other, total, rare = denominator - numerator, denominator**n, 2_000_000
    below, low = 0, 0
    while (below + comb(n, low) * numerator**low * other ** (n - low)) * rare < total:
        below += comb(n, low) * numerator**low * other ** (n - low)
        low += 1
    above, high = 0, n
    while (above + comb(n, high) * numerator**high * other ** (n - high)) * rare < total:
        above += comb(n, high) * numerator**high * other ** (n - high)
        high -= 1
    return range(low, high + 1)


def test_the_bounds_are_those_of_fair_coins():
    assert likely(1, 1, 2) == range(2)
    bounds = likely(1000, 1, 2)
    assert (bounds.start + bounds.stop - 1, 420 < bounds.start < 424) == (1000, True)


@pytest.mark.parametrize("shares", [[1, 1], [1, 2, 1], [5, 95], [1, 1, 1, 1, 1]])
def test_each_share_gets_its_part_of_the_readers(shares):
    drawn = [lots.draw("a seed", visitor, shares) for visitor in VISITORS]

    for index, share in enumerate(shares):
        assert drawn.count(index) in likely(len(VISITORS), share, sum(shares)), shares


@pytest.mark.parametrize("percent", [0, 1, 10, 50, 100])
def test_a_hold_out_holds_its_share_out(percent):
    held = sum(lots.is_held_out("support-us", percent, visitor) for visitor in VISITORS)

    assert held in (likely(len(VISITORS), percent, 100) if 0 < percent < 100 else [10 * percent])


def test_a_lot_is_the_same_each_time_and_another_with_another_seed():
    first = [lots.draw("a seed", visitor, [1, 1]) for visitor in VISITORS]

    assert first == [lots.draw("a seed", visitor, [1, 1]) for visitor in reversed(VISITORS)][::-1]
    assert first != [lots.draw("another seed", visitor, [1, 1]) for visitor in VISITORS]


@pytest.mark.parametrize("other", ["another seed", "hold-out:support-us", "a seed "])
def test_two_tests_draw_independently(other):
    both = [(lots.draw("a seed", one, [1, 1]), lots.draw(other, one, [1, 1])) for one in VISITORS]

    for pair in ((0, 0), (0, 1), (1, 0), (1, 1)):
        assert both.count(pair) in likely(len(VISITORS), 1, 4)


def test_a_weight_of_nothing_gets_nobody_and_no_weight_at_all_means_no_lot():
    assert {lots.draw("a seed", visitor, [0, 1, 0]) for visitor in VISITORS} == {1}
    assert lots.draw("a seed", VISITORS[0], [0, 0]) is None
    assert lots.draw("a seed", VISITORS[0], []) is None


def test_a_reader_is_known_by_network_and_browser_alone(rf, settings):
    settings.TRUSTED_PROXIES = 1

    def visitor(address: str, browser: str = "B") -> lots.Visitor:
        headers = {"X-Forwarded-For": address, "User-Agent": browser, "Cookie": "a=b"}
        return lots.visitor_of(rf.get("/", headers=headers))

    assert visitor("192.0.2.7") == visitor("192.0.2.200")
    assert visitor("2001:db8:0:12ff::1") == visitor("2001:db8:0:1200::2")
    assert visitor("192.0.2.7") != visitor("198.51.100.7")
    assert visitor("192.0.2.7") != visitor("192.0.2.7", "C")
    assert "192.0.2" not in repr(visitor("192.0.2.7", "Secret Browser")) + str(visitor("192.0.2.7"))
    assert "Secret" not in repr(visitor("192.0.2.7", "Secret Browser"))


@pytest.mark.parametrize("browser", ["", "x" * 100_000, "\udcff\x00", "Браузер"])
def test_no_name_of_a_browser_breaks_a_lot(browser):
    assert lots.draw("a seed", lots.Visitor("10.0.0.0/24", browser), [1, 1]) in (0, 1)


def test_neither_address_nor_browser_lie_anywhere_after_an_appeal_and_a_gift(house, settings, caplog):
    settings.TRUSTED_PROXIES = 1
    house.api.defaults |= {"HTTP_X_FORWARDED_FOR": "198.51.100.77", "HTTP_USER_AGENT": "Peculiar Browser 9"}
    Campaign.objects.update(hold_out_percent=50)
    house.api.get("/api/v1/campaigns/support-us/")
    house.give_and_pay()

    traces = (b"198.51.100", b"peculiar")
    assert not [
        where for where, value in everything_in_the_database() if any(one in value.lower() for one in traces)
    ]
    assert not any(one.decode() in caplog.text.lower() for one in traces)


# --- The tables beside them -------------------------------------------------------------------------


def test_regions_are_made_of_countries_and_continents_do_not_overlap():
    continents = [codes for key, (_, codes) in regions.REGIONS.items() if key != "EU"]

    assert sum(map(len, continents)) == len(frozenset().union(*continents)) > 230
    assert len(regions.REGIONS["EU"][1]) == 27
    assert regions.REGIONS["EU"][1] <= regions.REGIONS["EUROPE"][1] | regions.REGIONS["ASIA"][1]
    assert all(regions.is_country(code) for codes in continents for code in codes)
    assert not any(regions.is_country(code) for code in ("XX", "T1", "EU", "", "nl"))


def test_people_pay_with_what_their_country_has():
    countries = ("NL", "US", "JP", "CH", "GB", "XX")
    assert [regions.currency_of(code) for code in countries] == ["EUR", "USD", "JPY", "CHF", "GBP", ""]


def test_no_icon_promises_what_a_subscription_cannot_be_paid_with():
    everything = list(methods.METHODS)
    once = methods.offered(everything, currency="EUR", interval=Interval.ONCE)
    monthly = methods.offered(everything, currency="EUR", interval=Interval.MONTH)

    assert set(once) - set(monthly) == {"bancontact", "eps", "ideal", "p24"}
    assert {"sepa_debit", "visa", "paypal"} <= set(monthly)
    assert "sepa_debit" not in methods.offered(everything, currency="USD", interval=Interval.ONCE)
    assert methods.offered(["<b>"], currency="EUR", interval=Interval.ONCE) == []
