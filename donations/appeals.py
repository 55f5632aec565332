"""
What a widget draws: an appeal as it stands for whoever asks, whether it is shown at all, and for how long that holds.

Most of an answer is the same for everybody. So it is worked out twice a minute into a `Plan`, which holds all that
decides; from a plan an answer is made without the database, and the answers that are made are kept beside it. Where
nothing personal plays a part the answer is public, and one look into the cache is all that it costs.

Nothing is older than a minute where a reader sees it: what has lain here for a while may lie so much shorter in a
browser.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.cache import cache

from donations import drawing, entitlement, formatting, lots, queries, regions, tally
from donations.errors import UnknownCampaign
from donations.models import AskTest, AskVariant
from members.reader_tokens import Reader

MAX_AGE = 60  # seconds until a change is seen everywhere
KEPT = 30  # seconds of them that an answer may lie here
_FORM = 1  # of what lies in a cache that several releases may share; count it up when `Plan` changes


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What plays a part in an answer.

    :param visitor: who draws a lot; called only where one is drawn.
    :param is_quiet: the page is one on which nobody is asked, such as news of a war.
    :param is_sensitive: the page is one on which only words are shown that are marked as safe.
    :param is_by_anybody: nothing tells who asks, so that the answer may be for everybody.
    :param country: where the reader is, if our proxy says so.
    :param reader: whom the newspaper's site says that it is.
    """

    visitor: Callable[[], lots.Visitor]
    is_by_anybody: bool
    is_quiet: bool = False
    is_sensitive: bool = False
    country: str = ""
    reader: Reader | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """JSON, and for how many seconds it may be kept: by every cache, or by this reader's browser alone."""

    body: bytes
    etag: str
    max_age: int
    is_public: bool


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to ask, and what it changes of the answer."""

    pk: int
    weight: int
    is_safe: bool
    changes: dict[str, Any] = field(repr=False)
    amounts: dict[tuple[str, str], dict[str, Any]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Test:
    """Ways to ask, between which the readers of a place are divided."""

    seed: str
    region: str
    countries: frozenset[str]
    variants: tuple[Variant, ...]

    def distance(self, country: str) -> int | None:
        """0 for a test of that country, 1 for one of its region, 2 for one of everybody; None if it is for others."""
        if self.countries:
            return 0 if country in self.countries else None
        if self.region:
            return 1 if regions.contains(self.region, country) else None
        return 2

    def drawn_by(self, visitor: lots.Visitor) -> Variant | None:
        """The variant that this visitor gets, each time anew."""
        drawn = lots.draw(self.seed, visitor, [variant.weight for variant in self.variants])
        return None if drawn is None else self.variants[drawn]


@dataclass(frozen=True, slots=True)
class Plan:
    """A campaign as it stands for half a minute: what decides, and what is drawn."""

    campaign: int
    slug: str
    made_at: datetime
    hidden_because: str
    is_safe: bool
    hold_out_percent: int
    tests: tuple[Test, ...]
    base: dict[str, Any] = field(repr=False)

    def test_for(self, country: str) -> Test | None:
        """The test that a reader there takes part in: the closest one, and of those the first in the editors' order."""
        near = [(far, test) for test in self.tests if (far := test.distance(country)) is not None]
        return min(near, key=lambda pair: pair[0])[1] if near else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether to ask, and how."""

    hidden_because: str = ""
    variant: Variant | None = None
    is_drawn: bool = False  # by lot, so that it holds for this reader alone
    is_counted: bool = False


def find_ready(slug: str, *, quiet: bool, sensitive: bool, now: datetime) -> Answer | None:
    """The answer for everybody, if it lies ready: one look into the cache."""
    found = cache.get(_ready_key(slug[:64], quiet=quiet, sensitive=sensitive))
    if found is None:
        return None
    made_at, etag, body = found
    left = _left(made_at, now)
    return Answer(body, etag, left, is_public=True) if 0 < left <= MAX_AGE else None


def _ready_key(slug: str, *, quiet: bool, sensitive: bool) -> str:
    return _key(slug, f"{quiet:d}{sensitive:d}")


def get_answer(slug: str, *, asked: Asked, now: datetime) -> Answer:
    """
    The appeal as it is drawn for whoever asks.

    :raises UnknownCampaign: there is none that is published.
    """
    if len(slug) > 64:
        raise UnknownCampaign("There is no such campaign.")
    plan = _plan_of(slug, now)
    outcome = decide(plan, asked, now=now)
    etag, body = _answer_of(plan, outcome, _currency(plan, asked.country))
    is_public = asked.is_by_anybody and not outcome.is_drawn
    if is_public:
        key = _ready_key(slug, quiet=asked.is_quiet, sensitive=asked.is_sensitive)
        cache.set(key, (plan.made_at, etag, body), KEPT)
    if outcome.is_counted:
        variant = outcome.variant.pk if outcome.variant else None
        tally.note(plan.campaign, variant, is_held=bool(outcome.hidden_because), now=now)
    return Answer(body, etag, _left(plan.made_at, now), is_public=is_public)


def decide(plan: Plan, asked: Asked, *, now: datetime) -> Outcome:
    """
    Whether to ask, and in which words.

    First what holds for the whole page, then what the reader is due, then the lots: who is asked nothing anyway takes
    part in no test. A lot holds on every page; where its words are not safe for a sensitive one, the campaign's own
    are shown there, or nothing.
    """
    if plan.hidden_because:
        return Outcome(plan.hidden_because)
    if asked.is_quiet:
        return Outcome("quiet")
    if asked.reader is not None and entitlement.get_entitlement(asked.reader, now=now).hide_asks:
        return Outcome("member")
    test = plan.test_for(asked.country)
    if test is None and not plan.hold_out_percent:
        return Outcome("quiet" if asked.is_sensitive and not plan.is_safe else "")
    visitor = asked.visitor()
    variant = test.drawn_by(visitor) if test else None
    if asked.is_sensitive and not (variant and variant.is_safe):
        if not plan.is_safe:
            return Outcome("quiet", is_drawn=True)
        variant = None
    if lots.is_held_out(plan.slug, plan.hold_out_percent, visitor):
        return Outcome("held_out", is_drawn=True, is_counted=True)
    return Outcome(variant=variant, is_drawn=True, is_counted=True)


def forget(slug: str) -> None:
    """Let this process's next answer show what an editor changed; the others follow within the minute."""
    cache.delete_many([_key(slug, part) for part in ("plan", "00", "01", "10", "11")])


def _key(slug: str, part: str) -> str:
    return f"appeal:{_FORM}:{slug}:{part}"


# --- Plans, and the answers that are made from them -------------------------------------------------


def _left(made_at: datetime, now: datetime) -> int:
    """For how many more seconds what was made then is young enough."""
    return int(MAX_AGE - (now - made_at).total_seconds())


def _plan_of(slug: str, now: datetime) -> Plan:
    key = _key(slug, "plan")
    found: Plan | None = cache.get(key)
    # A clock that was moved by hand makes it old at once, or younger than anything can be.
    if found is not None and MAX_AGE - KEPT <= _left(found.made_at, now) <= MAX_AGE:
        return found
    campaign, is_off = queries.get_appeal(slug)
    plan = Plan(
        campaign=campaign.pk,
        slug=slug,
        made_at=now,
        hidden_because="not_running" if not campaign.is_running(now) else "off" if is_off else "",
        is_safe=campaign.is_safe,
        hold_out_percent=campaign.hold_out_percent if campaign.is_holding_out(now) else 0,
        tests=tuple(_test(test) for test in queries.get_running_tests(campaign, now=now)),
        base=drawing.draw(campaign, now=now),
    )
    cache.set(key, plan, KEPT)
    return plan


def _test(test: AskTest) -> Test:
    return Test(
        seed=test.seed,
        region=test.region,
        countries=frozenset(test.countries.split()),
        variants=tuple(_variant(test, variant) for variant in test.variants.all()),
    )


def _variant(test: AskTest, variant: AskVariant) -> Variant:
    changes: dict[str, Any] = {
        "title": variant.title,
        "message": formatting.to_plain(variant.message),
        "button": variant.button,
    }
    return Variant(
        pk=variant.pk,
        weight=variant.weight,
        is_safe=variant.is_safe,
        changes={name: value for name, value in changes.items() if value}
        | {"variant": {"test": test.slug, "name": variant.slug}},
        amounts={
            (ask.currency, ask.interval): {"amounts": ask.suggested, "default": ask.default_minor}
            for ask in variant.asks.all()
        },
    )


def _currency(plan: Plan, country: str) -> str:
    """What to show first: what people pay with where the reader is, if the campaign takes that."""
    offered = [currency["code"] for currency in plan.base["currencies"]]
    local = regions.currency_of(country) if country else ""
    return local if local in offered else str(plan.base["default_currency"])


def _answer_of(plan: Plan, outcome: Outcome, currency: str) -> tuple[str, bytes]:
    """The answer's ETag and body, made once for each plan and outcome."""
    variant = outcome.variant
    which = f"{outcome.hidden_because}:{variant.pk if variant else ''}:{currency}"
    key = _key(plan.slug, f"{plan.made_at.timestamp()}:{which}")
    found: tuple[str, bytes] | None = cache.get(key)
    if found is not None:
        return found
    whole = plan.base | {
        "show": not outcome.hidden_because,
        "hidden_because": outcome.hidden_because,
        "default_currency": currency,
    }
    if variant:
        whole |= variant.changes
        whole["asks"] = [
            ask | variant.amounts.get((ask["currency"], ask["interval"]), {}) for ask in whole["asks"]
        ]
    body = json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()
    made = f'"{hashlib.sha256(body).hexdigest()[:32]}"', body
    cache.set(key, made, KEPT)
    return made
