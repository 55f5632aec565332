"""
Stripe, the database and the broker go away, and come back: nobody pays twice, and nothing is lost.

RELIABILITY.md: F9, F15, F23 to F28. The row of a gift is written before Stripe is asked for anything, so that it
says in each case how far we came.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
import requests
from django.db import InterfaceError, OperationalError, connection
from requests.adapters import HTTPAdapter

from donations import inbox, services
from donations.models import BalanceEntry, Contribution, Payment, StripeEvent
from members import clock, doorbell
from tests.house import WEBHOOK, House, session_of
from tests.waiting import until

pytestmark = pytest.mark.django_db

OPEN_CHECKOUT = "POST /v1/checkout/sessions"
ALL_TRIES = 3  # the SDK asks twice again by itself


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK waits between its tries; here it does not."""
    monkeypatch.setattr("stripe._http_client.HTTPClient.INITIAL_DELAY", 0)


# --- How a line to Stripe can break, beyond what the sandbox does on demand

Send = Callable[[], requests.Response]


def time_out_before(send: Send) -> requests.Response:
    raise requests.exceptions.ConnectTimeout("nobody there")


def time_out_after(send: Send) -> requests.Response:
    send()
    raise requests.exceptions.ReadTimeout("the answer did not come")


def say_500_after(send: Send) -> requests.Response:
    return answered(send(), status=500, error={"type": "api_error", "message": "Sorry."})


def answered(response: requests.Response, *, status: int = 200, **changes: Any) -> requests.Response:
    """Stripe's answer with other words in it."""
    body = {**json.loads(response.content), **changes} if status == 200 else changes
    response._content, response.status_code = json.dumps(body).encode(), status
    return response


@contextmanager
def broken_line(trouble: Callable[[Send], requests.Response], times: int = 10**6) -> Iterator[None]:
    """Let so many calls that make something at Stripe meet this trouble."""
    whole, left = HTTPAdapter.send, times

    def send(adapter: HTTPAdapter, request: Any, *args: Any, **options: Any) -> requests.Response:
        nonlocal left
        if request.method != "POST" or not left:
            return whole(adapter, request, *args, **options)
        left -= 1
        return trouble(lambda: whole(adapter, request, *args, **options))

    with mock.patch.object(HTTPAdapter, "send", send):
        yield


_WHOLE_LINE = HTTPAdapter.send


def whole_line() -> Any:
    """Amid trouble, let calls pass."""
    return mock.patch.object(HTTPAdapter, "send", _WHOLE_LINE)


def sessions_at(house: House) -> list[dict[str, Any]]:
    return list(house.stripe.account.all("checkout.session"))


def assert_asked_to_come_back(response: Any, code: str = "payments_unavailable") -> None:
    assert response.status_code == 503, response.content
    assert response.json()["error"]["code"] == code
    assert int(response["Retry-After"]) > 0


def assert_paid_once(house: House, answer: dict[str, Any]) -> None:
    """The reader pays on the page that was shown; one charge, one payment, and nothing else is open for ever."""
    house.stripe.pay(session_of(answer))
    house.advance(hours=2)
    assert house.status(answer)["status"] == "paid"
    assert Payment.objects.count() == 1
    assert sorted(session["status"] for session in sessions_at(house) if session["status"] != "expired") == [
        "complete"
    ]
    house.assert_books_agree()


# --- Stripe does not answer when somebody wants to give

TROUBLES: dict[str, Callable[[House], Any]] = {
    "429": lambda house: house.stripe.fault(OPEN_CHECKOUT, "rate_limit"),
    "500 before": lambda house: house.stripe.fault(OPEN_CHECKOUT, "server_error", ALL_TRIES),
    "503 of a proxy": lambda house: house.stripe.fault(OPEN_CHECKOUT, "unavailable", ALL_TRIES),
    "hangs up before": lambda house: house.stripe.fault(OPEN_CHECKOUT, "hang_up", ALL_TRIES),
    "hangs up after": lambda house: house.stripe.fault(OPEN_CHECKOUT, "lost_answer", ALL_TRIES),
    "500 after": lambda house: broken_line(say_500_after, ALL_TRIES),
    "time-out before": lambda house: broken_line(time_out_before, ALL_TRIES),
    "time-out after": lambda house: broken_line(time_out_after, ALL_TRIES),
}


@contextmanager
def in_trouble(house: House, name: str) -> Iterator[None]:
    trouble = TROUBLES[name](house)
    if hasattr(trouble, "__enter__"):
        with trouble:
            yield
    else:
        yield
        house.stripe.faults.clear()


@pytest.mark.parametrize("name", TROUBLES)
def test_a_reader_who_comes_back_after_an_outage_pays_on_one_page(house, name):
    with in_trouble(house, name):
        assert_asked_to_come_back(house.give(key="tea"))
    row = Contribution.objects.get()
    assert (row.checkout_state, row.checkout_problem) == ("CREATED", "payments_unavailable")

    answer = house.give(key="tea")
    assert answer.status_code == 201
    assert len(sessions_at(house)) == 1
    row = Contribution.objects.get()
    assert (row.checkout_state, row.checkout_problem) == ("OPEN", "")
    assert_paid_once(house, answer.json())


@pytest.mark.parametrize("kind", ["server_error", "unavailable", "hang_up", "lost_answer"])
def test_a_hiccup_of_stripe_is_seen_by_nobody(house, kind):
    house.stripe.fault(OPEN_CHECKOUT, kind, ALL_TRIES - 1)

    answer = house.begin()

    assert len(sessions_at(house)) == 1
    assert_paid_once(house, answer)


def test_when_nothing_listens_at_stripes_address_the_reader_is_asked_to_come_back(house, settings):
    stripe = settings.STRIPE_API_BASE
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.STRIPE_API_BASE = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert_asked_to_come_back(house.give(key="tea"))
    settings.STRIPE_API_BASE = stripe

    assert_paid_once(house, house.give(key="tea").json())


def test_an_error_that_stripe_repeats_for_this_key_is_left_behind_with_the_next_attempt(house):
    # Stripe answers a repeated idempotency key as it did the first time, a 500 too (RELIABILITY.md, F24).
    with broken_line(say_500_after):
        assert_asked_to_come_back(house.give(key="tea"))
        house.stripe.advance(timedelta(minutes=10))
        assert_asked_to_come_back(house.give(key="tea"))
    [hidden] = sessions_at(house)

    house.stripe.advance(timedelta(minutes=20))
    answer = house.give(key="tea").json()

    assert session_of(answer) != hidden["id"]  # nobody ever saw the first page
    assert Contribution.objects.get().checkout_attempt == 2
    assert_paid_once(house, answer)
    assert hidden["status"] == "expired"


@pytest.mark.parametrize("minutes", [24, 26, 30, 23 * 60])
def test_a_retry_is_good_however_late_it_comes(house, minutes):
    house.stripe.fault(OPEN_CHECKOUT, "lost_answer", ALL_TRIES)
    assert_asked_to_come_back(house.give(key="tea"))
    house.stripe.advance(timedelta(minutes=minutes))

    answer = house.give(key="tea")

    assert answer.status_code == 201
    assert Contribution.objects.count() == 1
    assert answer.json() == house.give(key="tea").json()
    assert_paid_once(house, answer.json())


def test_a_retry_after_a_day_is_a_new_wish_and_the_old_row_is_closed(house):
    house.stripe.fault(OPEN_CHECKOUT, "lost_answer", ALL_TRIES)
    assert_asked_to_come_back(house.give(key="tea"))
    house.stripe.advance(timedelta(hours=25))

    answer = house.give(key="tea").json()

    forgotten, wanted = Contribution.objects.order_by("pk")
    assert str(wanted.public_id) == answer["id"]
    assert forgotten.idempotency_hash is None
    assert_paid_once(house, answer)
    services.expire_forgotten_checkouts(now=clock.now())
    forgotten.refresh_from_db()
    assert forgotten.checkout_state == "EXPIRED"


def test_with_a_wrong_key_the_newsroom_has_to_look_and_the_row_says_so(house, settings):
    good = settings.STRIPE_SECRET_KEY
    settings.STRIPE_SECRET_KEY = "sk_live_of_somebody_else"
    refused = house.give(key="tea")
    settings.STRIPE_SECRET_KEY = good

    assert refused.status_code == 502
    assert refused.json()["error"]["code"] == "payments_refused"
    assert Contribution.objects.get().checkout_problem == "payments_refused"
    assert_paid_once(house, house.give(key="tea").json())


def test_a_change_of_words_between_two_tries_is_never_sent_under_the_same_key(house, settings):
    # A release can change what we say to Stripe; it refuses other words under a key that it knows (F27).
    house.stripe.fault(OPEN_CHECKOUT, "lost_answer", ALL_TRIES)
    assert_asked_to_come_back(house.give(key="tea"))
    settings.STRIPE_PRODUCT_NAME = "A gift to another newsroom"
    assert house.give(key="tea").status_code == 502
    assert len(sessions_at(house)) == 1

    house.stripe.advance(timedelta(minutes=30))
    assert_paid_once(house, house.give(key="tea").json())


def test_an_amount_that_stripe_finds_too_small_is_the_readers_to_mend(house):
    # Stripe knows only after conversion to its own currency whether an amount is worth a charge.
    error = {"type": "invalid_request_error", "code": "amount_too_small", "message": "Too small."}
    with broken_line(lambda send: answered(send(), status=400, error=error)):
        response = house.give(key="tea")

    assert response.status_code == 400
    assert response.json()["error"]["fields"]["amount"][0]["code"] == "amount_too_small"
    assert Contribution.objects.get().checkout_problem == "amount_too_small"


def test_a_page_that_is_not_stripes_is_shown_to_nobody(house):
    with broken_line(lambda send: answered(send(), url="https://checkout.stripe.example/c/pay")):
        response = house.give(key="tea")

    assert response.status_code == 502
    assert "stripe.example" not in response.content.decode()
    row = Contribution.objects.get()
    assert (row.checkout_state, row.checkout_problem) == ("CREATED", "checkout_url_refused")


IN_USE = {"type": "idempotency_error", "code": "idempotency_key_in_use", "message": "Another request has it."}


def test_a_request_whose_twin_is_still_being_answered_is_told_so(house):
    with broken_line(lambda send: answered(send(), status=409, error=IN_USE)):
        response = house.give(key="tea")

    assert response.status_code == 409
    assert response.json()["error"]["code"] == "idempotency_key_in_use"
    assert Contribution.objects.get().checkout_problem == ""
    assert_paid_once(house, house.give(key="tea").json())


def test_a_request_whose_twin_was_quicker_gets_the_twins_page(house):
    twins: list[dict[str, Any]] = []

    def let_the_twin_pass(send: Send) -> requests.Response:
        if not twins:
            twins.append({})
            with whole_line():
                twins[0] |= house.give(key="tea").json()
        return answered(send(), status=409, error=IN_USE)

    with broken_line(let_the_twin_pass):
        answer = house.give(key="tea").json()

    assert answer == twins[0]
    assert_paid_once(house, answer)


# --- The database goes away


@contextmanager
def no_database(
    error: type[Exception], *, reached: Callable[[str], bool] = lambda sql: False
) -> Iterator[None]:
    """No statement reaches the database but those."""

    def execute(run: Any, sql: str, *rest: Any) -> Any:
        if reached(sql):
            return run(sql, *rest)
        raise error("the database is away")

    with connection.execute_wrapper(execute):
        yield


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_an_event_that_cannot_be_stored_is_not_acknowledged(house, error):
    answer = house.begin()
    house.stripe.pay(session_of(answer))
    letters = house.stripe.take_webhooks()
    with no_database(error):
        for letter in letters:
            signature = {"Stripe-Signature": letter.headers["Stripe-Signature"]}
            refused = house.api.post(WEBHOOK, letter.body, content_type="application/json", headers=signature)
            assert refused.status_code == 503
            assert int(refused["Retry-After"]) > 0
    assert not StripeEvent.objects.exists()

    house.deliver(letters)  # so Stripe sends them again
    house.catch_up()
    assert house.status(answer)["status"] == "paid"
    house.assert_books_agree()


@pytest.mark.django_db(transaction=True)
def test_without_a_database_nobody_is_sent_to_pay(house):
    with no_database(OperationalError):
        response = house.give(key="tea")

    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert sessions_at(house) == []


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_while_stripe_answers_costs_a_second_try(house):
    with no_database(OperationalError, reached=lambda sql: not sql.startswith("UPDATE")):
        assert house.give(key="tea").status_code == 503
    assert Contribution.objects.get().checkout_state == "CREATED"
    [page] = sessions_at(house)

    answer = house.give(key="tea").json()

    assert session_of(answer) == page["id"]
    assert_paid_once(house, answer)


# --- The broker goes away


def test_with_the_broker_dead_readers_and_stripe_are_answered_as_usual(house, settings, monkeypatch):
    unheard: list[str] = []

    def no_broker(task: str, **options: Any) -> None:
        unheard.append(task)
        raise ConnectionRefusedError

    monkeypatch.setattr(doorbell.current_app, "send_task", no_broker)
    monkeypatch.setattr(doorbell.transaction, "on_commit", lambda act, **options: act())
    settings.DOORBELL = "thread"

    answer = house.begin()
    house.stripe.pay(session_of(answer))
    house.deliver(house.stripe.take_webhooks())  # each is answered with 200
    until(lambda: "donations.tasks.process_inbox" in unheard, what="the bell")

    settings.DOORBELL = "off"
    house.work()  # a sweep, which needs no bell
    assert house.status(answer)["status"] == "paid"


# --- Stripe goes away while a worker needs it


def refund(house: House, answer: dict[str, Any]) -> None:
    intent = house.stripe.account.objects[session_of(answer)]["payment_intent"]
    house.stripe.refund(house.stripe.account.objects[intent]["latest_charge"])


def test_an_event_that_needs_stripe_waits_out_an_outage_of_six_hours(house):
    answer = house.give_and_pay()
    refund(house, answer)
    letters = [letter for letter in house.stripe.take_webhooks() if letter.type == "charge.refunded"]
    house.deliver(letters)
    house.stripe.fault("GET /v1/refunds", "unavailable", 10**6)
    for _ in range(24):
        house.stripe.advance(timedelta(minutes=15))
        house.work()
    waiting = StripeEvent.objects.get(state="RECEIVED")
    assert (waiting.type, waiting.problem) == ("charge.refunded", "Stripe cannot be reached")
    assert house.status(answer)["status"] == "paid"

    house.stripe.faults.clear()
    house.stripe.advance(inbox.OUTAGE_RETRY[1])
    house.work()
    assert house.status(answer)["status"] == "refunded"
    house.assert_books_agree()


def test_an_outage_uses_up_none_of_the_five_tries_that_an_event_has(house, monkeypatch):
    answer = house.give_and_pay()
    refund(house, answer)
    house.deliver([letter for letter in house.stripe.take_webhooks() if letter.type == "charge.refunded"])
    house.stripe.fault("GET /v1/refunds", "unavailable", 10**6)
    for _ in range(10):
        house.stripe.advance(timedelta(minutes=15))
        house.work()
    house.stripe.faults.clear()
    with monkeypatch.context() as patch:
        patch.setattr(inbox.ledger, "note_refund", mock.Mock(side_effect=OperationalError("deadlock")))
        house.stripe.advance(timedelta(minutes=15))
        house.work()
    assert StripeEvent.objects.get(type="charge.refunded").state == "RECEIVED"

    house.stripe.advance(timedelta(minutes=15))
    house.work()
    assert house.status(answer)["status"] == "refunded"


def test_fees_are_fetched_once_stripe_is_back(house):
    house.stripe.fault("GET /v1/balance_transactions/*", "unavailable", 10**6)
    answer = house.give_and_pay()
    assert house.status(answer)["status"] == "paid"  # no gift waits for its fee
    assert BalanceEntry.objects.get().net_minor is None

    house.stripe.faults.clear()
    house.advance(days=1)
    assert Payment.objects.get().fee_minor == 103
    house.assert_books_agree()
