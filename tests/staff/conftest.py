"""The membership team: Vera looks, Sam answers letters, Fina keeps the books, Ed writes, Adam sets things up."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from members.models import Member
from staff import roles
from tests.house import House

PASSWORD = "a long pass-phrase of the tests"
GRACE = {"email": "Gracelyn.Sample-Reader@example.org", "name": "Gracelyn Sample-Reader"}
TRACES = ("gracelyn", "sample-reader", "example.org")


def somebody(role: str, name: str = "") -> User:
    """An account of staff with one role; "superuser" has them all, and "none" has none."""
    user = User.objects.create_user(name or role, password=PASSWORD, is_staff=True)
    user.is_superuser = role == "superuser"
    user.save()
    if role in roles.ROLES:
        user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def desk_of(db: None) -> Callable[[str], Client]:
    """A browser in which somebody with that role is signed in, second factor and all."""
    known: dict[str, Client] = {}

    def sign_in(role: str) -> Client:
        if role not in known:
            known[role] = Client()
            known[role].force_login(somebody(role))
        return known[role]

    return sign_in


@pytest.fixture
def grace(house: House) -> Member:
    """A reader who gives every month, with an address and a name that nobody may see by the way."""
    house.give_and_pay(interval="month", amount=500, locale="en", **GRACE)
    return Member.objects.get()
