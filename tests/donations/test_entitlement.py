"""What a reader is due on the newspaper's site, told by a token that the site signs."""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from django.core.cache import cache
from django.db import OperationalError

from donations import entitlement, stopping
from donations.models import Subscription
from members import clock
from members import services as members
from members.models import Member, Tier

PATH = "/api/v1/entitlement/"
CAMPAIGN = "/api/v1/campaigns/support-us/"
SECRET = "a secret that the newspaper and we know"
MONTHLY: dict[str, Any] = {"interval": "month", "amount": 500, "email": "grace@example.org"}
STRANGER = {"tier": None, "until": None, "hide_asks": False, "ad_free": False}


@pytest.fixture(autouse=True)
def _secret(settings: Any) -> None:
    settings.READER_TOKEN_SECRETS = [SECRET]
    settings.ALLOWED_ORIGINS = settings.CORS_ALLOWED_ORIGINS = ["https://gazette.example"]


def token(*, secret: str = SECRET, algorithm: str = "HS256", minutes: float = 10, **claims: Any) -> str:
    wanted = {
        "aud": "sustainer",
        "exp": (clock.now() + timedelta(minutes=minutes)).timestamp(),
        "email": "grace@example.org",
        **claims,
    }
    return jwt.encode(
        {name: value for name, value in wanted.items() if value is not ...}, secret, algorithm=algorithm
    )


def ask(api: Any, given: str | None = None, path: str = PATH) -> Any:
    headers = {} if given is None else {"Authorization": f"Bearer {given}"}
    return api.get(path, headers=headers)


def due(api: Any, **claims: Any) -> dict[str, Any]:
    cache.clear()
    answer = ask(api, token(**claims))
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


# --- What they are due ------------------------------------------------------------------------------


def test_a_member_has_a_tier_and_is_not_asked(house):
    Tier.objects.filter(slug="friend").update(is_ad_free=True)
    house.give_and_pay(**MONTHLY)
    until = Subscription.objects.get().current_period_end

    assert due(house.api) == {
        "tier": "friend",
        "until": until.isoformat().replace("+00:00", "Z"),
        "hide_asks": True,
        "ad_free": True,
    }
    assert due(house.api, email="Grace@Example.org")["tier"] == "friend"
    by_id = due(house.api, email=..., sub=str(Member.objects.get().public_id))
    assert by_id["tier"] == "friend"


def test_a_reader_whom_nobody_knows_is_due_nothing_and_is_asked(house):
    assert due(house.api) == STRANGER
    assert due(house.api, email=..., sub="00000000-0000-4000-8000-000000000000") == STRANGER


def test_who_gave_once_is_left_alone_for_ninety_days(house):
    house.give_and_pay(email="ada@example.org")
    assert due(house.api, email="ada@example.org") == STRANGER | {"hide_asks": True}
    house.advance(days=89)
    assert due(house.api, email="ada@example.org")["hide_asks"] is True
    house.advance(days=1, minutes=1)
    assert due(house.api, email="ada@example.org") == STRANGER


def test_when_a_monthly_gift_ends_its_giver_is_due_nothing_once_the_quiet_days_are_over(house, settings):
    settings.ASK_QUIET_DAYS = 0
    house.give_and_pay(**MONTHLY)
    stopping.stop(Subscription.objects.get())
    house.catch_up()
    assert due(house.api)["tier"] == "friend"  # what is paid is kept
    house.advance(days=40)

    assert due(house.api) == STRANGER


def test_a_guest_of_the_newsroom_is_a_member(house):
    now = clock.now()
    member = members.get_or_join(email="grace@example.org", now=now)
    patron = Tier.objects.get(slug="patron")
    until = (now + timedelta(days=30)).date()
    members.give_complimentary(
        member=member, tier=patron, until=until, actor="staff:1", why="A prize.", now=now
    )

    assert due(house.api)["tier"] == "patron"


# --- Tokens -----------------------------------------------------------------------------------------


def unsigned() -> str:
    parts = ({"alg": "none", "typ": "JWT"}, {"aud": "sustainer", "exp": 9e9, "email": "grace@example.org"})
    told = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*told, ""])


REFUSED = {
    "none": lambda: unsigned(),
    "another key": lambda: token(secret="a secret that only somebody else knows of"),
    "another algorithm": lambda: token(algorithm="HS512", secret=SECRET * 2),
    "another audience": lambda: token(aud="somebody-else"),
    "no audience": lambda: token(aud=...),
    "no end": lambda: token(exp=...),
    "a long life": lambda: token(minutes=25 * 60),
    "an end that is no time": lambda: token(exp="tomorrow"),
    "an endless end": lambda: token(exp=1e300),
    "not yet": lambda: token(nbf=(clock.now() + timedelta(hours=1)).timestamp()),
    "nobody": lambda: token(email=...),
    "no address": lambda: token(email="grace"),
    "no id": lambda: token(email=..., sub="7"),
    "a list": lambda: token(email=["grace@example.org"]),
    "cut": lambda: token()[:-3],
    "text": lambda: "not.a.token",
    "very long": lambda: "x" * 5000,
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_token_that_is_not_to_be_believed_is_refused_and_its_reader_a_stranger(house, what):
    house.give_and_pay(**MONTHLY)
    given = REFUSED[what]()
    answer = ask(house.api, given)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_invalid")
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Cache-Control"] == "no-store"
    assert "grace" not in answer.content.decode()
    shown = ask(house.api, given, CAMPAIGN)
    assert shown.json()["show"] is True
    assert "private" in shown["Cache-Control"]


def test_an_expired_token_is_told_from_a_bad_one(house):
    answer = ask(house.api, token(minutes=-2))

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_expired")
    assert ask(house.api, token(minutes=-0.5)).status_code == 200  # clocks differ by a minute


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic Z3JhY2U6eA==", "Token x"])
def test_without_a_token_nothing_is_told(house, header):
    headers = {} if header is None else {"Authorization": header}
    answer = house.api.get(PATH, headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_missing")


def test_two_secrets_are_good_while_one_is_changed(house, settings):
    settings.READER_TOKEN_SECRETS = ["the new secret, which is long enough too", SECRET]
    assert ask(house.api, token()).status_code == 200
    settings.READER_TOKEN_SECRETS = []
    assert ask(house.api, token()).status_code == 401


# --- Kept for a while, and what happens when things break -------------------------------------------


def test_the_answer_is_kept_by_the_readers_browser_alone(house):
    answer = ask(house.api, token())

    assert answer["Cache-Control"] == "private, max-age=60"
    assert "Authorization" in answer["Vary"]
    assert ask(house.api, token(minutes=0.5))["Cache-Control"] in {
        "private, max-age=29",
        "private, max-age=30",
    }


def test_asking_again_costs_no_statement(house, django_assert_num_queries, django_assert_max_num_queries):
    house.give_and_pay(**MONTHLY)
    with django_assert_max_num_queries(4):
        first = ask(house.api, token())
    with django_assert_num_queries(0):
        assert ask(house.api, token()).json() == first.json()


def test_if_the_database_is_away_nobody_is_asked_for_whom_the_newspaper_vouches(house, monkeypatch):
    ask(house.api, path=CAMPAIGN)  # the appeal itself lies ready

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(entitlement, "_look_up", away)
    answer = ask(house.api, token())

    assert answer.json() == STRANGER | {"hide_asks": True}
    assert answer["Cache-Control"] == "no-store"
    assert ask(house.api, token(), CAMPAIGN).json()["hidden_because"] == "member"


def test_a_page_of_the_newspaper_may_ask(house):
    headers = {
        "Origin": "https://gazette.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    allowed = house.api.options(PATH, headers=headers)

    assert allowed["Access-Control-Allow-Origin"] == "https://gazette.example"
    assert "authorization" in allowed["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Origin" not in house.api.options(
        PATH, headers={**headers, "Origin": "https://evil.example"}
    )


# --- Appeals ----------------------------------------------------------------------------------------


def test_a_member_is_not_asked_and_a_stranger_beside_them_is(house):
    house.give_and_pay(**MONTHLY)
    member, stranger = (
        ask(house.api, token(email=who), CAMPAIGN) for who in ("grace@example.org", "c@example.org")
    )

    assert (member.json()["show"], member.json()["hidden_because"]) == (False, "member")
    assert stranger.json()["show"] is True
    assert all("private" in answer["Cache-Control"] for answer in (member, stranger))
    nobody = ask(house.api, path=CAMPAIGN)
    assert (nobody.json()["show"], "public" in nobody["Cache-Control"]) == (True, True)
    assert all("Authorization" in answer["Vary"] for answer in (member, nobody))


def test_the_lines_in_the_documents_make_a_token_that_we_take(house):
    house.give_and_pay(**MONTHLY)
    text = (Path(__file__).parents[2] / "docs/api.md").read_text()
    lines = re.search(r"```python\n(.*?)```", text.split("## Who reads: tokens")[1], re.DOTALL)
    assert lines
    names: dict[str, Any] = {"reader_email": "grace@example.org", "secret": SECRET}
    exec(lines[1], names)  # noqa: S102  # our own lines

    assert ask(house.api, names["token"]).json()["tier"] == "friend"
