"""What staff see of reminders, and the two things that they can do."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from reminders import tasks
from reminders.models import Reminder, ReminderSend, Switch
from tests.reminders.conftest import Desk
from tests.reminders.test_dispatch import JANUARY

pytestmark = pytest.mark.django_db

LIST = "/admin/reminders/reminder/"


@pytest.fixture
def staff(settings: Any) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss", password="a long password"))
    return client


def test_a_reader_is_found_by_the_whole_address_and_lists_show_none(desk: Desk, staff: Client) -> None:
    reminder = desk.ask("ada@example.org")
    desk.ask("charlie@example.org")
    everything = staff.get(LIST).content.decode()
    assert "2 reminders" in everything
    assert "example.org" not in everything
    assert "1 reminder" in staff.post(LIST, {"q": "ADA@example.org"}, follow=True).content.decode()
    assert "1 reminder" in staff.get(LIST, {"q": str(reminder.public_id)}).content.decode()
    assert "0 reminders" in staff.get(LIST, {"q": "ada"}).content.decode()


def test_staff_see_each_mail_why_it_was_not_sent_and_how_it_reads(desk: Desk, staff: Client) -> None:
    reminder = desk.ask("ada@example.org")
    desk.campaign.ends_at = JANUARY
    desk.campaign.save()
    desk.go_and_work(JANUARY)
    assert "ada@example.org" not in staff.get(f"{LIST}{reminder.pk}/change/").content.decode()
    staff.post(f"/admin/reveal/reminders.reminder/{reminder.pk}/", {"why": "Ada wrote to us."})
    page = staff.get(f"{LIST}{reminder.pk}/change/").content.decode()
    assert "campaign_over" in page or "The appeal is over" in page
    assert "you asked us to remind you. Here we are." in page
    assert "ada@example.org" in page
    assert 'name="_save"' not in page


def test_the_links_in_a_preview_do_nothing(desk: Desk, staff: Client) -> None:
    import re

    reminder = desk.ask("ada@example.org")
    page = staff.get(f"{LIST}{reminder.pk}/change/").content.decode()
    codes = set(re.findall(r"/reminders/([\w-]{43})/", page))
    assert codes
    for code in codes:
        assert Client().get(f"/reminders/{code}/stop/").status_code == 404


def test_staff_can_stop_a_reminder_for_a_reader_and_nothing_else(desk: Desk, staff: Client) -> None:
    reminder = desk.ask("ada@example.org")
    staff.post(LIST, {"action": "stop_reminders", "_selected_action": [reminder.pk]})
    reminder.refresh_from_db()
    assert reminder.state == "CANCELLED"
    assert staff.get(f"{LIST}add/").status_code == 403
    assert staff.post(f"{LIST}{reminder.pk}/delete/", {"post": "yes"}).status_code == 403


def test_who_may_only_look_cannot_stop_one(desk: Desk) -> None:
    user = User.objects.create_user("grace", password="a long password", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_reminder"))
    client = Client()
    client.force_login(user)
    reminder = desk.ask("ada@example.org")
    client.post(LIST, {"action": "stop_reminders", "_selected_action": [reminder.pk]})
    reminder.refresh_from_db()
    assert reminder.state == "SCHEDULED"


def test_the_switch_holds_everything_back(desk: Desk, staff: Client) -> None:
    Switch.objects.get_or_create(pk=1)
    staff.post("/admin/reminders/switch/1/change/", {"is_paused": "on"})
    assert Switch.objects.get().is_paused
    desk.ask()
    assert desk.go_and_work(JANUARY).handed_over == 0
    assert staff.get("/admin/reminders/switch/add/").status_code == 403


def test_a_full_outbox_is_emptied_before_more_is_put_in(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.ask("ada@example.org")
    desk.ask("charlie@example.org")
    monkeypatch.setattr("members.clock.now", lambda: JANUARY)
    monkeypatch.setattr(tasks, "_MOST_IN_OUTBOX", 0)
    tasks.dispatch_reminders()
    assert ReminderSend.objects.filter(state="PLANNED").count() == 2
    monkeypatch.setattr(tasks, "_MOST_IN_OUTBOX", 10)
    tasks.dispatch_reminders()
    assert ReminderSend.objects.filter(state="HANDED_OVER").count() == 2
    desk.go_to(JANUARY)
    desk.work()
    assert Reminder.objects.filter(state="DONE").count() == 2
