"""A reader who covers the fee gives the newsroom the whole gift, and not a cent more than that takes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from donations import currencies
from donations.fees import FeeRate, cover, parse_rates, rate_for
from donations.money import Money
from tests.donations.test_money import codes, examples

USUAL = FeeRate(basis_points=290, fixed_minor=30)

rates = st.builds(FeeRate, st.integers(0, 9_999), st.integers(0, 100_000))


def _left_over(gross: Money, rate: FeeRate) -> Money:
    """What the newsroom keeps, worked out from the definition rather than by the module's own `fee`."""
    share, rest = divmod(gross.minor * rate.basis_points, 10_000)
    return Money(gross.minor - share - (1 if rest >= 5_000 else 0) - rate.fixed_minor, gross.currency)


@pytest.mark.parametrize(
    ("base", "rate", "gross"),
    [
        (Money(200, "USD"), USUAL, Money(237, "USD")),
        (Money(20_400, "USD"), USUAL, Money(21_040, "USD")),  # rounding the formula up would ask 210.41
        (Money(1000, "USD"), FeeRate(0, 0), Money(1000, "USD")),
        (Money(1000, "USD"), FeeRate(0, 30), Money(1030, "USD")),
        (Money(1000, "JPY"), FeeRate(360, 0), Money(1037, "JPY")),
        (Money(500, "ISK"), FeeRate(290, 0), Money(600, "ISK")),  # whole krónur only
        (Money(5_120, "KWD"), FeeRate(290, 0), Money(5_280, "KWD")),  # thousandths end in a zero
    ],
)
def test_the_fee_is_covered_by_the_smallest_charge_that_does(
    base: Money, rate: FeeRate, gross: Money
) -> None:
    assert base + cover(base, rate) == gross


@examples
@given(codes, st.integers(1, 10**12), rates)
@example("USD", 1, FeeRate(9_999, 0))
@example("UGX", 100, FeeRate(0, 0))
def test_the_whole_gift_is_left_and_one_step_less_would_not_do(
    currency: str, minor: int, rate: FeeRate
) -> None:
    base = Money(minor, currency)
    step = currencies.get(currency).step_minor

    gross = base + cover(base, rate)

    assert gross.minor % step == 0
    assert gross >= base
    assert _left_over(gross, rate) >= base
    assert gross - rate.fee(gross) == _left_over(gross, rate)
    assert _left_over(gross - Money(step, currency), rate) < base


@examples
@given(st.integers(1, 10**6), rates)
def test_a_larger_gift_never_costs_less(minor: int, rate: FeeRate) -> None:
    one, more = Money(minor, "USD"), Money(minor + 1, "USD")

    assert one + cover(one, rate) <= more + cover(more, rate)


@pytest.mark.parametrize("minor", [0, -1, -500])
def test_nothing_given_has_no_fee_to_cover(minor: int) -> None:
    with pytest.raises(ValueError, match="only a positive gift"):
        cover(Money(minor, "USD"), USUAL)


@pytest.mark.parametrize(("basis_points", "fixed"), [(-1, 0), (10_000, 0), (290, -1)])
def test_a_rate_that_nobody_could_pay_is_refused(basis_points: int, fixed: int) -> None:
    with pytest.raises(ValueError, match="fee"):
        FeeRate(basis_points, fixed)


@pytest.mark.parametrize(("basis_points", "fixed"), [(2.9, 30), (290, 0.3), (True, 30), ("290", 30)])
def test_a_rate_is_made_of_whole_numbers(basis_points: object, fixed: object) -> None:
    with pytest.raises(TypeError, match="ints"):
        FeeRate(basis_points, fixed)  # type: ignore[arg-type]  # the point of the test


# The setting


def test_the_setting_names_a_rate_for_each_currency_and_one_for_the_rest() -> None:
    rates = parse_rates("USD:2.9%+30, EUR:1.5%+25,GBP:1.25%+20,JPY:3%,*:2.9%")

    assert rate_for(rates, "USD") == FeeRate(290, 30)
    assert rate_for(rates, "EUR") == FeeRate(150, 25)
    assert rate_for(rates, "GBP") == FeeRate(125, 20)
    assert rate_for(rates, "JPY") == FeeRate(300, 0)
    assert rate_for(rates, "KWD") == FeeRate(290, 0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not a fee rate; write one like"),
        ("USD", "is not a fee rate"),
        ("USD:2.9", "is not a fee rate"),
        ("USD:2,9%+30,*:0%", "is not a fee rate"),
        ("USD:2.905%,*:0%", "is not a fee rate"),
        ("USD:100%,*:0%", "is not a fee rate"),
        ("USD:2.9%+0.30,*:0%", "is not a fee rate"),
        ("USD:-2.9%,*:0%", "is not a fee rate"),
        ("USD:٢.٩%,*:0%", "is not a fee rate"),
        ("USD:2.9%+30,,*:0%", "is not a fee rate"),
        ("usd:2.9%+30,*:0%", "'usd' is not a currency that Stripe charges in"),
        ("USD:2.9%,USD:3%,*:0%", "USD has two fee rates"),
        ("*:2.9%+30", r"The rate for \* has no fixed part"),
        ("USD:2.9%+30", "Add a fee rate for every other currency"),
    ],
)
def test_a_wrong_setting_is_answered_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refusal:
        parse_rates(text)

    assert str(refusal.value).endswith(".")


@examples
@given(rate=rates)
def test_a_rate_written_as_a_setting_reads_back_the_same(rate: FeeRate) -> None:
    text = f"USD:{rate.basis_points // 100}.{rate.basis_points % 100:02}%+{rate.fixed_minor},*:0%"

    assert parse_rates(text)["USD"] == rate
