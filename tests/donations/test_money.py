"""Money is exact, keeps its currency, and reads the way people write it."""

from __future__ import annotations

import ast
import doctest
import operator
import pickle
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from donations import currencies, fees, intervals, money
from donations.currencies import UnknownCurrency
from donations.intervals import Interval
from donations.money import (
    AboveMaximum,
    AmountRefused,
    BelowMinimum,
    CurrencyMismatch,
    Money,
    NotChargeable,
)

PURE_MODULES = [currencies, fees, intervals, money]

# A slow machine is not a wrong answer, and the same examples on every run need no store.
examples = settings(
    deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)

codes = st.sampled_from(sorted(currencies.CURRENCIES))
# As wide as what `Money.parse` reads in every currency.
amounts = st.builds(Money, st.integers(-(10**15 - 1), 10**15 - 1), codes)


# The rules of each currency


@pytest.mark.parametrize(
    ("code", "exponent", "step"),
    [
        ("USD", 2, 1),
        ("JPY", 0, 1),
        ("KWD", 3, 10),
        ("BHD", 3, 10),
        ("MGA", 0, 1),  # ISO and CLDR speak of fifths; Stripe charges whole ariary
        ("ISK", 2, 100),  # ISO and CLDR say no decimals; Stripe wants two zeros
        ("UGX", 2, 100),
        ("HUF", 2, 1),  # whole forints are a rule for payouts, not for charges
        ("TWD", 2, 1),
        ("RWF", 0, 1),
        ("XCG", 2, 1),
    ],
)
def test_a_currency_has_the_decimals_that_stripe_counts(code: str, exponent: int, step: int) -> None:
    rules = currencies.get(code)

    assert (rules.exponent, rules.step_minor) == (exponent, step)


@pytest.mark.parametrize(
    ("code", "minimum"), [("USD", 50), ("GBP", 30), ("HUF", 17500), ("JPY", 50), ("UGX", 100), ("KWD", 10)]
)
def test_the_least_gift_is_stripes_minimum_or_one_step(code: str, minimum: int) -> None:
    assert currencies.get(code).minimum_minor == minimum


def test_all_of_stripes_presentment_currencies_are_known_and_each_can_be_charged() -> None:
    assert len(currencies.CURRENCIES) >= 135
    for code, rules in currencies.CURRENCIES.items():
        assert code == rules.code
        assert Money(rules.minimum_minor, code).is_chargeable()
        assert Money(rules.maximum_minor, code).is_chargeable()


@pytest.mark.parametrize("code", ["usd", "USD ", "US", "", "XXX", "BTC", "HRK", "ＵＳＤ", None, 840, ["USD"]])
def test_a_code_that_stripe_does_not_charge_in_is_refused_without_repeating_it(code: object) -> None:
    with pytest.raises(UnknownCurrency) as refusal:
        Money(100, code)  # type: ignore[arg-type]  # what a careless caller could hand over

    assert str(refusal.value) == "Stripe charges in no currency with this code."


# Exact integers and nothing else


@pytest.mark.parametrize("minor", [True, False, 12.5, 12.0, "12", Decimal(12), None])
def test_only_an_int_is_an_amount_of_minor_units(minor: object) -> None:
    with pytest.raises(TypeError, match="minor units are an int"):
        Money(minor, "USD")  # type: ignore[arg-type]  # the point of the test


def test_an_amount_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Money(100, "USD").minor = 200  # type: ignore[misc]  # the point of the test


def test_a_refund_may_take_an_amount_below_zero() -> None:
    assert Money(100, "USD") - Money(250, "USD") == Money(-150, "USD") == -Money(150, "USD")


def test_a_sum_starts_from_nothing_in_its_currency() -> None:
    gifts = [Money(1999, "EUR"), Money(1, "EUR")]

    assert sum(gifts, Money.zero("EUR")) == Money(2000, "EUR")


@pytest.mark.parametrize(
    "mix", [operator.add, operator.sub, operator.lt, operator.le, operator.gt, operator.ge]
)
def test_two_currencies_never_meet_in_one_sum_or_comparison(mix: Callable[[Money, Money], object]) -> None:
    with pytest.raises(CurrencyMismatch):
        mix(Money(100, "USD"), Money(100, "EUR"))


@pytest.mark.parametrize("mix", [operator.add, operator.sub, operator.lt, operator.ge])
def test_a_bare_number_is_not_money(mix: Callable[[object, object], object]) -> None:
    with pytest.raises(TypeError):
        mix(Money(100, "USD"), 1)
    with pytest.raises(TypeError):
        mix(1, Money(100, "USD"))


def test_the_same_number_in_two_currencies_is_not_the_same_amount() -> None:
    assert Money(100, "USD") != Money(100, "EUR")
    assert len({Money(100, "USD"), Money(100, "EUR"), Money(100, "USD")}) == 2


@examples
@given(codes, st.integers(-(10**17), 10**17), st.integers(-(10**17), 10**17))
def test_what_is_added_can_be_taken_away_again_to_the_unit(code: str, one: int, other: int) -> None:
    assert Money(one, code) + Money(other, code) - Money(other, code) == Money(one, code)
    assert (Money(one, code) < Money(other, code)) == (one < other)
    assert (Money(one, code) >= Money(other, code)) == (one >= other)


# What can be charged


@pytest.mark.parametrize(
    ("minor", "currency", "refusal", "limit"),
    [
        (49, "USD", BelowMinimum, 50),
        (0, "USD", BelowMinimum, 50),
        (-500, "USD", BelowMinimum, 50),
        (99, "UGX", BelowMinimum, 100),
        (100_000_000, "USD", AboveMaximum, 99_999_999),
        (99_999_999, "UGX", AboveMaximum, 99_999_900),
        (10**12, "IDR", AboveMaximum, 999_999_999_999),
        (10**10, "COP", AboveMaximum, 9_999_999_999),
        (10**9, "INR", AboveMaximum, 999_999_999),
        (12_345, "UGX", NotChargeable, 100),
        (550, "ISK", NotChargeable, 100),
        (5_125, "KWD", NotChargeable, 10),
    ],
)
def test_an_amount_that_stripe_would_refuse_names_the_limit(
    minor: int, currency: str, refusal: type[AmountRefused], limit: int
) -> None:
    amount = Money(minor, currency)

    with pytest.raises(refusal) as caught:
        amount.check_chargeable()

    assert caught.value.limit == Money(limit, currency)
    assert caught.value.amount == amount
    assert not amount.is_chargeable()


@pytest.mark.parametrize(
    ("minor", "currency"),
    [(50, "USD"), (99_999_999, "USD"), (50, "JPY"), (5_120, "KWD"), (500, "ISK"), (17_501, "HUF")],
)
def test_an_amount_within_the_limits_and_on_the_grid_can_be_charged(minor: int, currency: str) -> None:
    assert Money(minor, currency).is_chargeable()


def test_a_refusal_survives_the_trip_between_two_processes() -> None:
    refusal = BelowMinimum(Money(49, "USD"), Money(50, "USD"))

    copied = pickle.loads(pickle.dumps(refusal))  # noqa: S301 - our own bytes, as a worker pool sends them

    assert (copied.amount, copied.limit) == (refusal.amount, refusal.limit)
    assert str(copied) == "USD 0.49 is less than USD 0.50"


# Text into money


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("19.99", "USD", 1999),
        ("12.5", "USD", 1250),
        ("12", "USD", 1200),
        ("0.30", "GBP", 30),
        ("-12.50", "USD", -1250),
        ("1200", "JPY", 1200),
        ("5.120", "KWD", 5120),
        ("5", "ISK", 500),
        ("999999999999999.999", "KWD", 10**18 - 1),
    ],
)
def test_plain_decimal_text_is_read_to_the_last_digit(text: str, currency: str, minor: int) -> None:
    assert Money.parse(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ".",
        "12.",
        ".50",
        " 12",
        "12 ",
        "12\n",
        "1 000",
        "1_000",
        "1,000",
        "12,50",
        "1e3",
        "+5",
        "--5",
        "007",
        "0x10",
        "NaN",
        "Infinity",
        "١٢",  # Arabic-Indic digits, which int() would happily read
        "１２",  # full-width digits
        "12\u00a0",
        "\u202e21",
        "$12",
        "12 USD",
        "12.505",
        "9" * 16,
        "9" * 5000,
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a plain decimal number|has no more than 2 decimals"):
        Money.parse(text, "USD")


def test_a_fraction_of_a_yen_is_refused() -> None:
    with pytest.raises(ValueError, match="JPY has no more than 0 decimals"):
        Money.parse("100.5", "JPY")


@examples
@given(amounts)
def test_what_is_written_down_reads_back_as_the_same_amount(amount: Money) -> None:
    code, text = str(amount).split(" ")

    assert Money.parse(text, code) == amount


@examples
@given(amounts)
def test_major_units_lose_nothing(amount: Money) -> None:
    assert amount.major().scaleb(currencies.get(amount.currency).exponent) == amount.minor


# Money into text


@pytest.mark.parametrize(
    ("amount", "locale", "text"),
    [
        (Money(1250, "USD"), "en", "$12.50"),
        (Money(1250, "USD"), "en-US", "$12.50"),
        (Money(123_456, "EUR"), "de", "1.234,56 €"),
        (Money(20_000, "RUB"), "ru", "200,00 ₽"),
        (Money(200, "USD"), "ru", "2,00 $"),
        (Money(-1250, "USD"), "en", "-$12.50"),
        (Money(1200, "JPY"), "en", "¥1,200"),
        (Money(5120, "KWD"), "en", "KWD 5.120"),
        (Money(500, "ISK"), "en", "ISK 5"),
        (Money(500, "ISK"), "de", "5 ISK"),
        (Money(550, "ISK"), "en", "ISK 5.50"),  # a share of a fee: shown whole, not rounded away
        (Money(12_345_600, "UGX"), "en", "UGX 123,456"),
        (Money(5000, "MGA"), "en", "MGA 5,000"),
        (Money(10**30 + 1, "JPY"), "en", "¥" + "1" + ",000" * 9 + ",001"),
    ],
)
def test_an_amount_is_written_as_people_write_it_in_their_language(
    amount: Money, locale: str, text: str
) -> None:
    assert _with_plain_spaces(amount.format(locale)) == text


@pytest.mark.parametrize("locale", ["", "xx", "../../etc", "xx-" + "a" * 5000, "en\0", "{{7*7}}", "１"])
def test_an_unknown_locale_reads_as_english(locale: str) -> None:
    assert Money(1250, "USD").format(locale) == "$12.50"


def test_an_unknown_country_keeps_its_language() -> None:
    assert _with_plain_spaces(Money(200, "USD").format("ru-XX")) == "2,00 $"


@examples
@given(amounts, st.sampled_from(["en", "ru", "de", "fr", "ja", "pt-BR", "zh-Hant-TW"]))
def test_no_digit_gets_lost_on_the_way_to_the_reader(amount: Money, locale: str) -> None:
    rules = currencies.get(amount.currency)
    hidden = rules.exponent if amount.minor % rules.step_minor == 0 and rules.decimals == 0 else 0

    digits = "".join(character for character in amount.format(locale) if character in "0123456789")

    assert int(digits) * 10**hidden == abs(amount.minor)


def _with_plain_spaces(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


# Money over a year


@pytest.mark.parametrize(
    ("interval", "a_year"), [(Interval.ONCE, 500), (Interval.MONTH, 6000), (Interval.YEAR, 500)]
)
def test_a_monthly_gift_counts_twelve_times_in_a_year(interval: Interval, a_year: int) -> None:
    assert Money(500, "USD").annualised(interval) == Money(a_year, "USD")
    assert Money(500, "USD").annualised(interval.value) == Money(a_year, "USD")


def test_an_interval_that_we_do_not_offer_has_no_year() -> None:
    with pytest.raises(ValueError, match="week"):
        Money(500, "USD").annualised("week")


def test_only_a_monthly_or_annual_gift_recurs() -> None:
    assert [interval.is_recurring for interval in Interval] == [False, True, True]


# The modules themselves


@pytest.mark.parametrize("module", PURE_MODULES, ids=lambda module: module.__name__)
def test_the_examples_in_the_documentation_are_true(module: object) -> None:
    results = doctest.testmod(module)  # type: ignore[arg-type]  # parametrize hides the type

    assert results.failed == 0
    assert results.attempted > 0


@pytest.mark.parametrize("module", PURE_MODULES, ids=lambda module: module.__name__)
def test_no_float_stands_where_money_is_counted(module: object) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))  # type: ignore[attr-defined]

    for node in ast.walk(tree):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float | complex)), node.lineno
        assert not (isinstance(node, ast.Name) and node.id in {"float", "complex"}), node.lineno
        assert not (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)), node.lineno


@pytest.mark.parametrize("module", PURE_MODULES, ids=lambda module: module.__name__)
def test_money_needs_neither_django_nor_a_clock_nor_files(module: object) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))  # type: ignore[attr-defined]
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        )
    }

    assert not imported & {"django", "rest_framework", "stripe", "datetime", "time", "os", "io", "pathlib"}
