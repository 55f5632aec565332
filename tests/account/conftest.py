"""Readers with accounts: Grace gives every month, Ada gave once; Charlie never gave, and has none."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.test import Client

from members import clock, outbox, services, sessions
from members import queries as members
from tests.house import House

ADA, GRACE, CHARLIE = "ada@example.org", "grace@example.org", "charlie@example.org"


@pytest.fixture
def readers(db: None) -> None:
    """Grace and Ada, known by their addresses; no money has moved."""
    for email, name in ((GRACE, "Grace Sample"), (ADA, "Ada Sample")):
        services.get_or_join(email=email, name=name, locale="en", now=clock.now())


@pytest.fixture
def givers(house: House) -> House:
    """A house in which Grace gives five dollars a month, and Ada gave twenty-five once."""
    house.give_and_pay(interval="month", amount=500, email=GRACE, name="Grace Sample")
    house.give_and_pay("5555555555554444", email=ADA, name="Ada Sample")
    mail.outbox.clear()
    return house


def link_in_mail() -> str:
    """The path of the link in the last mail."""
    outbox.deliver_due(now=clock.now())
    found = re.search(r"https?://\S+/account/sign-in/\S+", mail.outbox[-1].body)
    assert found, mail.outbox[-1].body
    parts = urlsplit(found[0])
    return f"{parts.path}?{parts.query}"


def sign_in(client: Client, email: str) -> Client:
    """As a reader does it: ask, look into the mail, open the link, press the button."""
    assert client.post("/account/sign-in/", {"email": email}).status_code == 303
    path = link_in_mail()
    assert client.get(path).status_code == 200
    assert client.post(path).status_code == 303
    return client


@pytest.fixture
def browser_of() -> Callable[[str], Client]:
    """A browser in which the reader of this address is signed in, by the shortest way."""

    def make(email: str) -> Client:
        reader = members.get_member(email)
        assert reader is not None
        client = Client()
        client.cookies["reader"] = sessions.begin(reader.person, sessions.Kind.COOKIE, now=clock.now())
        return client

    return make


@pytest.fixture
def program_of() -> Callable[[str], Any]:
    """A client of the API with the token of this address's reader."""

    def make(email: str) -> Client:
        reader = members.get_member(email)
        assert reader is not None
        key = sessions.begin(reader.person, sessions.Kind.BEARER, now=clock.now())
        return Client(headers={"Authorization": f"Bearer {key}"})

    return make
