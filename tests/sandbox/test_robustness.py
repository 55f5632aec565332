"""
Whatever a program sends, the sandbox answers as Stripe would: it accepts, or it says what is wrong. It never breaks.
"""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import stripe
from werkzeug.test import Client

from sandbox import params
from sandbox.routes import ROUTES, Route
from sandbox.server import Running, Sandbox
from tests.sandbox.conftest import KEY, START
from tests.sandbox.gifts import once, regularly
from tests.stripe_contract import check_answer

VALUES = (
    "", "x", "-1", "0", "5", "99999999999999999999999999", "true", "eur", "\u0000", "\U0001f600", "a@b.org",
    "https://a.org", "x" * 6000,
)  # fmt: skip
SHAPES = ("", "[0]", "[]", "[x]", "[type]", "[0][price]", "[enabled]", "[x][y][z]", "[5]", "[0][id]")


@pytest.fixture
def ids(client: stripe.StripeClient, running: Running) -> tuple[Sandbox, dict[str, list[str]]]:
    """A sandbox with something of everything in it, and the ids of all that by kind."""
    sandbox = running.use(Sandbox(system_time=lambda: START))
    sandbox.pay(once(client).id, card="4000000000001976")
    sandbox.pay(once(client).id)
    once(client)
    paid = sandbox.pay(regularly(client).id)
    client.v1.refunds.create({"charge": client.v1.charges.list().data[1].id, "amount": 100})
    client.v1.setup_intents.create({"customer": paid["customer"]})
    client.v1.billing_portal.configurations.create({"features": {"invoice_history": {"enabled": True}}})
    client.v1.webhook_endpoints.create({"url": "https://news.example.org", "enabled_events": ["charge.x"]})
    return sandbox, {kind: list(found) for kind, found in sandbox.account.kinds.items()}


def forms(route: Route, dice: random.Random, known: list[str]) -> list[dict[str, str]]:
    """Some wild forms for a call: each of its parameters in wrong shapes and with wrong values, and two together."""
    fields = [*route.fields, "expand", "unheard_of"]
    made = []
    for field in fields:
        for _ in range(4):
            form = {field + dice.choice(SHAPES): dice.choice((*VALUES, *known))}
            form[dice.choice(fields) + dice.choice(SHAPES)] = dice.choice((*VALUES, *known))
            made.append(form)
    return made


def a_value(kind: params.Kind, name: str, dice: random.Random, kinds: dict[str, list[str]]) -> Any:
    """Something that fits a kind of parameter and often makes sense; ids are of the kind that the name speaks of."""
    match kind:
        case params.Group(fields):
            chosen = dice.sample(sorted(fields), dice.randint(0, len(fields)))
            return {key: a_value(fields[key], key, dice, kinds) for key in sorted({*chosen, *kind.needed})}
        case params.Many(of):
            return [a_value(of, name, dice, kinds) for _ in range(dice.randint(1, 2))]
        case params.Either(group, plain):
            return a_value(dice.choice([group, plain]), name, dice, kinds)
        case params.OneOf(words):
            return dice.choice(words)
        case params.Flag():
            return dice.choice(["true", "false"])
        case params.Whole() | params.Exact():
            return dice.choice(["0", "1", "100", "1500", str(int(START) + 7200), str(int(START) + 10**7)])
        case params.Metadata():
            return {"note": dice.choice(["x", ""])}
        case params.Url() | params.Email() | params.Address():
            return {"Url": "https://a.org", "Email": "a@b.org", "Address": {"city": "London"}}[
                type(kind).__name__
            ]
    if name == "currency":
        return dice.choice(["eur", "usd", "jpy"])
    named = {"default_payment_method": "payment_method", "id": "subscription_item"}.get(name, name)
    return dice.choice([*kinds.get(named, ["pm_card_visa"]), "x"])


def flat(value: Any, name: str) -> list[tuple[str, str]]:
    """A nested wish as the fields of a form."""
    if isinstance(value, dict):
        return [
            pair for key, inner in value.items() for pair in flat(inner, f"{name}[{key}]" if name else key)
        ]
    if isinstance(value, list):
        return [pair for number, inner in enumerate(value) for pair in flat(inner, f"{name}[{number}]")]
    return [(name, value)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_sensible_call_breaks_the_sandbox(ids: tuple[Sandbox, dict[str, list[str]]], seed: int) -> None:
    sandbox, _ = ids
    dice = random.Random(seed)
    browser = Client(sandbox)
    broken: list[Any] = []
    accepted = 0
    for route in ROUTES * 6:
        kinds = {kind: list(found) for kind, found in sandbox.account.kinds.items()}
        kinds["subscription_item"] = [
            item["id"]
            for subscription in sandbox.account.all("subscription")
            for item in subscription["items"]["data"]
        ]
        folder = route.path.split("/<")[0].rsplit("/v1/", 1)[-1].rstrip("s").replace("/session", ".session")
        own = kinds.get(folder.replace("/", ".").replace("early_fraud", "early_fraud"), ["x"])
        path = route.path.replace("<id>", dice.choice(own)).replace(
            "<customer>", dice.choice(kinds["customer"])
        )
        wish = a_value(params.Group(route.fields, route.needed), "", dice, kinds)
        if route.method != "POST":
            wish = {key: value for key, value in wish.items() if dice.random() < 0.3 or key in route.needed}
        form = urlencode(flat(wish, ""))
        answer = browser.open(
            path,
            method=route.method,
            query_string=form if route.method != "POST" else None,
            data=form if route.method == "POST" else None,
            content_type="application/x-www-form-urlencoded",
            headers={"Authorization": f"Bearer {KEY}"},
        )
        accepted += answer.status_code == 200
        problems = check_answer(json.loads(answer.data))
        if answer.status_code not in (200, 400, 402, 404) or problems:
            broken.append((route.method, path, wish, answer.status_code, problems))
        if dice.random() < 0.02:
            sandbox.advance(timedelta(days=dice.choice([1, 33])))
    assert broken == []
    assert accepted > 100
    assert [problem for obj in sandbox.account.objects.values() for problem in check_answer(obj)] == []


@pytest.mark.parametrize("seed", [1, 2])
def test_no_call_breaks_the_sandbox(ids: tuple[Sandbox, dict[str, list[str]]], seed: int) -> None:
    sandbox, kinds = ids
    known = [id for found in kinds.values() for id in found]
    dice = random.Random(seed)
    browser = Client(sandbox)
    broken: list[Any] = []
    for route in ROUTES:
        for form in [{}, *forms(route, dice, known)]:
            path = route.path.replace("<id>", dice.choice(known)).replace("<customer>", dice.choice(known))
            answer = browser.open(
                path,
                method=route.method,
                query_string=form if route.method != "POST" else None,
                data=urlencode(form) if route.method == "POST" else None,
                content_type="application/x-www-form-urlencoded",
                headers={"Authorization": f"Bearer {KEY}"},
            )
            problems = check_answer(json.loads(answer.data))
            if answer.status_code not in (200, 400, 402, 404) or problems:
                broken.append((route.method, path, form, answer.status_code, problems))
    assert broken == []
    assert [problem for obj in sandbox.account.objects.values() for problem in check_answer(obj)] == []
