"""In a large house reports open at once, as of a moment that they tell; in a small one they are of this moment."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from donations import tasks
from donations.models import KeptAnswer
from donations.reports import catalogue, kept
from members import clock
from tests.donations.test_query_ceilings import counting

API, PAGE = "/api/v1/reports/", "/admin/reports/"


@pytest.fixture
def editor(db) -> Client:
    user = User.objects.create(username="editor", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_reports"))
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(user)
    return client


@pytest.fixture
def large(house, monkeypatch):
    """A house that counts as large with one member."""
    house.give_and_pay(amount=500, interval="month", email="grace@example.org")
    monkeypatch.setattr(kept, "LARGE", 0)
    return house


def figures(client: Client, name: str) -> dict:
    answer = client.get(f"{API}{name}/")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_a_small_house_keeps_nothing_and_tells_what_is(house, editor):
    house.give_and_pay(amount=500, interval="month", email="grace@example.org")
    before = figures(editor, "members")["data"]["parts"][-1]["recurring"]
    house.give_and_pay(amount=500, interval="month", email="hedy@example.org")
    tasks.reckon_reports()

    assert (before, figures(editor, "members")["data"]["parts"][-1]["recurring"]) == (1, 2)
    assert not KeptAnswer.objects.exists()


def test_a_large_house_says_that_it_reckons_and_then_answers_at_once(large, editor):
    early = editor.get(f"{API}members/")
    assert early.status_code == 503
    assert early.json()["error"]["code"] == "report_not_ready"
    assert early["Retry-After"]
    assert "reckoned for the first time" in editor.get(PAGE).content.decode()

    tasks.reckon_reports()

    for name in catalogue.names():
        with counting() as cost:
            figures(editor, name)
        assert len(cost) <= 12, cost
    assert editor.get(PAGE).status_code == 200
    told, live = figures(editor, "mrr"), catalogue.get("mrr").answer(catalogue.usual(clock.now()))
    assert told["data"] == kept._as_told(live)


def test_an_answer_is_as_of_its_moment_until_it_is_reckoned_anew(large, editor, monkeypatch):
    tasks.reckon_reports()
    then = figures(editor, "members")
    large.give_and_pay(amount=500, interval="month", email="hedy@example.org")
    tasks.reckon_reports()
    assert figures(editor, "members")["data"] == then["data"], "it is fresh enough"
    assert figures(editor, "members")["as_of"] == then["as_of"]

    now = clock.now() + kept.FRESH
    monkeypatch.setattr(clock, "now", lambda: now)
    assert "As of" in editor.get(PAGE).content.decode()
    tasks.reckon_reports()

    told = figures(editor, "members")
    assert told["data"]["parts"][-1]["recurring"] == 2
    assert told["as_of"] > then["as_of"]


def test_revenue_is_never_kept(large, editor):
    before = figures(editor, "revenue")["data"]["USD"][-1]["gross"]
    large.give_and_pay(amount=700, email="hedy@example.org")

    assert figures(editor, "revenue")["data"]["USD"][-1]["gross"] == before + 700


def test_a_question_of_its_own_is_reckoned_and_forgotten_when_nobody_asks_any_more(large, editor):
    tasks.reckon_reports()
    usual = KeptAnswer.objects.count()
    asked = f"{API}churn/?granularity=year&currency=USD"
    assert editor.get(asked).status_code == 503
    tasks.reckon_reports()
    assert editor.get(asked).status_code == 200
    assert KeptAnswer.objects.count() == usual + 1

    kept.reckon(now=clock.now() + kept.WANTED + timedelta(minutes=1))

    assert not KeptAnswer.objects.filter(asked__granularity="year").exists()


def test_one_report_that_cannot_be_made_holds_up_no_other(large, editor, monkeypatch):
    def broken(asked, now):
        raise ZeroDivisionError

    monkeypatch.setitem(kept._makers, "churn", broken)
    tasks.reckon_reports()

    assert editor.get(f"{API}churn/").status_code == 503
    assert editor.get(f"{API}mrr/").status_code == 200
