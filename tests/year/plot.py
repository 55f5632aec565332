"""
What readers do on which day of a year, drawn from a seed: pure data, the same for the same seed on every machine.

Each reader's life is drawn from dice of their own, so that reader 7 of seed 3 lives the same life among twenty
readers as among two hundred. All of them are made up and live at example.org.
"""

from __future__ import annotations

import calendar
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

DAYS = 385  # a year, and the weeks in which its first anniversaries are paid, retried or lost
STEP = 3  # days between two stops of the clock, at most: the shortest time between two tries of a payment

DECLINED = ("4000000000000002", "4000000000009995", "4000000000000069", "4000000000000119")
FAILS_LATER = "4000000000000341"  # can be saved, and every charge fails
REFUND_FAILS, REFUND_WAITS = "4000000000005126", "4000000000007726"
BANK_DISPUTES, BANK_INQUIRES = "4000000000000259", "4000000000001976"
BOUNCES = {"EUR": "DE62370400440532013001", "USD": "000111111116", "GBP": "33333335"}

# How much is given: once, monthly, annually; in minor units, as readers choose them.
AMOUNTS: dict[str, dict[str, tuple[int, ...]]] = {
    "USD": {"once": (500, 1000, 1999, 10000), "month": (200, 500, 1234), "year": (2500, 5000, 24000)},
    "EUR": {"once": (500, 1000, 1999, 10000), "month": (200, 500, 1234), "year": (2500, 5000, 24000)},
    "GBP": {"once": (300, 2000, 1999), "month": (200, 400, 1999), "year": (2000, 8000, 20000)},
    "JPY": {"once": (1500, 3000, 777), "month": (300, 701, 1500), "year": (3000, 15000)},
    "KWD": {"once": (3000, 7510, 12340), "month": (600, 1510, 3000), "year": (7500, 30000)},
    "UGX": {"once": (2_000_000, 5_000_000), "month": (700_000, 1_500_000), "year": (7_000_000, 15_000_000)},
}
CURRENCIES = tuple(AMOUNTS)
INTERVALS = ("month", "once", "year")
DECISIONS = ("won", "lost", "withdrawn")
FATES = (
    "stays",
    "recovers",
    "is lost",
    "cancels at period end",
    "cancels at once",
    "pauses",
    "pauses for good",
    "has a card that expires",
)
# What must not be missing in any year, whatever the dice say: after the readers who give in each currency once, monthly
# and annually come these, in this order.
CAST: tuple[dict[str, str], ...] = (
    {"interval": "once", "card": REFUND_FAILS},
    {"interval": "once", "card": REFUND_WAITS},
    {"interval": "once", "card": BANK_DISPUTES},
    {"interval": "once", "card": BANK_INQUIRES},
    {"interval": "month", "payment": "debit", "currency": "EUR"},
    {"interval": "once", "payment": "debit bounces", "currency": "GBP"},
    {"interval": "month", "payment": "is declined, then pays"},
    {"interval": "once", "payment": "leaves"},
    {"interval": "once", "twice": "and undoes it"},
    *({"interval": "month", "fate": fate} for fate in FATES),
)


def card_of(reader: int, nth: int = 0) -> str:
    """
    A number that passes the check that card numbers have, and that only this reader has: one card under two names
    within days would be a second charge by accident.
    """
    digits = f"424242{nth:02}{reader:07}"
    doubled = (int(digit) * 2 for digit in digits[::-2])
    total = sum(map(int, digits[-2::-2])) + sum(twice - 9 if twice > 9 else twice for twice in doubled)
    return f"{digits}{-total % 10}"


def account_of(reader: int, currency: str) -> str:
    """A bank account that only this reader has, and that pays; `currency` is one of BOUNCES."""
    return {
        "EUR": f"DE893704004{reader:011}",
        "USD": f"0001{reader:08}",
        "GBP": f"1{reader:07}",
    }[currency]


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who gives, or nearly: what and how. `payment` is how the first try goes, `card` what pays it."""

    number: int
    interval: str
    currency: str
    amount: int
    cover_fees: bool
    locale: str
    payment: str
    card: str

    @property
    def email(self) -> str:
        return f"reader{self.number}@example.org"

    @property
    def campaign(self) -> str:
        return "podderzhite-nas" if self.locale == "ru" else "support-us"


@dataclass(frozen=True, slots=True)
class Deed:
    """What one reader (or staff, or a bank, for that reader) does on a day of the year; 0 is its first."""

    day: int
    reader: int
    does: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Plot:
    """A whole year. `stops` are the days on which something may happen, in order."""

    seed: int
    days: int
    start: datetime
    readers: tuple[Reader, ...]
    deeds: tuple[Deed, ...]
    stops: tuple[int, ...]

    def on(self, day: int) -> list[Deed]:
        """What happens on a day, in the order in which it happens."""
        return [deed for deed in self.deeds if deed.day == day]

    def moment(self, day: int) -> datetime:
        """
        Noon of a day of the year, and half a minute later each day: what was sent at one stop is three whole days old
        at the stop three days later, however long the work there took.
        """
        return self.start + timedelta(days=day, seconds=30 * day)

    def lines(self) -> Iterator[str]:
        """The plot for people, day by day."""
        for deed in self.deeds:
            reader = self.readers[deed.reader]
            more = f" {deed.detail}" if deed.detail else ""
            if deed.does == "give":
                fee = " with the fee" if reader.cover_fees else ""
                more = f" {reader.amount} {reader.currency} {reader.interval}{fee}: {reader.payment}"
            yield f"{self.moment(deed.day):%Y-%m-%d}  reader {deed.reader:3}  {deed.does}{more}"


def start_of(year: int) -> datetime:
    """Noon of the first day of the first leap year from then on: 29 February is part of every plot."""
    while not calendar.isleap(year):
        year += 1
    return datetime(year, 1, 1, 12, tzinfo=UTC)


def write(*, seed: int, readers: int, days: int = DAYS, start: datetime) -> Plot:
    """The plot of a seed. `start` is the first day, of a leap year; less than 30 days are no plot."""
    stops = _stops(start.date(), days)
    people, deeds = [], []
    for number in range(readers):
        dice = random.Random(f"{seed}:{number}")
        reader = _reader(number, dice)
        people.append(reader)
        deeds += _life(reader, dice, stops)
    return Plot(
        seed=seed,
        days=days,
        start=start,
        readers=tuple(people),
        deeds=tuple(sorted(deeds, key=lambda deed: (deed.day, deed.reader))),
        stops=stops,
    )


def _stops(first: date, days: int) -> tuple[int, ...]:
    """Every few days, and the last day of each month, on which gifts have the hardest anniversaries."""
    found = set(range(0, days, STEP)) | {days - 1}
    for day in range(days):
        if (first + timedelta(days=day + 1)).day == 1:
            found.add(day)
    return tuple(sorted(found))


def _role(number: int) -> dict[str, str]:
    """What is given about a reader, before any dice are thrown."""
    each = len(CURRENCIES)
    if number < each * len(INTERVALS):
        return {
            "interval": INTERVALS[number // each],
            "currency": CURRENCIES[number % each],
            "payment": "pays",
        }
    number -= each * len(INTERVALS)
    return {"payment": "pays", **CAST[number]} if number < len(CAST) else {}


def _reader(number: int, dice: random.Random) -> Reader:
    role = _role(number)
    interval = dice.choices(INTERVALS, weights=[47, 35, 18])[0]
    interval = role.get("interval", interval)
    currency = role.get("currency", dice.choice(CURRENCIES))
    payments = {
        "pays": 66,
        "is declined, then pays": 9,
        "passes 3-D Secure": 4,
        "leaves": 6,
        "is declined, then leaves": 3,
        "debit": 8,
        "debit bounces": 4,
    }
    payment = role.get("payment", dice.choices(list(payments), weights=list(payments.values()))[0])
    if payment.startswith("debit") and currency not in BOUNCES:
        payment = "pays"
    card = card_of(number)
    if interval == "once" and payment == "pays":
        special = [card, REFUND_FAILS, REFUND_WAITS, BANK_DISPUTES, BANK_INQUIRES]
        card = dice.choices(special, weights=[70, 8, 8, 7, 7])[0]
    return Reader(
        number=number,
        interval=interval,
        currency=currency,
        amount=dice.choice(AMOUNTS[currency][interval]),
        cover_fees=dice.random() < 0.3,
        locale="ru" if dice.random() < 0.25 else "en",
        payment=payment,
        card=role.get("card", card),
    )


def _life(reader: Reader, dice: random.Random, stops: tuple[int, ...]) -> Iterator[Deed]:
    """All that one reader does, from the gift on."""

    def later(day: int, *, least: int, most: int) -> int | None:
        """A stop between `least` and `most` days after a day; None if the year is over by then."""
        fitting = [stop for stop in stops if day + least <= stop <= day + most]
        return dice.choice(fitting) if fitting else None

    def deed(day: int | None, does: str, detail: str = "") -> list[Deed]:
        return [] if day is None else [Deed(day, reader.number, does, detail)]

    begins = _begins(reader, dice, stops)
    yield Deed(begins, reader.number, "give")
    if "leaves" in reader.payment or reader.payment == "debit bounces":
        if dice.random() < 0.4:
            yield from deed(
                later(begins, least=1, most=20),
                "ask for a reminder",
                dice.choice(["next_month", "in_3_months"]),
            )
        return
    if "twice" in _role(reader.number) or (reader.payment == "pays" and dice.random() < 0.05):
        yield from _twice(reader, dice, begins, later, deed)
    if reader.interval == "once":
        yield from _aftermath(reader, dice, begins, later, deed)
    else:
        yield from _support(reader, dice, begins, later, deed)


def _begins(reader: Reader, dice: random.Random, stops: tuple[int, ...]) -> int:
    last = stops[-1]
    if reader.interval == "year" and dice.random() < 0.6:
        return dice.choice(
            [stop for stop in stops if stop <= 12]
        )  # so that its anniversary is part of the year
    if reader.interval == "month" and dice.random() < 0.25:
        ends = [stop for stop in stops if stop % STEP and stop < last * 0.6]  # month ends, mostly
        if ends:
            return dice.choice(ends)
    share = {"once": 0.9, "month": 0.6, "year": 0.8}[reader.interval]
    return dice.choice([stop for stop in stops if stop <= last * share])


def _twice(reader, dice, begins, later, deed) -> Iterator[Deed]:  # type: ignore[no-untyped-def]
    """The form was sent again, past the widget's own guard; some undo it with the link of our mail."""
    yield from deed(begins, "give again")
    if dice.random() < 0.6:
        yield from deed(later(begins, least=1, most=3), "undo the second")


def _aftermath(reader, dice, begins, later, deed) -> Iterator[Deed]:  # type: ignore[no-untyped-def]
    """What becomes of a single gift."""
    settled = 8 if reader.payment == "debit" else 1
    fates = ["kept", "refunded", "partly refunded", "refunded in parts"]
    fates += [f"disputed and {decision}" for decision in DECISIONS]
    fate = dice.choices(fates, weights=[50, 14, 10, 8, 6, 6, 6])[0]
    if reader.card in (REFUND_FAILS, REFUND_WAITS):
        fate = dice.choice(["refunded", "partly refunded", "refunded in parts"])
    if reader.card in (BANK_DISPUTES, BANK_INQUIRES):
        # Within the week that there is to answer; after it the bank decides by itself.
        yield from deed(later(begins, least=2, most=6), "bank decides", dice.choice(DECISIONS))
        return
    if fate.startswith("disputed"):
        if reader.payment == "debit":
            return
        day = later(begins, least=settled, most=60)
        yield from deed(day, "dispute")
        if day is not None:
            yield from deed(later(day, least=2, most=6), "bank decides", fate.rsplit(" ", 1)[1])
        return
    if fate == "refunded":
        yield from deed(later(begins, least=settled, most=60), "refund", "1")
    elif fate == "partly refunded":
        yield from deed(later(begins, least=settled, most=60), "refund", dice.choice(["1/2", "1/3"]))
    elif fate == "refunded in parts":
        day = later(begins, least=settled, most=40)
        yield from deed(day, "refund", "1/4")
        if day is not None:
            yield from deed(later(day, least=1, most=40), "refund", dice.choice(["1/3", "1"]))
    if dice.random() < 0.1:
        yield from deed(later(begins, least=20, most=90), "ask for a reminder", "next_month")


def _support(reader, dice, begins, later, deed) -> Iterator[Deed]:  # type: ignore[no-untyped-def]
    """What becomes of a gift that repeats itself."""
    fate = dice.choices(FATES, weights=[34, 14, 10, 12, 8, 10, 5, 7])[0]
    fate = _role(reader.number).get("fate", fate)
    day = later(begins, least=10, most=150)
    if day is None:
        return
    if fate == "recovers":
        yield from deed(day, "card fails", FAILS_LATER)
        # Within the retries of the renewal that fails next, or before it is due.
        wait = 34 if reader.interval == "month" else 8
        mended = later(day, least=6, most=wait) if reader.interval == "month" else None
        yield from deed(mended, "new card", card_of(reader.number, 1))
        if reader.interval == "year":
            yield from deed(later(366 + begins, least=2, most=9), "new card", card_of(reader.number, 1))
    elif fate == "has a card that expires":
        yield from deed(day, "card will expire", str(dice.randint(1, 3)))
        if dice.random() < 0.5:
            yield from deed(later(day, least=20, most=90), "new card", card_of(reader.number, 1))
    elif fate == "is lost":
        yield from deed(day, "card fails", FAILS_LATER)
    elif fate == "cancels at period end":
        yield from deed(day, "cancel", "at period end")
        if dice.random() < 0.2:
            yield from deed(later(day, least=1, most=10), "stay after all")
    elif fate == "cancels at once":
        yield from deed(day, "cancel", "at once")
    elif fate.startswith("pauses"):
        yield from deed(day, "pause", dice.choice(["keeps renewing unpaid", "stands still"]))
        if fate == "pauses":
            yield from deed(later(day, least=20, most=100), "resume")
    trouble = dice.choices(["none", "refund", "dispute"], weights=[76, 14, 10])[0]
    at = later(begins, least=9 if reader.payment == "debit" else 1, most=200)
    if trouble == "refund":
        yield from deed(at, "refund", dice.choice(["1", "1/2"]))
    elif trouble == "dispute" and reader.payment != "debit":
        yield from deed(at, "dispute")
        if at is not None:
            yield from deed(later(at, least=2, most=6), "bank decides", dice.choice(DECISIONS))
