"""Grace presses “Stop my contribution”: it is written down once, and the report on churn says what it ended in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from donations.leavings import TO_DECIDE
from donations.models import Contribution, Leaving
from donations.reports import catalogue, periods, saves
from donations.reports.catalogue import Question, Window
from donations.reports.periods import Granularity, Period
from donations.reports.plans import EVERYTHING
from donations.reports.saves import Ended
from members import clock
from tests.account.conftest import GRACE
from tests.account.test_changes import call, look, path, press


def today() -> Period:
    day = periods.day_of(clock.now())
    return Period(day, day)


def told(period: Period, **more: Any) -> dict[str, Any]:
    return saves.saves(saves.read(period, now=clock.now(), **more))


def set_out(client: Any) -> None:
    """Press the button on the contribution's page; the page behind it is shown."""
    answer = press(client, "stop/begin")
    assert answer.headers["Location"] == path("stop")
    look(client, "stop")


def give_less(client: Any) -> None:
    press(client, "change", **look(client, "change", amount="3", interval="month", instead="1").fields)


def pause(client: Any) -> None:
    press(client, "pause", **look(client, "pause", instead="1").fields)


def give_once_a_year(client: Any) -> None:
    press(client, "change", **look(client, "change", amount="30", interval="year", instead="1").fields)


def stop(client: Any) -> None:
    press(client, "stop")


def give_more(client: Any) -> None:
    press(client, "change", **look(client, "change", amount="20", interval="month").fields)


@pytest.mark.parametrize(
    ("acts", "ended"),
    [
        ([], Ended.KEPT),
        ([give_less], Ended.LOWERED),
        ([pause], Ended.PAUSED),
        ([give_once_a_year], Ended.ANNUAL),
        ([give_more], Ended.KEPT),
        ([stop], Ended.STOPPED),
        ([stop, lambda client: press(client, "keep")], Ended.TAKEN_BACK),
        ([pause, lambda client: press(client, "undo")], Ended.KEPT),
        ([give_less, stop], Ended.STOPPED),
    ],
)
def test_what_it_ended_in_is_told(givers: Any, browser_of: Any, acts: list[Any], ended: Ended) -> None:
    grace, day = browser_of(GRACE), today()
    set_out(grace)
    assert told(day)["ended_in"]["open"] == 1
    for act in acts:
        act(grace)
        givers.catch_up()
    givers.stripe.advance(TO_DECIDE)

    found = told(day)

    assert {name: number for name, number in found["ended_in"].items() if number} == {ended.value: 1}
    assert found["saved"]["numerator"] == (ended != Ended.STOPPED)
    assert found["saved"]["denominator"] == 1
    taken = {Ended.LOWERED: "lower", Ended.PAUSED: "pause", Ended.ANNUAL: "annual"}.get(ended)
    for offer in ("lower", "pause", "annual"):
        assert (found["offers"][offer]["numerator"], found["offers"][offer]["denominator"]) == (
            offer == taken,
            1,
        )


def test_who_looks_around_or_presses_twice_has_set_out_once(givers: Any, browser_of: Any) -> None:
    grace = browser_of(GRACE)
    look(grace, "stop")
    assert not Leaving.objects.exists()
    set_out(grace)
    set_out(grace)
    assert Leaving.objects.count() == 1
    pause(grace)
    givers.catch_up()
    set_out(grace)
    assert Leaving.objects.count() == 2, "what came after was decided is another time"


def test_who_changes_something_without_setting_out_is_not_counted(givers: Any, browser_of: Any) -> None:
    give_more(browser_of(GRACE))
    givers.catch_up()

    assert told(today())["saved"] == {"numerator": 0, "denominator": 0, "value": None}


def test_a_stop_from_elsewhere_began_and_ended_at_once(givers: Any, program_of: Any) -> None:
    call(program_of(GRACE), "stop")
    assert told(today())["ended_in"]["stopped"] == 0, "the books wait for Stripe's word"
    givers.catch_up()

    found = told(today())

    assert found["saved"] == {"numerator": 0, "denominator": 1, "value": 0.0}
    assert found["offers"]["pause"]["value"] is None


def test_late_regret_is_a_save_and_was_none_before(givers: Any, browser_of: Any) -> None:
    grace, day = browser_of(GRACE), today()
    set_out(grace)
    undecided = clock.now()
    givers.stripe.advance(timedelta(minutes=1))
    stop(grace)
    givers.catch_up()
    givers.stripe.advance(timedelta(days=3))
    before = clock.now()
    press(grace, "keep")
    givers.stripe.advance(timedelta(minutes=1))
    givers.catch_up()

    assert told(day)["ended_in"]["taken_back"] == 1
    assert told(day, known_at=before)["ended_in"]["stopped"] == 1
    assert told(day, known_at=undecided)["ended_in"]["open"] == 1


def test_a_contribution_that_ends_already_is_not_set_out_to_be_stopped(givers: Any, browser_of: Any) -> None:
    grace = browser_of(GRACE)
    stop(grace)
    givers.catch_up()
    assert press(grace, "stop/begin").headers["Location"] == path()
    assert not Leaving.objects.exists()


def test_the_report_tells_it_and_its_rows_add_up(givers: Any, browser_of: Any, client: Any) -> None:
    grace, day = browser_of(GRACE), today()
    set_out(grace)
    pause(grace)
    givers.catch_up()
    asked = Question(day, Granularity.DAY, EVERYTHING, clock.now())
    report = catalogue.get("churn")
    assert report is not None

    (part,) = report.answer(asked)
    started, saved = (catalogue.explain(report, asked, name, Window(0, 9)) for name in ("started", "saved"))

    assert part["saves"]["saved"]["numerator"] == saved.total["USD"] == len(saved.rows) == 1
    assert started.rows[0]["contribution"] == str(Contribution.objects.get(interval="month").public_id)
    assert (started.rows[0]["ended_in"], started.rows[0]["offered"]) == (
        "paused",
        ["annual", "lower", "pause"],
    )
    assert "@" not in str(started.rows)
