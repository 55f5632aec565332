"""The browser reads, writes and adds money as the server does."""

from __future__ import annotations

from random import Random

import pytest

from donations import currencies, fees
from donations.money import Money
from tests.widget.contract import rate
from tests.widget.marks import IN_A_BROWSER

pytestmark = IN_A_BROWSER

ELEMENT = "customElements.get('sustainer-appeal')"


def described(code: str) -> dict[str, object]:
    """A currency as a campaign's answer has it."""
    rules = currencies.get(code)
    return {"code": code, "exponent": rules.exponent, "step": rules.step_minor}


@pytest.fixture
def page(paper):
    page = paper.show("<h1>News</h1>")
    page.evaluate("customElements.whenDefined('sustainer-appeal').then(() => true)")
    return page


def test_covering_the_fee_adds_to_the_cent_what_the_server_adds(page):
    random = Random(5)
    cases = []
    for text in ("2.9%+30", "1.5%+25", "2.9%", "0%", "0.01%+1", "14.99%+99"):
        parsed = fees.parse_rates(f"USD:{text},*:0%")["USD"]
        for code in ("USD", "JPY", "KWD", "UGX", "IDR"):
            step, most = currencies.get(code).step_minor, currencies.get(code).maximum_minor
            minors = [
                *range(step, 120 * step, step),
                *(random.randrange(1, most // step) * step for _ in range(50)),
                most,
            ]
            for minor in minors:
                cases.append([minor, rate(text), step, fees.cover(Money(minor, code), parsed).minor])
    wrong = page.evaluate(
        f"(cases) => cases.filter(([base, rate, step, fee]) => {ELEMENT}.feeCover(base, rate, step) !== fee)",
        cases,
    )

    assert len(cases) > 5_000
    assert wrong == []


AMOUNTS = [
    ("en", "USD", "5", 500),
    ("en", "USD", " 12.50 ", 1250),
    ("en", "USD", "12,50", 1250),
    ("en", "USD", "12.5", 1250),
    ("en", "USD", "1,000", 100_000),
    ("en", "USD", "1,234,567.89", 123_456_789),
    ("en", "USD", "1.000", None),
    ("en", "USD", "$7", 700),
    ("en", "USD", "7 USD", 700),
    ("en", "USD", "€7", None),
    ("en", "USD", "12.505", None),
    ("en", "USD", "1e3", None),
    ("en", "USD", "-5", None),
    ("en", "USD", "5 5", None),
    ("en", "USD", "five", None),
    ("en", "USD", "", None),
    ("en", "USD", "9" * 14, None),
    ("de", "EUR", "1.000", 100_000),
    ("de", "EUR", "1.234,50", 123_450),
    ("de", "EUR", "12.50", 1250),
    ("de", "EUR", "1,000", None),
    ("ru", "RUB", "1 000", 100_000),
    ("ru", "RUB", "1 000,50", 100_050),
    ("ru", "EUR", "12,50 €", 1250),
    ("de-CH", "CHF", "1’000.50", 100_050),
    ("en", "JPY", "1,200", 1200),
    ("en", "JPY", "500.5", None),
    ("ja", "JPY", "５００", 500),
    ("en", "KWD", "5.120", 5120),
    ("en", "KWD", "1.5", 1500),
    ("en", "KWD", "1,000", None),
    ("de", "KWD", "1,000", 1000),
    ("de", "KWD", "1.000", None),
    ("en", "UGX", "7000", 700_000),
    ("ar-EG", "USD", "١٢٫٥٠", 1250),
    ("fa", "USD", "۱۲", 1200),
    ("hi", "USD", "१२", 1200),
]


def test_an_amount_is_read_as_the_reader_means_it_or_not_at_all(page):
    read = page.evaluate(
        f"(cases) => cases.map(([locale, currency, text]) => {ELEMENT}.readMoney(text, currency, locale))",
        [[locale, described(currency), text] for locale, currency, text, _ in AMOUNTS],
    )

    assert list(zip(AMOUNTS, read, strict=True)) == [(case, case[3]) for case in AMOUNTS]


def test_amounts_are_written_as_the_server_writes_them(page):
    cases = [
        [minor, described(code), locale, Money(minor, code).format(locale)]
        for code in ("USD", "EUR", "JPY", "KWD", "UGX", "ISK")
        for locale in ("en", "ru", "de")
        for minor in (currencies.get(code).step_minor * 50, currencies.get(code).step_minor * 123_456)
    ]
    written = page.evaluate(
        f"(cases) => cases.map(([minor, currency, locale]) => {ELEMENT}.writeMoney(minor, currency, locale))",
        cases,
    )

    def plain(text: str) -> str:
        """Which of the narrow spaces it is differs by the release of CLDR."""
        return text.replace("\u00a0", " ").replace("\u202f", " ")

    assert [plain(text) for text in written] == [plain(case[3]) for case in cases]
