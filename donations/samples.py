"""
The sample campaigns: made-up appeals of a made-up paper, to look at and to try out.

Their shape (a title, four short paragraphs, once, monthly and annual amounts) is that of the appeals under
which independent papers close their articles; the words are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from donations.intervals import Interval
from donations.models import Ask, Campaign
from members.models import Tier, TierThreshold

ENGLISH = "support-us"
RUSSIAN = "podderzhite-nas"


@dataclass(frozen=True, slots=True)
class _Text:
    slug: str
    locale: str
    currency: str
    goal_minor: int
    title: str
    message: str
    thank_you: str


_TEXTS = (
    _Text(
        slug=ENGLISH,
        locale="en",
        currency="USD",
        goal_minor=50_000_00,
        title="Keep The Sample Gazette reporting",
        message=(
            "The Sample Gazette is a made-up paper, and this appeal is a sample. If the Gazette existed, it would "
            "tell you here that those in power would rather do without it.\n\n"
            "Its reporters would write on regardless. Nobody would own them, and no advertiser would lean over "
            "their shoulders. That freedom has one price: the readers pay for the paper.\n\n"
            "A small sum each month lets a newsroom plan ahead, and a single gift carries one more story to print. "
            "Whatever you choose, it counts.\n\n"
            "Thank you for reading this far, and for trying out the form below."
        ),
        thank_you=(
            "Your gift has arrived, and The Sample Gazette would go to print tomorrow because of it.\n\n"
            "This is a sample: no real paper received any money."
        ),
    ),
    _Text(
        slug=RUSSIAN,
        locale="ru",
        currency="EUR",
        goal_minor=20_000_00,
        title="Поддержите «Образцовую газету»",
        message=(
            "«Образцовая газета» придумана, и это обращение — лишь образец. Будь газета настоящей, она рассказала бы "
            "здесь, что тем, кто у власти, без неё спокойнее.\n\n"
            "Её журналисты всё равно писали бы дальше. У них нет хозяина, и рекламодатель не заглядывает им через "
            "плечо. У этой свободы одна цена: газету оплачивают читатели.\n\n"
            "Небольшая сумма каждый месяц позволяет редакции думать наперёд, а разовый взнос доводит до печати ещё "
            "один материал. Важен любой вклад.\n\n"
            "Спасибо, что дочитали, и за то, что пробуете форму ниже."
        ),
        thank_you=(
            "Ваш взнос получен, и благодаря ему «Образцовая газета» вышла бы завтра.\n\n"
            "Это образец: настоящая газета денег не получила."
        ),
    ),
)

# For each currency and interval: the suggestions and the least amount, in minor units; the second suggestion is
# the default. Monthly starts where 2 USD would be, rounded to what people in that currency find a small sum.
_ASKS: dict[str, dict[Interval, tuple[list[int], int]]] = {
    "USD": {
        Interval.ONCE: ([10_00, 25_00, 50_00, 100_00], 2_00),
        Interval.MONTH: ([2_00, 5_00, 10_00, 25_00], 2_00),
        Interval.YEAR: ([25_00, 50_00, 100_00, 250_00], 20_00),
    },
    "EUR": {
        Interval.ONCE: ([10_00, 25_00, 50_00, 100_00], 2_00),
        Interval.MONTH: ([2_00, 5_00, 10_00, 25_00], 2_00),
        Interval.YEAR: ([25_00, 50_00, 100_00, 250_00], 20_00),
    },
    "GBP": {
        Interval.ONCE: ([10_00, 20_00, 40_00, 80_00], 2_00),
        Interval.MONTH: ([2_00, 4_00, 8_00, 20_00], 2_00),
        Interval.YEAR: ([20_00, 40_00, 80_00, 200_00], 20_00),
    },
    "JPY": {
        Interval.ONCE: ([1_500, 3_000, 7_000, 15_000], 300),
        Interval.MONTH: ([300, 700, 1_500, 3_000], 300),
        Interval.YEAR: ([3_000, 7_000, 15_000, 30_000], 3_000),
    },
    "KWD": {
        Interval.ONCE: ([3_000, 7_500, 15_000, 30_000], 600),
        Interval.MONTH: ([600, 1_500, 3_000, 7_500], 600),
        Interval.YEAR: ([7_500, 15_000, 30_000, 75_000], 6_000),
    },
    "UGX": {
        Interval.ONCE: ([20_000_00, 50_000_00, 100_000_00, 200_000_00], 7_000_00),
        Interval.MONTH: ([7_000_00, 15_000_00, 30_000_00, 75_000_00], 7_000_00),
        Interval.YEAR: ([70_000_00, 150_000_00, 300_000_00, 700_000_00], 70_000_00),
    },
}

# From which yearly amount on somebody is what, in minor units.
_TIERS: tuple[tuple[str, str, dict[str, int]], ...] = (
    (
        "supporter",
        "Supporter",
        {"USD": 20_00, "EUR": 20_00, "GBP": 20_00, "JPY": 3_000, "KWD": 6_000, "UGX": 70_000_00},
    ),
    (
        "friend",
        "Friend",
        {"USD": 60_00, "EUR": 60_00, "GBP": 48_00, "JPY": 8_000, "KWD": 18_000, "UGX": 180_000_00},
    ),
    (
        "patron",
        "Patron",
        {"USD": 240_00, "EUR": 240_00, "GBP": 200_00, "JPY": 30_000, "KWD": 72_000, "UGX": 700_000_00},
    ),
)


def load(*, now: datetime) -> list[Campaign]:
    """
    Make or mend the sample campaigns and tiers; loading twice leaves what loading once does.

    They have been running since the day before the first load. Returns the campaigns.
    """
    with transaction.atomic():
        for position, (slug, name, thresholds) in enumerate(_TIERS, start=1):
            _load_tier(slug, name, position, thresholds)
        return [_load_campaign(text, now=now) for text in _TEXTS]


def _load_campaign(text: _Text, *, now: datetime) -> Campaign:
    campaign = Campaign.objects.filter(slug=text.slug).first() or Campaign(
        slug=text.slug, starts_at=now - timedelta(days=1)
    )
    campaign.title = text.title
    campaign.message = text.message
    campaign.thank_you = text.thank_you
    campaign.locale = text.locale
    campaign.default_interval = Interval.MONTH.value
    campaign.default_currency = text.currency
    campaign.payment_methods = ["visa", "mastercard", "amex", "apple_pay", "google_pay", "sepa_debit"]
    campaign.goal_minor = text.goal_minor
    campaign.ends_at = None
    campaign.is_published = True
    campaign.full_clean()
    campaign.save()
    for currency, intervals in _ASKS.items():
        for interval, (suggested, minimum) in intervals.items():
            ask = campaign.asks.filter(currency=currency, interval=interval).first() or Ask(
                campaign=campaign, currency=currency, interval=interval.value
            )
            ask.suggested = suggested
            ask.default_minor = suggested[1]
            ask.minimum_minor = minimum
            ask.maximum_minor = None
            ask.full_clean()
            ask.save()
    return campaign


def _load_tier(slug: str, name: str, position: int, thresholds: dict[str, int]) -> None:
    tier = Tier.objects.filter(slug=slug).first() or Tier(slug=slug)
    tier.name = name
    tier.position = position
    tier.full_clean()
    tier.save()
    for currency, minimum in thresholds.items():
        threshold = tier.thresholds.filter(currency=currency).first() or TierThreshold(
            tier=tier, currency=currency
        )
        threshold.minimum_annual_minor = minimum
        threshold.full_clean()
        threshold.save()
