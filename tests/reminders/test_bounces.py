"""Reminders stop where mail comes back or is called spam, until the reader says yes by mail."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from members.models import Bounce
from reminders import queries
from tests.reminders.conftest import Desk, state_of
from tests.reminders.test_pages import links_in, press, reader  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db

SECRET = "a secret of thirty-two characters or more"
JANUARY = datetime(2027, 1, 1, 10, 0, tzinfo=UTC)


def tell(api: Client, settings: Any, kind: str = "hard") -> None:
    settings.MAIL_WEBHOOK_SECRETS = [SECRET]
    body = {"email": "charlie@example.org", "kind": kind}
    headers = {"Authorization": f"Bearer {SECRET}"}
    response = api.post("/api/v1/mail/bounces/", body, content_type="application/json", headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("kind", ["hard", "complaint"])
def test_a_reminder_to_an_address_that_bounces_is_not_sent_and_counted(
    desk: Desk, api: Client, settings: Any, kind: str
) -> None:
    reminder = desk.ask()
    tell(api, settings, kind)
    desk.go_and_work(JANUARY)

    assert desk.mails == []
    assert state_of(reminder) == [("SUPPRESSED", "bounced")]
    found = queries.get_stats(now=desk.now)
    assert found["suppressed"] == {"bounced": 1}
    assert found["bounced_addresses"] == {kind: 1}


def test_a_reader_whose_address_works_again_says_yes_by_mail(
    desk: Desk,
    api: Client,
    settings: Any,
    reader: Client,  # noqa: F811
) -> None:
    tell(api, settings)
    reminder = desk.ask()
    assert reminder.state == "PENDING_CONFIRM"
    desk.work()
    press(reader, links_in(desk)["confirm"])

    assert not Bounce.objects.exists()
    desk.go_and_work(JANUARY)
    assert desk.kinds == ["reminder_confirm", "reminder"]


def test_whoever_signs_up_an_address_that_bounces_again_and_again_brings_it_one_mail_in_four_weeks(
    desk: Desk, api: Client, settings: Any
) -> None:
    tell(api, settings, "complaint")
    for _ in range(27):
        desk.ask()
        desk.work()
        desk.wait(days=1)
    assert desk.kinds == ["reminder_confirm"]
