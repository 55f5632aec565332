"""
Whatever Stripe tells, in whatever order, has its meaning once; what has none for us does no harm.

RELIABILITY.md: I1, I6, I7, I9, F3, F4, F7, F10, F29.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from donations import gateway, handlers, inbox
from donations.models import Contribution, Payment, StripeEvent, Subscription
from members import clock
from members.models import Member, Message
from sandbox.subscriptions import pause
from tests.house import WEBHOOK, House, session_of

pytestmark = pytest.mark.django_db

MONTHLY: dict[str, Any] = {"interval": "month", "amount": 500, "email": "grace@example.org"}


def tell(house: House, event: dict[str, Any], *, secret: str | None = None) -> Any:
    """Send an event as Stripe would, signed; the answer."""
    body = json.dumps(event).encode()
    signature = {"Stripe-Signature": house.stripe.sign(body, secret=secret)}
    return house.api.post(WEBHOOK, body, content_type="application/json", headers=signature)


def an_event(
    house: House, kind: str, obj: dict[str, Any], name: str = "evt_1", **changes: Any
) -> dict[str, Any]:
    """An event around an object, as Stripe would write it."""
    return {
        "id": name,
        "object": "event",
        "type": kind,
        "api_version": gateway.API_VERSION,
        "created": int(clock.now().timestamp()),
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "data": {"object": obj},
        **changes,
    }


def paid(house: House, **wish: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A gift that was paid, and the events that Stripe has to tell about it."""
    answer = house.begin(**wish)
    house.stripe.pay(session_of(answer))
    return answer, [json.loads(letter.body) for letter in house.stripe.take_webhooks()]


def of_type(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    [found] = [event for event in events if event["type"] == kind]
    return found


def hear(house: House, *events: dict[str, Any]) -> None:
    """Let events arrive, one after the other, each acted on at once."""
    for event in events:
        assert tell(house, event).status_code == 200
        inbox.process_waiting(now=clock.now())


def state_of(event: dict[str, Any]) -> StripeEvent:
    return StripeEvent.objects.get(stripe_id=event["id"])


# --- What is none of our business


def test_an_event_of_an_unknown_type_is_kept_and_ignored(house):
    event = an_event(house, "radar.early_fraud_warning.created", {"id": "issfr_1", "object": "radar"})

    hear(house, event)

    assert state_of(event).state == "IGNORED"
    backlog = inbox.get_backlog()
    assert (backlog.waiting, backlog.parked, backlog.quarantined) == (0, 0, 0)
    assert backlog.oldest_waiting_at is None


@pytest.mark.parametrize(
    ("kind", "obj"),
    [
        ("checkout.session.completed", "checkout.session"),
        ("checkout.session.expired", "checkout.session"),
        ("customer.updated", "customer"),
    ],
)
def test_what_other_software_does_in_the_same_account_is_ignored(house, kind, obj):
    _, events = paid(house)
    theirs = copy.deepcopy(of_type(events, "checkout.session.completed"))
    found = {**theirs["data"]["object"], "id": "other_1", "object": obj, "client_reference_id": None}
    event = an_event(house, kind, {**found, "metadata": {}})

    hear(house, event)

    assert state_of(event).state == "IGNORED"
    assert not Payment.objects.exists()


NOBODYS_CHARGE: dict[str, Any] = {"id": "ch_none", "payment_intent": None, "metadata": {}}
WITHOUT_IDS: dict[str, tuple[str, dict[str, Any]]] = {
    "charge.succeeded": ("charge", {**NOBODYS_CHARGE, "status": "succeeded"}),
    "charge.failed": ("charge", {**NOBODYS_CHARGE, "status": "failed"}),
    "invoice.paid": ("invoice", {"id": "in_none", "parent": None}),
    "invoice_payment.paid": ("invoice_payment", {"payment": {"type": "charge"}}),
    "refund.created": ("refund", {"id": "re_none", "charge": None, "payment_intent": None}),
}


@pytest.mark.parametrize("kind", WITHOUT_IDS)
def test_a_null_id_matches_no_row(house, kind):
    # Rows without an id of some kind are many; an event without one must not find them.
    house.begin()
    answers = [house.give_and_pay(), house.give_and_pay(**MONTHLY)]
    house.stripe.refund(house.stripe.account.all("charge")[0]["id"], amount=100)
    house.catch_up()
    before = list(Payment.objects.values())
    likeness, changes = WITHOUT_IDS[kind]
    event = an_event(house, kind, {**house.stripe.account.all(likeness)[0], **changes})

    hear(house, event)

    assert state_of(event).state == "IGNORED"
    assert list(Payment.objects.values()) == before
    assert [house.status(answer)["status"] for answer in answers] == ["paid", "active"]


# --- What comes before its cause


def test_an_event_before_its_cause_is_parked_counted_and_woken_by_it(house):
    answer, events = paid(house, **MONTHLY)
    charge = of_type(events, "charge.succeeded")
    hear(house, charge)
    assert state_of(charge).state == "PARKED"
    assert state_of(charge).waits_for == charge["data"]["object"]["payment_intent"]
    assert inbox.get_backlog().parked == 1

    hear(house, *(event for event in events if event is not charge))

    assert state_of(charge).state == "PROCESSED"
    assert inbox.get_backlog().parked == 0
    house.work()
    assert house.status(answer)["status"] == "active"
    house.assert_books_agree()


def test_a_renewal_told_before_the_checkout_itself_is_booked(house):
    answer, events = paid(house, **MONTHLY)
    hear(house, of_type(events, "invoice.paid"))
    assert house.status(answer)["status"] == "active"
    assert Payment.objects.get().amount_minor == 500

    hear(house, of_type(events, "checkout.session.completed"), *events)

    house.work()
    assert Payment.objects.count() == Message.objects.filter(kind="receipt").count() == 1
    house.assert_books_agree()


def test_a_parked_event_can_be_replayed_by_hand(house):
    _, events = paid(house, **MONTHLY)
    charge = of_type(events, "charge.succeeded")
    hear(house, charge)
    said = StringIO()

    call_command("replay_event", charge["id"], stdout=said)
    assert f"{charge['id']}  charge.succeeded  PARKED" in said.getvalue()

    hear(
        house,
        *(event for event in events if event["type"] not in ("charge.succeeded", "invoice_payment.paid")),
    )
    call_command("replay_event", "--parked", stdout=said)
    house.deliver([])
    hear(house, of_type(events, "invoice_payment.paid"))
    house.work()
    house.assert_books_agree()


def test_a_parked_event_is_tried_ever_more_rarely_and_then_left_to_a_person(house, monkeypatch):
    _, events = paid(house, **MONTHLY)
    charge = of_type(events, "charge.succeeded")
    hear(house, charge)
    tried: list[str] = []
    prepare = handlers.prepare

    def count(kind: str, event: dict[str, Any], *, now: datetime) -> Any:
        tried.append(kind)
        return prepare(kind, event, now=now)

    monkeypatch.setattr(handlers, "prepare", count)
    at = clock.now()
    for minute in range(1, 24 * 60, 2):  # the sweeps of a day
        inbox.process_waiting(now=at + timedelta(minutes=minute))
    assert 20 <= len(tried) <= 35

    tried.clear()
    inbox.process_waiting(now=at + inbox.PARKED_FOR + timedelta(days=1))
    assert not tried
    assert state_of(charge).state == "PARKED"
    assert state_of(charge).attempts == 0  # to wait is no failure


# --- What we cannot digest


def test_a_poisoned_event_is_set_aside_after_five_tries_and_the_others_flow(house, monkeypatch):
    _, [*events] = paid(house)
    monkeypatch.setitem(handlers.HANDLERS, "product.updated", a_bug)
    poison = an_event(house, "product.updated", {"id": "prod_1", "object": "product"})
    assert tell(house, poison).status_code == 200
    hear(house, *events)
    for _ in range(4):
        assert state_of(poison).state == "RECEIVED"
        house.stripe.advance(timedelta(minutes=10))
        house.work()

    row = state_of(poison)
    assert (row.state, row.attempts, row.problem) == ("QUARANTINED", 5, "failed 5 times: ZeroDivisionError")
    assert inbox.get_backlog().quarantined == 1
    assert StripeEvent.objects.exclude(state__in=["PROCESSED", "IGNORED"]).count() == 1
    assert Payment.objects.get().state == "SUCCEEDED"
    house.stripe.advance(timedelta(days=1))
    house.work()
    assert state_of(poison).attempts == 5  # nothing tries it for ever

    monkeypatch.undo()  # the bug is mended, and a person replays
    call_command("replay_event", "--quarantined", stdout=StringIO())
    assert state_of(poison).state == "IGNORED"


def a_bug(event: dict[str, Any]) -> Any:
    raise ZeroDivisionError


def test_a_failure_half_way_leaves_nothing_behind(house, monkeypatch):
    _, events = paid(house)
    completed = of_type(events, "checkout.session.completed")
    with monkeypatch.context() as patch:
        patch.setattr(handlers.fulfilment.outbox, "owe", a_bug_with_mail)
        hear(house, completed)
        assert state_of(completed).state == "RECEIVED"
        assert not Payment.objects.exists()
        assert not Member.objects.exists()
        assert Contribution.objects.get().checkout_state == "OPEN"

    house.stripe.advance(timedelta(minutes=10))
    hear(house, *events)
    house.work()
    house.assert_books_agree()


def a_bug_with_mail(**promise: Any) -> bool:
    raise ZeroDivisionError


# --- Who acts on an event


def while_acted_on(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], Any]) -> list[Any]:
    """Let this happen once, while a worker has an event in its hands; what came of it."""
    came: list[Any] = []
    prepare = handlers.prepare

    def overtaken(kind: str, event: dict[str, Any], *, now: datetime) -> Any:
        if not came:
            came.append(None)
            came[0] = meanwhile()
        return prepare(kind, event, now=now)

    monkeypatch.setattr(handlers, "prepare", overtaken)
    return came


def test_what_a_worker_has_in_its_hands_nobody_else_takes(house, monkeypatch):
    _, events = paid(house)
    completed = of_type(events, "checkout.session.completed")
    tell(house, completed)
    pk, now = state_of(completed).pk, clock.now()
    other = while_acted_on(monkeypatch, lambda: inbox.process(event_id=pk, now=now + inbox.LEASE / 2))

    assert inbox.process(event_id=pk, now=now) is True

    assert other == [False]
    assert inbox.process(event_id=pk, now=now + timedelta(days=1)) is False


def test_a_worker_that_was_slower_than_its_lease_undoes_what_it_did(house, monkeypatch):
    answer, events = paid(house)
    completed = of_type(events, "checkout.session.completed")
    tell(house, completed)
    pk, now = state_of(completed).pk, clock.now()
    other = while_acted_on(monkeypatch, lambda: inbox.process(event_id=pk, now=now + inbox.LEASE))

    assert inbox.process(event_id=pk, now=now) is False

    assert other == [True]
    assert state_of(completed).processed_at == now + inbox.LEASE
    assert Payment.objects.count() == Message.objects.count() == 1
    assert house.status(answer)["status"] == "paid"


def test_a_worker_that_is_overtaken_by_news_of_the_same_second_asks_stripe_at_once(house, monkeypatch):
    house.give_and_pay(interval="month", amount=500)
    subscription = Subscription.objects.get()
    house.stripe.advance(timedelta(hours=1))
    gateway_calls = house.stripe.calls
    with house.stripe.account.lock:
        pause(
            house.stripe.account, {"bill_for": {"unused_time_from": {"type": "none"}}}, subscription.stripe_id
        )
    updated, paused = (json.loads(letter.body) for letter in house.stripe.take_webhooks())
    assert updated["created"] == paused["created"]
    tell(house, updated)
    tell(house, paused)
    prepare, now, overtaken_by = handlers.prepare, clock.now(), [state_of(updated).pk]

    def then_overtaken(kind: str, event: dict[str, Any], *, now: datetime) -> Any:
        work = prepare(kind, event, now=now)
        if overtaken_by:
            inbox.process(event_id=overtaken_by.pop(), now=now)
        return work

    monkeypatch.setattr(handlers, "prepare", then_overtaken)
    before = len(gateway_calls)

    assert inbox.process(event_id=state_of(paused).pk, now=now) is True

    assert state_of(paused).state == state_of(updated).state == "PROCESSED"
    assert state_of(paused).problem == ""
    assert Subscription.objects.get().state == "PAUSED"
    assert gateway_calls[before:] == [f"GET /v1/subscriptions/{subscription.stripe_id}"]


# --- What contradicts us


def with_amount(event: dict[str, Any]) -> None:
    event["data"]["object"]["amount_total"] = 100


def with_currency(event: dict[str, Any]) -> None:
    event["data"]["object"]["currency"] = "jpy"


def without_amount(event: dict[str, Any]) -> None:
    event["data"]["object"]["amount_total"] = None


def with_livemode(event: dict[str, Any]) -> None:
    event["data"]["object"]["livemode"] = True


@pytest.mark.parametrize("change", [with_amount, with_currency, without_amount, with_livemode])
def test_a_payment_that_is_not_what_we_asked_for_earns_nothing_and_waits_for_a_person(house, change):
    answer, events = paid(house)
    completed = of_type(events, "checkout.session.completed")
    change(completed)

    hear(house, completed)

    assert state_of(completed).state == "QUARANTINED"
    assert state_of(completed).problem
    assert house.status(answer)["status"] == "pending"
    assert not Payment.objects.exists()
    assert not Member.objects.exists()
    assert not Message.objects.exists()


@pytest.mark.parametrize("field", ["amount_paid", "currency", "livemode"])
def test_a_first_invoice_that_is_not_what_we_asked_for_earns_nothing(house, field):
    answer, events = paid(house, **MONTHLY)
    invoice = of_type(events, "invoice.paid")
    invoice["data"]["object"][field] = {"amount_paid": 50, "currency": "eur", "livemode": True}[field]

    hear(house, invoice)

    assert state_of(invoice).state == "QUARANTINED"
    assert not Payment.objects.exists()
    assert house.status(answer)["status"] == "pending"


def test_metadata_that_names_another_gift_does_not_pay_for_it(house):
    large = house.begin(amount=5000)
    _, events = paid(house, amount=200)
    intent = of_type(events, "payment_intent.succeeded")
    intent["data"]["object"]["metadata"]["contribution"] = large["id"]

    hear(house, intent)

    assert state_of(intent).state == "QUARANTINED"
    assert house.status(large)["status"] == "pending"


def test_an_event_of_the_other_mode_changes_nothing(house):
    answer, events = paid(house)
    for event in events:
        hear(house, {**event, "livemode": True})

    assert house.status(answer)["status"] == "pending"
    assert not Payment.objects.exists()
    assert not StripeEvent.objects.filter(state="PROCESSED").exists()


# --- What is new to us


def enriched(value: Any) -> Any:
    """An object of Stripe's as a later version might write it: with more in it."""
    if isinstance(value, dict):
        return {**{key: enriched(item) for key, item in value.items()}, "new_in_2031": {"a": [1, None]}}
    if isinstance(value, list):
        return [enriched(item) for item in value]
    return value


@pytest.mark.parametrize("wish", [{}, MONTHLY], ids=["once", "month"])
def test_fields_that_we_do_not_know_break_nothing(house, wish):
    answer, events = paid(house, **wish)
    for event in events:
        event["data"]["object"] = enriched(event["data"]["object"])
        if "metadata" in event["data"]["object"]:
            event["data"]["object"]["metadata"].pop("new_in_2031", None)
        event["new_in_2031"] = True

    hear(house, *events)

    house.work()
    assert house.status(answer)["status"] in ("paid", "active")
    house.assert_books_agree()


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("checkout.session.completed", "payment_status"),
        ("checkout.session.completed", "status"),
        ("customer.subscription.created", "status"),
        ("charge.updated", "status"),
        ("payment_intent.succeeded", "status"),
        ("invoice.paid", "billing_reason"),
        ("invoice.paid", "status"),
    ],
)
def test_words_that_we_do_not_know_break_nothing(house, kind, field):
    answer, events = paid(house, **(MONTHLY if "invoice" in kind or "subscription" in kind else {}))
    for event in events:
        if event["type"] == kind:
            event["data"]["object"][field] = "something_of_2031"

    hear(house, *events)

    assert house.status(answer)["status"] in ("paid", "active")
    assert not StripeEvent.objects.exclude(state__in=["PROCESSED", "IGNORED"]).exists()


def test_what_lacks_what_we_need_waits_for_a_person(house):
    _, events = paid(house)
    completed = of_type(events, "checkout.session.completed")
    completed["data"]["object"]["livemode"] = None

    hear(house, completed)

    assert state_of(completed).state == "QUARANTINED"
    assert "livemode" in state_of(completed).problem


# --- What comes late


def test_a_late_word_of_a_decline_does_not_undo_a_payment(house):
    answer = house.begin()
    with pytest.raises(Exception, match="declined"):
        house.stripe.pay(session_of(answer), card="4000000000000002")
    house.stripe.pay(session_of(answer))
    events = [json.loads(letter.body) for letter in house.stripe.take_webhooks()]
    late = [event for event in events if event["type"] in ("payment_intent.payment_failed", "charge.failed")]
    assert late

    hear(house, *(event for event in events if event not in late), *late)

    payment = Payment.objects.get()
    assert (payment.state, payment.failure_code) == ("SUCCEEDED", "")
    assert house.status(answer)["status"] == "paid"
    house.work()
    house.assert_books_agree()


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        ("payment_intent.processing", "payment_intent.succeeded"),
        ("checkout.session.async_payment_failed", "checkout.session.completed"),
    ],
)
def test_no_earlier_word_takes_back_money_that_arrived(house, kind, after):
    answer, events = paid(house)
    late = an_event(house, kind, of_type(events, after)["data"]["object"])

    hear(house, *events, late)

    assert state_of(late).state == "PROCESSED"
    assert Payment.objects.get().state == "SUCCEEDED"
    assert house.status(answer)["status"] == "paid"
    house.work()
    house.assert_books_agree()


def test_a_late_word_of_an_expired_page_does_not_undo_a_payment(house):
    answer, events = paid(house)
    completed = of_type(events, "checkout.session.completed")
    expired = an_event(
        house, "checkout.session.expired", {**completed["data"]["object"], "status": "expired"}
    )

    hear(house, *events, expired)

    assert house.status(answer)["status"] == "paid"
    assert Contribution.objects.get().checkout_state == "COMPLETED"


def test_a_refund_told_before_the_payment_is_booked_with_it(house):
    answer = house.begin()
    house.stripe.pay(session_of(answer))
    house.stripe.refund(house.stripe.account.all("charge")[0]["id"])
    events = [json.loads(letter.body) for letter in house.stripe.take_webhooks()]

    hear(house, *reversed(events))

    house.work()
    assert house.status(answer)["status"] == "refunded"
    assert Payment.objects.get().refunded_minor == 2500
    house.assert_books_agree()


# --- Subscriptions that change twice in one second


def moved(house: House, base: dict[str, Any], state: str, name: str, at: datetime) -> dict[str, Any]:
    """Stripe's word that the subscription is now in this state."""
    return an_event(
        house, "customer.subscription.updated", {**base, "status": state}, name, created=int(at.timestamp())
    )


@pytest.mark.parametrize("turned_round", [False, True])
def test_of_two_words_in_one_second_stripe_is_asked_which_holds(house, monkeypatch, turned_round):
    house.give_and_pay(**MONTHLY)
    base = house.stripe.account.all("subscription")[0]
    at = clock.now() + timedelta(minutes=1)
    two = [moved(house, base, "past_due", "evt_a", at), moved(house, base, "active", "evt_b", at)]
    asked: list[str] = []
    get = gateway.get_subscription
    monkeypatch.setattr(gateway, "get_subscription", lambda name: (asked.append(name), get(name))[1])

    hear(house, *(reversed(two) if turned_round else two))

    assert asked == [base["id"]]
    assert Subscription.objects.get().state == "ACTIVE"  # as it stands at Stripe
    house.assert_books_agree()


def test_an_older_word_about_a_subscription_does_not_replace_a_newer_one(house):
    house.give_and_pay(**MONTHLY)
    base = house.stripe.account.all("subscription")[0]
    now = clock.now()
    newer = moved(house, base, "past_due", "evt_newer", now + timedelta(minutes=2))
    older = moved(house, base, "paused", "evt_older", now + timedelta(minutes=1))

    hear(house, newer, older)

    assert Subscription.objects.get().state == "PAST_DUE"
    assert state_of(older).state == "PROCESSED"


# --- Who may tell us, and what we keep


def test_while_a_secret_is_rolled_both_are_good(house, settings):
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", "whsec_old"]
    obj = {"id": "prod_1", "object": "product"}

    answers = [
        tell(
            house, an_event(house, "product.created", obj, f"evt_{name}"), secret=f"whsec_{name}"
        ).status_code
        for name in ("new", "old", "foreign")
    ]

    assert answers == [200, 200, 400]
    assert StripeEvent.objects.count() == 2


def test_the_way_back_to_the_thanks_page_alone_pays_for_nothing(house):
    answer = house.begin()
    page = f"/support/thanks/{answer['id']}/"
    urls = [house.stripe.account.objects[session_of(answer)][name] for name in ("success_url", "cancel_url")]
    for url in [page, *(url.replace("http://127.0.0.1:8000", "") for url in urls)]:
        for _ in range(3):
            house.api.get(url)
            house.api.head(url)

    assert house.status(answer)["status"] == "pending"
    assert Contribution.objects.get().checkout_state == "OPEN"
    assert not Payment.objects.exists()
    assert not Member.objects.exists()


def bodies() -> dict[str, bytes]:
    """The payloads as they lie in the table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT stripe_id, payload FROM donations_stripeevent")
        return {name: bytes(body) for name, body in cursor.fetchall()}


def test_bodies_are_encrypted_where_they_lie(house):
    house.give_and_pay(name="Ada Lovelace")

    raw = b"".join(bodies().values())

    assert raw
    for word in (b"ada@example.org", b"Lovelace", b"checkout.session", b"livemode"):
        assert word not in raw


def test_bodies_are_forgotten_after_their_time_unless_a_person_may_need_them(house, settings):
    settings.EVENT_PAYLOAD_RETENTION = timedelta(days=30)
    _, events = paid(house, **MONTHLY)
    parked, odd = of_type(events, "charge.succeeded"), of_type(events, "checkout.session.completed")
    with_amount(odd)
    ignored = an_event(house, "product.created", {"id": "prod_1", "object": "product"})
    done = of_type(events, "customer.subscription.created")
    hear(house, parked, odd, done, ignored)
    states = [state_of(event).state for event in (parked, odd, done, ignored)]
    assert states == ["PARKED", "QUARANTINED", "PROCESSED", "IGNORED"]

    assert inbox.purge_payloads(now=clock.now() + timedelta(days=29)) == 0
    assert inbox.purge_payloads(now=clock.now() + timedelta(days=31)) == 2
    assert inbox.purge_payloads(now=clock.now() + timedelta(days=31)) == 0

    kept = {name for name, body in bodies().items() if body}
    assert kept == {parked["id"], odd["id"]}
    # What was forgotten is still known: it is not acted on again when it comes again.
    assert tell(house, done).status_code == 200
    assert state_of(done).state == "PROCESSED"
    said = StringIO()
    call_command("replay_event", ignored["id"], stdout=said)
    assert "left as it is" in said.getvalue()


def test_the_backlog_says_since_when_the_oldest_event_waits(house):
    _, events = paid(house)
    at = clock.now()
    for event in events:
        tell(house, event)

    backlog = inbox.get_backlog()

    assert backlog.waiting == len(events)
    assert backlog.oldest_waiting_at is not None
    assert abs(backlog.oldest_waiting_at - at) < timedelta(minutes=1)


@pytest.mark.parametrize("kind", sorted(handlers.HANDLERS))
def test_an_empty_object_of_any_type_that_we_handle_harms_nothing(house, kind):
    house.give_and_pay(**MONTHLY)
    before = (list(Payment.objects.values()), list(Subscription.objects.values()))
    event = an_event(house, kind, {"id": "obj_1", "object": "whatever"})

    for _ in range(5):
        hear(house, event)
        house.stripe.advance(timedelta(minutes=10))

    assert state_of(event).state in ("IGNORED", "QUARANTINED", "PARKED", "PROCESSED")
    assert (list(Payment.objects.values()), list(Subscription.objects.values())) == before
