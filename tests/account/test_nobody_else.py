"""Every route of the account, walked as another member and as a stranger: nobody sees what is not theirs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from donations.account import page_urls, urls
from donations.models import Contribution, Payment
from tests.account.conftest import ADA, GRACE
from tests.house import House

METHODS = ("get", "post", "put", "patch", "delete")
# What a stranger may open: the ways in and out.
OPEN = {"sign-in", "sign-in-sent", "open", "sign-out"}
# Links that a mail brought: whose they are is tested in test_personal.
BY_TOKEN = {"open", "confirm-address"}


def routes(namespace: str, patterns: list[URLPattern]) -> Iterator[tuple[str, URLPattern, set[str]]]:
    for pattern in patterns:
        yield f"{namespace}:{pattern.name}", pattern, set(pattern.pattern.converters)


def graces(name: str, wants: set[str]) -> str:
    """The address of this route for something of Grace's."""
    payment = Payment.objects.get(contribution__interval="month")
    is_payment = "payment" in name or "receipt" in name
    known = {
        "public_id": payment.public_id if is_payment else payment.contribution.public_id,
        "year": payment.paid_at.year if payment.paid_at else 0,
        "token": "a" * 43,
    }
    return reverse(name, kwargs={key: known[key] for key in wants})


ALL = [*routes("account", page_urls.urlpatterns), *routes("me", urls.urlpatterns)]


def test_a_stranger_is_asked_to_sign_in_on_every_route(givers: House) -> None:
    for name, pattern, wants in ALL:
        address = graces(name, wants)
        for method in METHODS:
            answer = getattr(Client(), method)(address)
            if name.startswith("me:"):
                assert answer.status_code == 401, (method, address)
                assert answer.json()["error"]["code"] == "token_missing"
            elif pattern.name not in OPEN:
                assert answer.status_code in (303, 405), (method, address, answer.status_code)
                if answer.status_code == 303:
                    assert answer["Location"].startswith("/account/sign-in/"), address


def test_another_members_id_is_nobodys_on_every_route(
    givers: House, browser_of, program_of, settings
) -> None:
    settings.READER_CHANGES_PER_HOUR = 0  # nobody walks through all of them within an hour
    walked = 0
    for name, pattern, wants in ALL:
        if "public_id" not in wants:
            continue
        walked += 1
        address = graces(name, wants)
        owner = program_of(GRACE) if name.startswith("me:") else browser_of(GRACE)
        other = program_of(ADA) if name.startswith("me:") else browser_of(ADA)
        seen = {method: getattr(owner, method)(address).status_code for method in ("get",)}
        assert 200 in seen.values() or pattern.name not in ("contribution", "receipt", "payment"), address
        for method in METHODS:
            answer = getattr(other, method)(address)
            assert answer.status_code in (404, 405), (method, address, answer.status_code)
    assert walked >= 6
    assert Contribution.objects.count() == 2


def test_what_needs_no_id_shows_ones_own(givers: House, browser_of, program_of) -> None:
    for name, pattern, wants in ALL:
        if "public_id" in wants or pattern.name in BY_TOKEN:
            continue
        client = program_of(ADA) if name.startswith("me:") else browser_of(ADA)
        answer = client.get(graces(name, wants))
        if answer.status_code != 200 or answer["Content-Type"] == "application/pdf":
            continue
        body = answer.content.decode()
        assert "Grace" not in body, name
        assert GRACE not in body, name


@pytest.mark.parametrize(
    "strange", ["0", "1", "../..", "x" * 300, "%00", "00000000-0000-0000-0000-000000000000"]
)
def test_what_is_no_id_is_nobodys_either(givers: House, browser_of, program_of, strange: str) -> None:
    for path in ("payments", "contributions"):
        assert browser_of(ADA).get(f"/account/{path}/{strange}/").status_code == 404
        assert program_of(ADA).get(f"/api/v1/me/{path}/{strange}/").status_code == 404


def test_the_newspapers_token_opens_no_account(givers: House, settings) -> None:
    """With it the newspaper's site says who reads; it is no proof that the reader asked."""
    import jwt

    from members import clock

    settings.READER_TOKEN_SECRETS = ["s" * 32]
    claims = {"aud": "sustainer", "email": GRACE, "exp": int(clock.now().timestamp()) + 600}
    token = jwt.encode(claims, "s" * 32, algorithm="HS256")

    assert Client().get("/api/v1/me/", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_staff_are_no_readers(givers: House, admin_client: Client) -> None:
    assert admin_client.get("/account/").status_code == 303
    assert admin_client.get("/api/v1/me/").status_code == 401
