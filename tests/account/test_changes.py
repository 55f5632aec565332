"""Grace changes her contribution, on the pages and through the API; nobody else can."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from donations.models import Contribution, ContributionChange, Leaving, Payment, Subscription, Withdrawal
from members import clock
from members.models import Message
from tests.account.conftest import ADA, GRACE
from tests.paper import Page

API_ROUTES = [
    ("get", "standing", {}),
    ("get", "preview", {"amount": "800"}),
    ("post", "change", {"amount": 800, "version": "x"}),
    ("post", "pause", {"payments": 1, "version": "x"}),
    ("post", "resume", {"version": "x"}),
    ("post", "stop", {}),
    ("post", "keep", {}),
    ("post", "undo", {}),
    ("post", "make-one-time", {}),
    ("post", "card", {}),
    ("post", "withdraw", {"confirm": True}),
]
PAGE_ROUTES = [
    "change", "pause", "resume", "stop", "stop/begin", "keep", "undo", "card", "make-one-time", "withdraw",
]  # fmt: skip


def gift_of(email: str) -> Contribution:
    interval = "month" if email == GRACE else "once"
    return Contribution.objects.get(interval=interval)


def call(client: Any, route: str, **body: Any) -> Any:
    address = f"/api/v1/me/contributions/{gift_of(GRACE).public_id}/{route}/"
    return client.post(address, body, content_type="application/json")


def told(client: Any) -> dict[str, Any]:
    answer = client.get(f"/api/v1/me/contributions/{gift_of(GRACE).public_id}/standing/")
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def path(route: str = "") -> str:
    return f"/account/contributions/{gift_of(GRACE).public_id}/" + (f"{route}/" if route else "")


def look(client: Any, route: str = "", **query: str) -> Page:
    answer = client.get(path(route), query)
    assert answer.status_code == 200, answer.content
    return Page(answer.content.decode())


def press(client: Any, route: str, **fields: str) -> Any:
    answer = client.post(path(route), fields)
    assert answer.status_code == 303, answer.content
    return answer


# --- Whose it is ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "route", "body"), API_ROUTES)
def test_to_anybody_else_it_does_not_exist(
    givers: Any, program_of: Any, client: Any, method: str, route: str, body: Any
) -> None:
    address = f"/api/v1/me/contributions/{gift_of(GRACE).public_id}/{route}/"
    options = {"content_type": "application/json"} if method == "post" else {}

    other = getattr(program_of(ADA), method)(address, body, **options)
    stranger = getattr(client, method)(address, body, **options)

    assert (other.status_code, other.json()["error"]["code"]) == (404, "not_found")
    assert stranger.status_code == 401
    assert not ContributionChange.objects.exists()


@pytest.mark.parametrize("route", PAGE_ROUTES)
def test_nor_do_its_pages(givers: Any, browser_of: Any, client: Any, route: str) -> None:
    answer = browser_of(ADA).post(path(route))
    assert answer.status_code == 404
    assert client.post(path(route)).headers["Location"].startswith("/account/sign-in/")
    assert not ContributionChange.objects.exists()


def test_a_browser_needs_its_own_form(givers: Any, browser_of: Any) -> None:
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser_of(GRACE).cookies
    assert strict.post(path("stop")).status_code == 403
    assert call(strict, "stop").status_code == 403


@pytest.mark.parametrize("route", PAGE_ROUTES)
def test_looking_changes_nothing(givers: Any, browser_of: Any, route: str) -> None:
    browser_of(GRACE).get(path(route), {"amount": "8", "interval": "month"})
    assert not ContributionChange.objects.exists()
    assert not Withdrawal.objects.exists()
    assert not Leaving.objects.exists()


# --- Through the API --------------------------------------------------------------------------------------


def test_amount_and_fee_are_previewed_and_changed(givers: Any, program_of: Any) -> None:
    grace = program_of(GRACE)
    before = told(grace)
    assert (before["amount"], before["fee_cover"], before["pause_payments"]) == (500, 0, 3)
    query = {"amount": "1000", "cover_fees": "true"}
    shown = grace.get(f"/api/v1/me/contributions/{gift_of(GRACE).public_id}/preview/", query).json()
    assert (shown["total"], shown["version"]) == (1061, before["version"])

    answer = call(grace, "change", amount=1000, cover_fees=True, version=shown["version"])

    assert answer.status_code == 200, answer.content
    after = answer.json()
    assert (after["amount"], after["total"], after["is_pending"]) == (1000, 1061, True)
    givers.catch_up()
    confirmed = told(grace)
    assert (confirmed["total"], confirmed["is_pending"]) == (1061, False)
    assert confirmed["version"] == after["version"]


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"amount": 1}, 400, "amount_too_small", "amount"),
        ({"amount": 0}, 400, "min_value", "amount"),
        ({"amount": "8.00"}, 400, "invalid", "amount"),
        ({"amount": 10**9}, 400, "amount_too_large", "amount"),
        ({"interval": "week"}, 400, "invalid", "interval"),
        ({"currency": "EUR"}, 400, "unknown_field", "currency"),
        ({"cover_fees": "yes"}, 400, "invalid", "cover_fees"),
        ({}, 400, "unchanged", "amount"),
    ],
)
def test_what_cannot_be_names_the_field(
    givers: Any, program_of: Any, body: Any, status: int, code: str, field: str
) -> None:
    grace = program_of(GRACE)
    answer = call(grace, "change", version=told(grace)["version"], **body)
    assert answer.status_code == status
    assert answer.json()["error"]["fields"][field][0]["code"] == code
    assert not ContributionChange.objects.exists()


def test_two_windows_do_not_overwrite_each_other(givers: Any, program_of: Any) -> None:
    grace = program_of(GRACE)
    seen = told(grace)["version"]
    assert call(grace, "change", amount=800, version=seen).status_code == 200
    again = call(grace, "change", amount=900, version=seen)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "changed_meanwhile")
    assert call(grace, "change", amount=800, version=seen).status_code == 200, "the same again is the same"
    assert told(grace)["amount"] == 800


def test_pause_resume_stop_keep_and_undo(givers: Any, program_of: Any) -> None:
    grace = program_of(GRACE)
    paused = call(grace, "pause", payments=2, version=told(grace)["version"]).json()
    assert paused["is_paused"]
    assert paused["resumes_at"]
    givers.catch_up()
    going = call(grace, "resume", version=told(grace)["version"]).json()
    assert not going["is_paused"]
    givers.catch_up()
    stopped = call(grace, "stop", reason="too_expensive").json()
    assert stopped["ends_at"]
    assert stopped["can_keep"]
    givers.catch_up()
    assert call(grace, "stop").status_code == 200, "stopping twice is no error"
    kept = call(grace, "keep").json()
    assert kept["ends_at"] is None
    givers.catch_up()
    assert call(grace, "undo").json()["ends_at"], "and that is undone"
    assert [row.kind for row in ContributionChange.objects.order_by("pk")] == [
        "PAUSE",
        "RESUME",
        "STOP",
        "KEEP",
        "STOP",
    ]


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("pause", {"payments": 4, "version": "x"}),
        ("pause", {"payments": True, "version": "x"}),
        ("stop", {"reason": "because"}),
        ("withdraw", {"confirm": False}),
        ("withdraw", {}),
        ("change", {"amount": 800}),
    ],
)
def test_bad_bodies_are_refused(givers: Any, program_of: Any, route: str, body: Any) -> None:
    grace = program_of(GRACE)
    if "version" in body:
        body = {**body, "version": told(grace)["version"]}
    assert call(grace, route, **body).status_code == 400
    assert not ContributionChange.objects.exists()


def test_after_the_end_it_says_so_and_leads_back(givers: Any, program_of: Any) -> None:
    grace = program_of(GRACE)
    call(grace, "stop")
    givers.catch_up()
    givers.advance(days=32)
    grace = program_of(GRACE)
    after = told(grace)
    assert after["has_ended"]
    assert "/support/again/" in after["come_back_url"]
    for route, body in (
        ("stop", {}),
        ("keep", {}),
        ("card", {}),
        ("pause", {"payments": 1, "version": after["version"]}),
    ):
        answer = call(grace, route, **body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "has_ended"), route


def test_a_gift_given_once_can_only_be_looked_at(givers: Any, program_of: Any) -> None:
    address = f"/api/v1/me/contributions/{gift_of(ADA).public_id}/"
    for method, route, body in API_ROUTES:
        if route in ("card", "withdraw"):
            continue
        options = {"content_type": "application/json"} if method == "post" else {}
        answer = getattr(program_of(ADA), method)(address + f"{route}/", body, **options)
        assert answer.status_code == 409, route


def test_when_stripe_is_away_nothing_changes(givers: Any, program_of: Any) -> None:
    grace = program_of(GRACE)
    givers.stripe.fault("POST /v1/subscriptions/*", "unavailable", times=9)
    answer = call(grace, "change", amount=800, version=told(grace)["version"])
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert told(grace)["amount"] == 500


# --- On the pages -------------------------------------------------------------------------------------------


def test_the_page_shows_what_can_be_done_and_what_was(givers: Any, browser_of: Any) -> None:
    grace = browser_of(GRACE)
    first = look(grace)
    for words in ("Amount, interval or fee", "Pause", "Stop my contribution", "I meant to give once"):
        assert words in first.text
    assert "Withdraw from contract here" in first.text

    preview = look(grace, "change", amount="8", interval="month", cover_fees="1")
    assert "$8.00" not in first.text
    assert "$8.55 each month" in preview.text
    press(grace, "change", **preview.fields)
    assert "From the next payment on you give $8.55 each month." in look(grace).text
    givers.catch_up()
    press(grace, "undo")
    givers.catch_up()
    assert "You give $5.00 each month" in look(grace, "pause").text


def test_bad_amounts_are_explained_beside_the_field(givers: Any, browser_of: Any) -> None:
    grace = browser_of(GRACE)
    for amount, words in (("x", "not possible"), ("0.01", "less than the least"), ("", "not possible")):
        answer = grace.get(path("change"), {"amount": amount, "interval": "month"})
        assert answer.status_code == 400
        assert words in answer.content.decode()


def test_a_stale_form_does_nothing_and_says_why(givers: Any, browser_of: Any) -> None:
    grace = browser_of(GRACE)
    stale = look(grace, "pause").fields
    press(grace, "change", **look(grace, "change", amount="8", interval="month").fields)
    answer = grace.post(path("pause"), stale)
    assert answer.status_code == 409
    assert "Something has changed meanwhile" in answer.content.decode()


def test_stopping_takes_one_page_and_offers_once_what_else_there_is(givers: Any, browser_of: Any) -> None:
    grace = browser_of(GRACE)
    page = look(grace, "stop")
    for words in ("Give less", "Pause", "Give once a year", "You need not."):
        assert words in page.text
    press(grace, "stop", reason="seldom_read")
    givers.catch_up()
    assert ContributionChange.objects.get().reason == "seldom_read"
    after = look(grace)
    assert "Go on giving" in after.text
    press(grace, "keep")
    givers.catch_up()
    assert Subscription.objects.get().cancel_at is None


def test_who_pauses_instead_of_stopping_is_counted_as_saved(givers: Any, browser_of: Any) -> None:
    grace = browser_of(GRACE)
    press(grace, "pause", **look(grace, "pause", instead="1").fields)
    assert ContributionChange.objects.get().instead_of_stopping


def test_a_failed_card_says_that_a_new_one_is_charged_at_once(givers: Any, browser_of: Any) -> None:
    Subscription.objects.update(state="PAST_DUE")
    grace = browser_of(GRACE)
    assert "the open payment is charged to it" in look(grace).text
    answer = press(grace, "card")
    assert answer.headers["Location"].startswith(givers.stripe.account.public_url)


def test_once_was_meant(givers: Any, browser_of: Any) -> None:
    grace = browser_of(GRACE)
    look(grace, "make-one-time")
    press(grace, "make-one-time")
    givers.catch_up()
    assert Subscription.objects.get().was_made_one_time
    answer = grace.get(path("make-one-time"))
    assert answer.status_code == 409


def test_the_pages_speak_russian(givers: Any, browser_of: Any) -> None:
    grace = browser_of(GRACE)
    for route in ("", "change", "pause", "stop", "withdraw", "make-one-time"):
        page = look(grace, route, lang="ru")
        assert page.language == "ru"
        for english in ("Pause", "Leave it", "Change it", "Next payment", "Stop my"):
            assert english not in page.text, (route, english)


@pytest.mark.parametrize("months", [1, 8])
def test_the_questions_of_a_page_do_not_grow_with_the_payments(
    givers: Any, browser_of: Any, django_assert_max_num_queries: Any, months: int
) -> None:
    plan = Subscription.objects.get()
    for number in range(months):
        paid = Payment.objects.filter(contribution=plan.contribution)[0]
        paid.pk, paid.public_id = None, __import__("uuid").uuid4()
        paid.stripe_invoice_id = f"in_{number}"
        paid.stripe_payment_intent_id = paid.stripe_charge_id = paid.receipt_number = None
        paid.is_renewal, paid.paid_at = True, clock.now() + timedelta(minutes=number)
        paid.save()
    with django_assert_max_num_queries(24):
        look(browser_of(GRACE))


# --- Withdrawal ---------------------------------------------------------------------------------------------


def test_a_withdrawal_ends_it_gives_all_back_and_is_confirmed(givers: Any, browser_of: Any) -> None:
    grace = browser_of(GRACE)
    assert "Confirm withdrawal" in look(grace, "withdraw").text
    press(grace, "withdraw")
    assert Message.objects.get(kind="withdrawn").context["amount_text"] == "$5.00"
    press(grace, "withdraw")
    givers.catch_up()
    givers.advance(minutes=11)
    givers.work()

    assert Subscription.objects.get().state == "CANCELLED"
    assert Payment.objects.get(contribution=gift_of(GRACE)).refunded_minor == 500
    assert Withdrawal.objects.get().closed_at is not None
    assert Message.objects.filter(kind="withdrawn").count() == 1
    assert Message.objects.filter(kind="refunded").count() == 1
    assert "You withdrew from the contract" in look(grace).text
    givers.assert_books_agree()


def test_it_is_resumed_wherever_it_stopped(givers: Any, program_of: Any) -> None:
    assert call(program_of(GRACE), "withdraw", confirm=True).status_code == 200
    for fault, times in (("DELETE /v1/subscriptions/*", 3), ("POST /v1/refunds", 3)):
        givers.stripe.fault(fault, "server_error", times=times)
    for _ in range(4):
        givers.advance(minutes=11)
        givers.work()
    assert Withdrawal.objects.get().closed_at is not None
    assert Payment.objects.get(contribution=gift_of(GRACE)).refunded_minor == 500
    givers.assert_books_agree()


def test_after_fourteen_days_it_can_only_be_stopped(givers: Any, program_of: Any, browser_of: Any) -> None:
    givers.advance(days=13, hours=23)
    assert told(program_of(GRACE))["can_withdraw_until"]
    givers.advance(days=2)
    answer = call(program_of(GRACE), "withdraw", confirm=True)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "too_late")
    assert "Withdraw from contract" not in look(browser_of(GRACE)).text
    assert not Withdrawal.objects.exists()


# --- More often than people do ----------------------------------------------------------------------------


def test_nobody_changes_things_without_end(
    givers: Any, browser_of: Any, program_of: Any, settings: Any
) -> None:
    settings.READER_CHANGES_PER_HOUR = 2
    browser, program = browser_of(GRACE), program_of(GRACE)
    for route in ("stop", "keep"):
        assert call(program, route).status_code < 300

    refused = call(program, "stop")
    page = browser.post(path("stop"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests")
    assert page.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= 3600
    assert 0 < int(page["Retry-After"]) <= 3600
    assert "Nothing was changed this time" in page.content.decode()
    assert ContributionChange.objects.filter(kind="STOP").count() == 1

    assert browser.get("/account/").status_code == 200
    assert call(program_of(ADA), "stop").status_code == 404  # another reader has a share of their own
    assert browser.post("/account/sign-out/").status_code == 303
    assert browser.get("/account/").status_code == 303
