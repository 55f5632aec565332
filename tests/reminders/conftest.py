"""The readers of these tests: Ada gives once, Grace gives monthly, Charlie never; all asked to be reminded."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from donations.models import Campaign
from members import outbox
from members.emails import Mail
from reminders import attribution, calendar, dispatch, outcomes, services
from reminders.models import Reminder, ReminderSend
from reminders.services import Wish
from tests import factories
from tests.members.conftest import Postman, postman  # noqa: F401  (a fixture)

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
API = "/api/v1/reminders/"
A_WISH: dict[str, Any] = {
    "email": "charlie@example.org",
    "remind": "next_month",
    "campaign": "support-us",
    "interval": "month",
    "amount": 500,
    "currency": "USD",
    "consent_version": "reminder-1",
}


@dataclass
class Desk:
    """Reminders with a clock that tests move; what the workers do, as short verbs."""

    campaign: Campaign
    now: datetime = NOON
    seen: int = field(default=0)

    def ask(
        self, email: str = "charlie@example.org", *, plan: calendar.Plan | None = None, **changes: Any
    ) -> Reminder:
        """Ask for one mail next month, or as the plan says."""
        wanted = plan or calendar.next_month(self.now.date())
        kind = Reminder.Kind.RECURRING if wanted.every_months else Reminder.Kind.ONE_OFF
        given: dict[str, Any] = {
            "email": email,
            "kind": kind,
            "plan": wanted,
            "campaign": self.campaign.slug,
            "consent_version": "reminder-1",
            **changes,
        }
        return services.ask_for_reminder(wish=Wish(**given), now=self.now)

    def go_to(self, moment: datetime) -> None:
        self.now = moment

    def wait(self, **by: float) -> None:
        self.now += timedelta(**by)

    def work(self, *, payments_work: bool = True) -> dispatch.Dispatched:
        """What beat and workers do: dispatch, deliver, and learn what became of it."""
        found = dispatch.dispatch_due(now=self.now, payments_work=payments_work)
        outbox.deliver_due(now=self.now)
        outcomes.follow_outbox(now=self.now)
        return found

    def go_and_work(self, moment: datetime) -> dispatch.Dispatched:
        self.go_to(moment)
        return self.work()

    def count_gifts(self) -> int:
        return attribution.count_gifts(now=self.now)

    @property
    def mails(self) -> list[Mail]:
        return [letter for letter in mail.outbox if isinstance(letter, Mail)]

    @property
    def kinds(self) -> list[str]:
        return [letter.kind for letter in self.mails]


@pytest.fixture
def desk(db: None) -> Desk:
    return Desk(campaign=factories.a_campaign())


@pytest.fixture
def now() -> datetime:
    return NOON


@pytest.fixture
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The edges (views, tasks) read the same clock as the tests."""
    monkeypatch.setattr("members.clock.now", lambda: NOON)


@pytest.fixture
def post(api: Client, at_noon: None) -> Any:
    """Ask the API for a reminder."""

    def post(path: str = "", body: Any = None, headers: Any = None, **changes: Any) -> Any:
        sent = {**A_WISH, **changes} if body is None else body
        sent = (
            {name: value for name, value in sent.items() if value is not ...}
            if isinstance(sent, dict)
            else sent
        )
        return api.post(f"{API}{path}", sent, content_type="application/json", headers=headers)

    return post


def state_of(reminder: Reminder) -> list[tuple[str, str]]:
    """The states and reasons of a reminder's mails, in the order in which they were due."""
    return list(reminder.sends.order_by("due_at", "pk").values_list("state", "reason"))


def the_send(reminder: Reminder) -> ReminderSend:
    return reminder.sends.get()
