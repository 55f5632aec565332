"""
Webhooks on a bad day: lost, twice, late and overtaken, and all that the same way whenever the same story is told.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import stripe

from sandbox import customers
from sandbox.errors import StripeError
from sandbox.server import Running
from tests.sandbox.conftest import Checked
from tests.sandbox.gifts import once
from tests.sandbox.test_webhooks import Newsroom, carry
from tests.sandbox.test_webhooks import newsroom as newsroom  # a fixture

BAD_DAY = {"drop": 0.05, "duplicate": 0.2, "shuffle": 12, "delay": 0.1, "delay_hours": 10}


def tell(sandbox: Checked, count: int) -> None:
    """So many new customers, numbered from where the last ones ended."""
    there = len(sandbox.account.all("customer"))
    with sandbox.account.lock:
        for number in range(there, there + count):
            customers.new(sandbox.account, email=f"{number}@example.org", name=None)


def heard(letters: list[Any]) -> list[int]:
    """The numbers of the customers that were told of, in the order of hearing."""
    return [int(json.loads(letter.body)["data"]["object"]["email"].partition("@")[0]) for letter in letters]


def a_story(sandbox: Checked, *, look_after_each: int) -> list[int]:
    """Three hundred new customers, listened to after so many each time, and then patiently to the end."""
    letters = []
    for _ in range(0, 300, look_after_each):
        tell(sandbox, look_after_each)
        letters += sandbox.take_webhooks()
    sandbox.advance(timedelta(hours=12))
    return heard(letters + sandbox.take_webhooks())


def test_a_bad_day_loses_doubles_and_mixes_as_much_as_was_asked_for(sandbox: Checked) -> None:
    sandbox.deliver("chaos", seed=7, **BAD_DAY)

    got = a_story(sandbox, look_after_each=1)

    times = Counter(got)
    lost = set(range(300)) - set(times)
    assert 5 <= len(lost) <= 30
    assert 30 <= sum(count == 2 for count in times.values()) <= 90
    assert max(times.values()) == 2
    assert got != sorted(got)
    dropped = [row for row in sandbox.deliveries()["data"] if row["status"] == "dropped"]
    assert len(dropped) == len(lost)


def test_nothing_is_overtaken_by_more_events_than_was_asked_for(sandbox: Checked) -> None:
    sandbox.deliver("chaos", seed=3, shuffle=5)
    got = a_story(sandbox, look_after_each=1)
    assert sorted(got) == list(range(300))
    assert got != sorted(got)
    for place, number in enumerate(got):
        assert sum(later > number for later in got[:place]) <= 5


def test_a_story_meets_the_same_trouble_whenever_anybody_listens(running: Running) -> None:
    stories = []
    for pace in (1, 1, 10, 300):
        sandbox = Checked()
        sandbox.deliver("chaos", seed=11, drop=0.1, duplicate=0.3, shuffle=8)
        stories.append(a_story(sandbox, look_after_each=pace))
    other = Checked()
    other.deliver("chaos", seed=12, drop=0.1, duplicate=0.3, shuffle=8)
    assert stories[0] == stories[1] == stories[2] == stories[3]
    assert stories[0] != a_story(other, look_after_each=1)


def test_late_webhooks_come_by_the_sandboxs_clock(sandbox: Checked) -> None:
    sandbox.deliver("chaos", seed=1, delay=1, delay_hours=24)
    tell(sandbox, 40)
    early = sandbox.take_webhooks()
    hours = []
    for hour in range(1, 25):
        sandbox.advance(timedelta(hours=1))
        hours += [hour for _ in sandbox.take_webhooks()]
    assert len(early) + len(hours) == 40
    assert min(hours) < 6 < 18 < max(hours)


def test_after_the_bad_day_all_that_waits_comes_in_its_turn(sandbox: Checked) -> None:
    sandbox.deliver("chaos", seed=5, shuffle=1000)
    tell(sandbox, 20)
    before = heard(sandbox.take_webhooks())

    sandbox.deliver("normal")

    after = heard(sandbox.take_webhooks())
    assert sorted(before + after) == list(range(20))
    assert len(after) > 10
    tell(sandbox, 3)
    assert heard(sandbox.take_webhooks()) == [20, 21, 22]


def test_a_lost_webhook_is_one_that_stripe_still_counts_as_owed(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    sandbox.deliver("chaos", drop=1)
    sandbox.pay(once(client).id)
    assert sandbox.take_webhooks() == []
    sandbox.deliver("normal")
    sandbox.advance(timedelta(days=4))
    assert sandbox.take_webhooks() == []

    lost = client.v1.events.list({"delivery_success": False, "type": "checkout.session.completed"}).data

    assert [event.pending_webhooks for event in lost] == [1]
    assert sandbox.resend(lost[0].id) == {"endpoints": 1}
    assert sandbox.take_types() == ["checkout.session.completed"]
    with pytest.raises(StripeError):
        sandbox.resend("evt_unknown")


def test_lost_events_are_forgotten_after_thirty_days_like_all_others(sandbox: Checked) -> None:
    sandbox.deliver("chaos", seed=2, drop=0.5)
    tell(sandbox, 40)
    sandbox.take_webhooks()
    sandbox.advance(timedelta(days=31))
    assert sandbox.account.all("event") == []


def test_a_copy_counts_neither_as_another_event_nor_as_owed(sandbox: Checked) -> None:
    sandbox.deliver("chaos", duplicate=1)
    tell(sandbox, 1)
    event = sandbox.account.all("event")[0]
    assert event["pending_webhooks"] == 1
    first, second = sandbox.take_webhooks()
    assert (first.event_id, first.body.count(event["id"].encode())) == (second.event_id, 1)
    assert event["pending_webhooks"] == 0


def test_a_disabled_listener_is_owed_nothing_and_hears_again_once_enabled(
    client: stripe.StripeClient, sandbox: Checked
) -> None:
    tell(sandbox, 1)
    sandbox.deliver("disabled")
    tell(sandbox, 2)
    assert sandbox.take_webhooks() == [], "not even what was owed before"
    assert sandbox.account.all("event")[0]["pending_webhooks"] == 0
    sandbox.deliver("normal")
    tell(sandbox, 1)
    assert heard(sandbox.take_webhooks()) == [3]
    assert len(client.v1.events.list({"type": "customer.created"}).data) == 4, "the list remembers them all"


def test_an_endpoint_that_was_disabled_for_a_while_is_tried_again(
    client: stripe.StripeClient, running: Running, newsroom: Newsroom
) -> None:
    sandbox = running.use(Checked())
    sandbox.account.listens = False
    endpoint = client.v1.webhook_endpoints.create({"url": newsroom.url, "enabled_events": ["customer.*"]})
    newsroom.secret = str(endpoint.secret)
    running.use(Checked())  # its own courier looks elsewhere
    newsroom.answers = 503
    tell(sandbox, 1)
    carry(sandbox)
    newsroom.answers = 200

    def switch(disabled: bool) -> None:
        running.use(sandbox)
        sandbox.listening.mode = "hold"
        client.v1.webhook_endpoints.update(endpoint.id, {"disabled": disabled})
        running.use(Checked())
        sandbox.listening.mode = "normal"

    switch(disabled=True)
    tell(sandbox, 1)
    switch(disabled=False)
    sandbox.advance(timedelta(minutes=2))
    assert carry(sandbox) == 1, "the try that was planned is made, what happened meanwhile was never owed"
    newsroom.answers = 503
    tell(sandbox, 1)
    carry(sandbox)
    switch(disabled=True)
    sandbox.advance(timedelta(minutes=2))
    assert carry(sandbox) == 0
    switch(disabled=False)
    sandbox.advance(timedelta(hours=30))
    assert carry(sandbox) == 0, "disabled at the time of a try, it is tried no more"


@pytest.mark.parametrize(
    "how",
    [{"drop": 1.5}, {"duplicate": -0.1}, {"shuffle": 5000}, {"delay_hours": 100}],
)
def test_chaos_has_its_bounds(sandbox: Checked, how: dict[str, float]) -> None:
    with pytest.raises(StripeError) as refused:
        sandbox.deliver("chaos", **how)
    assert refused.value.more["param"] == next(iter(how))
    with pytest.raises(StripeError):
        sandbox.deliver("normal", drop=0.5)
