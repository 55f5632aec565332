"""A worker can die between any two statements of an erasure, and another one brings it to its end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from donations import naming, queries
from donations.models import Payment
from members import clock, data_rights, erasing, outbox
from members.models import DataRequest, Member
from tests.crashing import Process
from tests.house import House
from tests.rights.conftest import ask_erasure, remind, where_told

pytestmark = pytest.mark.django_db(transaction=True)

NEXT_WORKER = erasing.LEASE + timedelta(minutes=1)
ADA = {"email": "ada.wrenfield@example.org", "name": "Ada Wrenfield"}


def test_worker_after_worker_dies_one_statement_later(house: House) -> None:
    """Each step is died in at each of its statements: whoever comes next carries on, and what was done stays done."""
    house.give_and_pay(**ADA, newsletter_consent=True)
    house.begin(**ADA)
    remind(house, ADA["email"])
    request = ask_erasure(Member.objects.get())
    outbox.deliver_due(now=clock.now())
    books = queries.get_books()
    now, die_before, deaths = clock.now(), 0, 0
    while request.is_open:
        assert deaths < 1000, request.steps
        done = list(request.steps)
        process = Process(die_before)
        process.run(lambda at=now: data_rights.answer_waiting(now=at))  # type: ignore[misc]  # bound at once
        deaths += process.is_dead
        request.refresh_from_db()
        assert request.steps[: len(done)] == done
        die_before = 0 if len(request.steps) > len(done) else die_before + 1
        now += NEXT_WORKER
    house.catch_up()
    naming.forget_late_news(since=clock.now() - naming.LATELY)

    assert request.state == DataRequest.State.DONE
    assert deaths > 100
    assert where_told("wrenfield") == set()
    assert queries.get_books() == books
    assert Payment.objects.get().state == "SUCCEEDED"


def test_a_download_that_breaks_off_is_made_once(house: House) -> None:
    house.give_and_pay(**ADA)
    member = Member.objects.get()
    request = data_rights.ask_download(member, now=clock.now())
    now, die_before = clock.now(), 0
    while request.is_open:
        Process(die_before).run(lambda at=now: data_rights.answer_waiting(now=at))  # type: ignore[misc]
        request.refresh_from_db()
        die_before += 1
        now += NEXT_WORKER

    assert die_before > 30
    assert data_rights.open_download(request.public_id, member=member, now=now)
    assert member.messages.filter(kind="data_ready").count() == 1
