"""The schedule and the tasks behind it: rows are the queue, so a task may be lost, doubled, or come from tomorrow."""

from __future__ import annotations

import inspect
from datetime import timedelta

import pytest
from django.conf import settings

from config.celery import app

app.loader.import_default_modules()
OURS = {
    name: task
    for name, task in app.tasks.items()
    if name.startswith(("donations.", "members.", "reminders."))
}


def test_each_entry_of_the_schedule_names_a_task_that_there_is():
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(OURS)


def test_each_task_is_found_by_the_schedule():
    """All of ours are sweeps: rung early by the doorbell, and run by the clock when nobody rang."""
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} == set(OURS)


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_task_takes_no_argument_today_and_any_argument_tomorrow(name):
    """While a release goes out, messages of the new one meet workers of the old one."""
    kinds = {parameter.kind for parameter in inspect.signature(OURS[name].run).parameters.values()}

    assert kinds == {inspect.Parameter.VAR_KEYWORD}


def test_what_a_lost_worker_had_is_given_out_again_and_results_are_kept_by_nobody():
    assert (
        app.conf.task_acks_late is app.conf.task_reject_on_worker_lost is app.conf.task_ignore_result is True
    )
    assert app.conf.worker_prefetch_multiplier == 1


def test_messages_are_json_and_nothing_else():
    """A broker that somebody else can write to must not be able to make us run code."""
    assert app.conf.task_serializer == "json"
    assert list(app.conf.accept_content) == ["json"]


def test_a_task_ends_before_a_claimed_row_is_given_to_somebody_else():
    from donations import inbox

    assert timedelta(seconds=app.conf.task_time_limit) <= inbox.LEASE
    assert app.conf.task_soft_time_limit < app.conf.task_time_limit


def test_redis_gives_a_message_out_again_only_when_its_worker_must_be_dead(settings_with):
    options = settings_with(CELERY_BROKER_URL="redis://127.0.0.1/0")["CELERY_BROKER_TRANSPORT_OPTIONS"]

    assert options["visibility_timeout"] > app.conf.task_time_limit


def test_the_embedded_broker_lives_in_the_data_directory(settings_with, tmp_path):
    found = settings_with(CELERY_BROKER_URL="filesystem://")["CELERY_BROKER_TRANSPORT_OPTIONS"]

    assert found["data_folder_in"] == found["data_folder_out"] == str(tmp_path / "broker" / "messages")
    assert (tmp_path / "broker" / "messages").is_dir()
