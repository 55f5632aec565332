"""Reports over HTTP: for whom, what may be asked, and that their figures are those of the books."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from donations.models import Payment, ReportKey, Subscription
from donations.reports import catalogue, keys
from members import clock

REPORTS = "/api/v1/reports/"
NAMES = ["campaigns", "churn", "members", "mrr", "payouts", "recovery", "reminders", "retention", "revenue"]


def staff(*rights: str, **changes) -> User:
    user = User.objects.create(username="editor", **{"is_staff": True, **changes})
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return user


@pytest.fixture
def editor(db) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(staff("view_reports"))
    return client


def ask(client: Client, name: str, **params: object) -> dict:
    response = client.get(f"{REPORTS}{name}/", params)
    assert response.status_code == 200, response.content
    return response.json()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("a stranger", 401),
        ("a reader with an account", 403),
        ("staff without the right", 403),
        ("staff who left", 401),
        ("staff with the right", 200),
        ("an administrator", 200),
    ],
)
def test_only_staff_with_the_right_see_a_report(db, name, who, status):
    client = Client()
    if who == "a reader with an account":
        client.force_login(staff("view_reports", is_staff=False))
    elif who == "staff without the right":
        client.force_login(staff("export_data"))
    elif who == "staff who left":
        client.force_login(staff("view_reports", is_active=False))
    elif who == "staff with the right":
        client.force_login(staff("view_reports"))
    elif who == "an administrator":
        client.force_login(staff(is_superuser=True))

    response = client.get(f"{REPORTS}{name}/")

    assert response.status_code == status
    assert response["Cache-Control"] == "no-store"
    if status == 200:
        assert response.json()["definition"]


def test_the_catalogue_is_what_is_promised():
    assert catalogue.names() == NAMES


def test_a_report_that_is_not_there_is_not_there(editor):
    assert editor.get(f"{REPORTS}everything/").status_code == 404


@pytest.mark.parametrize(
    ("params", "field", "code"),
    [
        ({"from": "2026-02-30"}, "from", "invalid"),
        ({"from": "2020-02-10", "to": "2020-02-09"}, "from", "period_reversed"),
        ({"to": "2199-01-01"}, "to", "in_the_future"),
        ({"known_at": "2199-01-01T00:00:00Z"}, "known_at", "in_the_future"),
        ({"from": "2015-01-01", "to": "2019-12-31", "granularity": "day"}, "from", "period_too_long"),
        ({"granularity": "hour"}, "granularity", "invalid_choice"),
        ({"currency": "usd"}, "currency", "unknown_currency"),
        ({"campaign": "no-such"}, "campaign", "unknown_campaign"),
        ({"form": "2020-01-01"}, "form", "unknown_field"),
        ({"explain": "1"}, "figure", "required"),
        ({"explain": "1", "figure": "luck"}, "figure", "unknown_figure"),
        ({"page": "0"}, "page", "min_value"),
        ({"page_size": "501"}, "page_size", "max_value"),
    ],
)
def test_a_question_that_is_wrong_is_refused_with_its_reason(editor, params, field, code):
    response = editor.get(f"{REPORTS}revenue/", params)

    assert response.status_code == 400
    assert response.json()["error"]["fields"][field][0]["code"] == code


def test_what_was_known_before_is_refused_where_it_was_not_kept(editor):
    response = editor.get(f"{REPORTS}payouts/", {"known_at": "2026-01-01T00:00:00Z"})

    assert response.status_code == 400
    assert response.json()["error"]["fields"]["known_at"][0]["code"] == "known_at_not_kept"


def test_a_key_opens_reports_while_its_owner_may_see_them(db):
    owner, now = staff("view_reports"), clock.now()
    key, text = keys.make(purpose="a spreadsheet", owner=owner, expires_at=now + timedelta(days=1), now=now)
    client = Client(headers={"Authorization": f"Bearer {text}"})

    def status() -> int:
        return client.get(f"{REPORTS}mrr/").status_code

    assert status() == 200
    assert text not in str(ReportKey.objects.values().get())
    assert ReportKey.objects.get().last_used_on == now.date()
    owner.user_permissions.clear()
    assert status() == 403
    owner.user_permissions.set(Permission.objects.filter(codename="view_reports"))
    assert status() == 200
    assert keys.revoke(key, now=now)
    assert not keys.revoke(key, now=now)
    refused = client.get(f"{REPORTS}mrr/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_key")


def test_a_key_that_is_over_or_of_somebody_who_left_opens_nothing(db):
    owner, now = staff(is_superuser=True), clock.now()
    _, over = keys.make(purpose="old", owner=owner, expires_at=now - timedelta(seconds=1), now=now)
    _, good = keys.make(purpose="new", owner=owner, expires_at=now + timedelta(days=1), now=now)

    assert keys.owner_of(over, now=now) is None
    assert keys.owner_of(good + "x", now=now) is None
    assert keys.owner_of(good, now=now) == owner
    User.objects.update(is_active=False)
    assert keys.owner_of(good, now=now) is None


def test_a_year_of_gifts_is_told_as_the_books_have_it(house, editor):
    house.give_and_pay(amount=2500)
    house.give_and_pay(amount=500, email="grace@example.org", interval="month")
    house.give_and_pay(amount=6000, email="hedy@example.org", interval="year", cover_fees=True)
    house.begin(amount=700, email="charlie@example.org")
    for _ in range(2):
        house.advance(days=31)
    house.stripe.refund(Payment.objects.get(amount_minor=2500).stripe_charge_id, 1000)
    house.catch_up()
    paid = Payment.objects.filter(state="SUCCEEDED")

    gross = sum(payment.amount_minor for payment in paid)
    revenue = ask(editor, "revenue", granularity="year")["data"]["USD"]
    assert sum(part["gross"] for part in revenue) == gross
    assert sum(part["kept"] for part in revenue) == gross - 1000
    yearly = [part["by_interval"]["year"]["gross"] for part in revenue if "year" in part["by_interval"]]
    assert sum(yearly) == sum(
        payment.amount_minor for payment in paid if payment.contribution.interval == "year"
    )
    mrr = ask(editor, "mrr")["data"]["USD"]
    assert mrr[-1]["closing"]["twelfths"] == 500 * 12 + 6000
    people = ask(editor, "members")["data"]
    assert people["parts"][-1]["recurring"] == Subscription.objects.filter(state="ACTIVE").count() == 2
    assert people["parts"][-1]["active_donors"] == 3
    assert sum(part["new_donors"] for part in people["parts"]) == 3
    assert people["average_gift"]["USD"] == {"gifts": 1, "sum": 2500, "mean": 2500, "median": 2500}
    campaigns = ask(editor, "campaigns")["data"]
    assert campaigns[0]["direct"] == {"numerator": 3, "denominator": 4, "value": 0.75}
    assert campaigns[0]["revenue"]["USD"]["kept"] == gross - 1000
    recovery = ask(editor, "recovery")["data"]
    assert recovery["renewals"]["currencies"]["USD"]["failed"]["numerator"] == 0
    assert recovery["renewals"]["currencies"]["USD"]["recovered"]["value"] is None
    assert recovery["upcoming"]["renewals"]["USD"] == {"count": 1, "value": 500}
    assert recovery["fee_cover"]["USD"]["rate"]["numerator"] == 1
    assert recovery["disputes"]["USD"]["numerator"] == 0
    payouts = ask(editor, "payouts")["data"]
    assert payouts["do_not_fit"] == []


def test_the_rows_behind_a_figure_come_in_pages_and_add_up(house, editor):
    for number in range(3):
        house.give_and_pay(amount=1000 + number, email=f"reader{number}@example.org", interval="month")
    rows = []
    for page in (1, 2):
        answer = ask(editor, "revenue", explain="1", figure="gross", page=page, page_size=2)
        assert (answer["count"], answer["pages"], answer["total"]) == (3, 2, {"USD": 3003})
        rows += answer["rows"]
    assert sum(row["value"] for row in rows) == 3003
    plans = ask(editor, "mrr", explain="1", figure="closing")
    assert sum(row["twelfths"] for row in plans["rows"]) == plans["total"]["USD"] == 3003 * 12
    assert "@" not in str(rows) + str(plans)


def test_a_key_is_made_in_the_admin_shown_once_and_revoked(editor):
    wanted = {"purpose": "a spreadsheet", "expires_at_0": "2199-01-01", "expires_at_1": "00:00:00"}
    page = editor.post("/admin/donations/reportkey/add/", wanted, follow=True).content.decode()
    text = next(word for word in page.replace("<", " ").split() if word.startswith(keys.PREFIX))
    program = Client(headers={"Authorization": f"Bearer {text}"})
    assert program.get(f"{REPORTS}mrr/").status_code == 200
    assert keys.PREFIX not in editor.get("/admin/donations/reportkey/").content.decode()

    revoke = {"action": "revoke", "_selected_action": [ReportKey.objects.get().pk]}
    editor.post("/admin/donations/reportkey/", revoke)

    assert program.get(f"{REPORTS}mrr/").status_code == 401


def test_staff_see_no_key_of_others(editor):
    other = User.objects.create(username="other", is_staff=True)
    now = clock.now()
    keys.make(purpose="theirs", owner=other, expires_at=now + timedelta(days=1), now=now)

    assert "theirs" not in editor.get("/admin/donations/reportkey/").content.decode()
