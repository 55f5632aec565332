"""Readers join, their memberships follow the ledger, and end."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from members import addresses, queries, services
from members.fields import EncryptedTextField
from members.models import (
    AppendOnly,
    Consent,
    Member,
    Membership,
    MembershipState,
    MembershipStep,
    Message,
    Tier,
)
from members.services import Plan, Step

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def a_plan(now: datetime, **changes: Any) -> Plan:
    """Five dollars a month, paid for thirty days from `now`."""
    plan = Plan(
        reference="contribution-1",
        annual_minor=60_00,
        currency="USD",
        started_at=now,
        paid_through=now + 30 * DAY,
        ends_at=None,
    )
    return replace(plan, **changes)


def started(now: datetime) -> Step:
    return Step(kind="STARTED", reference="invoice-1", at=now, why="First payment.", actor="stripe")


def renewed(number: int, at: datetime) -> Step:
    return Step(kind="RENEWED", reference=f"invoice-{number}", at=at, why="Payment.", actor="stripe")


def history(membership: Membership) -> list[tuple[str, str, datetime]]:
    return [
        (step.kind, step.reference, step.at) for step in membership.steps.order_by("at", "kind", "reference")
    ]


# --- Joining


def test_the_same_address_in_other_letters_is_the_same_reader(now: datetime) -> None:
    first = services.get_or_join(email="Ada@Example.org", now=now)
    again = services.get_or_join(email="ada@EXAMPLE.ORG", now=now + DAY)

    assert again == first
    assert Member.objects.get().email == "Ada@example.org"


def test_a_tag_makes_another_reader(now: datetime) -> None:
    services.get_or_join(email="ada@example.org", now=now)
    services.get_or_join(email="ada+press@example.org", now=now)

    assert Member.objects.count() == 2


def test_a_reader_joined_at_the_earliest_moment_that_we_hear_of(now: datetime) -> None:
    services.get_or_join(email="ada@example.org", name="Somebody Else", locale="ru", now=now)
    services.get_or_join(email="ADA@example.org", name="Ada", locale="en", now=now - DAY)

    ada = Member.objects.get()
    assert (ada.joined_at, ada.email, ada.name, ada.locale) == (now - DAY, "ADA@example.org", "Ada", "en")


def test_a_later_gift_under_an_address_does_not_rename_its_owner(now: datetime) -> None:
    services.get_or_join(email="ada@example.org", name="Ada", locale="ru", now=now)
    services.get_or_join(email="ada@example.org", name="Charlie", locale="en", now=now + DAY)

    ada = Member.objects.get()
    assert (ada.name, ada.locale) == ("Ada", "ru")


def test_a_name_that_was_not_given_at_first_is_added_later(now: datetime) -> None:
    services.get_or_join(email="ada@example.org", now=now)
    services.get_or_join(email="ada@example.org", name="Ada", now=now + DAY)

    assert Member.objects.get().name == "Ada"


def test_whatever_the_order_of_gifts_the_reader_is_the_same(now: datetime) -> None:
    calls = [("ada{}@example.org", "", "ru", now)]
    calls += [
        ("Ada{}@example.org", "Ada L.", "en", now + DAY),
        ("ADA{}@example.org", "A.", "en", now + 2 * DAY),
    ]

    for seed in range(12):
        shuffled = calls * 2
        random.Random(seed).shuffle(shuffled)
        for email, name, locale, at in shuffled:
            services.get_or_join(email=email.format(seed), name=name, locale=locale, now=at)
        ada = queries.get_member(f"ada{seed}@example.org")
        assert ada is not None
        assert (ada.email, ada.name, ada.locale) == (f"ada{seed}@example.org", "Ada L.", "ru")
        assert (ada.joined_at, ada.name_told_at) == (now, now + DAY)


def test_two_requests_at_once_make_one_member(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other request commits between our look-up and our insert."""
    real = services.insert_new

    def somebody_is_quicker(rows: Any) -> int:
        monkeypatch.setattr(services, "insert_new", real)
        services.get_or_join(email="ada@example.org", name="Ada", now=now)
        return real(rows)

    monkeypatch.setattr(services, "insert_new", somebody_is_quicker)
    ada = services.get_or_join(email="ADA@example.org", now=now)

    assert Member.objects.get() == ada
    assert ada.name == "Ada"


def test_of_two_late_calls_the_earlier_gift_counts_whoever_writes_first(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our look-up and our update, somebody tells of a still earlier gift."""
    services.get_or_join(email="ada@example.org", name="A. L.", now=now)
    seal = EncryptedTextField.seal

    def somebody_is_quicker(field: EncryptedTextField, row: Any, value: Any) -> Any:
        monkeypatch.setattr(EncryptedTextField, "seal", seal)
        services.get_or_join(email="ADA@example.org", name="Ada", now=now - 2 * DAY)
        return seal(field, row, value)

    monkeypatch.setattr(EncryptedTextField, "seal", somebody_is_quicker)
    services.get_or_join(email="ada@Example.org", name="Ada L.", now=now - DAY)

    ada = Member.objects.get()
    assert (ada.email, ada.name, ada.joined_at) == ("ADA@example.org", "Ada", now - 2 * DAY)


def test_no_address_no_member(now: datetime) -> None:
    with pytest.raises(addresses.InvalidAddress):
        services.get_or_join(email="a@localhost", now=now)
    assert not Member.objects.exists()


def test_a_known_member_costs_one_query(grace: Member, now: datetime, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        services.get_or_join(email="grace@example.org", name="Grace", now=now + DAY)


def test_a_member_is_found_by_address_in_any_case(grace: Member) -> None:
    assert queries.get_member("GRACE@example.org") == grace
    assert queries.get_member("charlie@example.org") is None


# --- Consent


def consents() -> list[tuple[str, str, datetime, datetime | None, str]]:
    rows = Consent.objects.order_by("granted_at")
    return [(row.purpose, row.text_version, row.granted_at, row.withdrawn_at, row.source) for row in rows]


def test_consent_is_kept_once_at_the_earliest_moment(grace: Member, now: datetime) -> None:
    for at, source in ((now + DAY, "gift-2"), (now, "gift-1"), (now + 2 * DAY, "gift-3")):
        services.record_consent(
            member=grace, purpose="newsletter", text_version="newsletter-1", source=source, now=at
        )

    assert consents() == [("newsletter", "newsletter-1", now, None, "gift-1")]


def test_old_news_of_consent_does_not_undo_a_withdrawal(grace: Member, now: datetime) -> None:
    consent = {"member": grace, "purpose": "newsletter", "text_version": "newsletter-1", "source": "gift-1"}
    services.record_consent(**consent, now=now)  # type: ignore[arg-type]  # a table of keyword arguments
    Consent.objects.update(withdrawn_at=now + DAY)

    services.record_consent(**consent, now=now)  # type: ignore[arg-type]
    assert Consent.objects.count() == 1
    services.record_consent(**consent, now=now + 2 * DAY)  # type: ignore[arg-type]
    assert Consent.objects.filter(withdrawn_at=None).count() == 1


# --- Tiers


@pytest.mark.parametrize(
    ("annual", "currency", "slug"),
    [
        (23_99, "USD", None),
        (24_00, "USD", "friend"),
        (119_99, "USD", "friend"),
        (120_00, "USD", "patron"),
        (1_000_000_00, "USD", "patron"),
        (2_400, "JPY", "friend"),
        (2_399, "JPY", None),
        (500_00, "EUR", None),
    ],
)
def test_a_tier_goes_from_its_minimum_to_the_next(
    tiers: dict[str, Tier], annual: int, currency: str, slug: str | None
) -> None:
    tier = queries.get_tier(annual, currency)
    assert (tier.slug if tier else None) == slug


# --- Following a plan


def test_a_first_payment_starts_a_membership(grace: Member, tiers: dict[str, Tier], now: datetime) -> None:
    services.follow_plan(member=grace, plan=a_plan(now), step=started(now), now=now + DAY)

    membership = Membership.objects.get(member=grace)
    assert membership.tier == tiers["friend"]
    assert membership.state_at(now + DAY) == MembershipState.ACTIVE
    assert history(membership) == [("STARTED", "invoice-1", now)]
    assert queries.get_current_membership(grace, now) == membership
    assert not Message.objects.exists()


def test_a_renewal_is_recorded_once_however_often_it_is_told(grace: Member, now: datetime) -> None:
    services.follow_plan(member=grace, plan=a_plan(now), step=started(now), now=now)
    longer = a_plan(now, paid_through=now + 60 * DAY)
    for _ in range(3):
        services.follow_plan(member=grace, plan=longer, step=renewed(2, now + 30 * DAY), now=now + 30 * DAY)

    membership = Membership.objects.get()
    assert membership.paid_through == now + 60 * DAY
    assert [kind for kind, _, _ in history(membership)] == ["STARTED", "RENEWED"]


def test_a_renewal_costs_four_queries(
    grace: Member, tiers: dict[str, Tier], now: datetime, django_assert_num_queries: Any
) -> None:
    services.follow_plan(member=grace, plan=a_plan(now), step=started(now), now=now)
    with django_assert_num_queries(4):
        services.follow_plan(
            member=grace, plan=a_plan(now, paid_through=now + 60 * DAY), step=renewed(2, now), now=now
        )


def test_giving_more_lifts_the_tier_and_history_says_so(
    grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    services.follow_plan(member=grace, plan=a_plan(now), step=started(now), now=now)
    more = a_plan(now, annual_minor=240_00)
    services.follow_plan(member=grace, plan=more, step=None, now=now + DAY)
    services.follow_plan(member=grace, plan=more, step=None, now=now + 2 * DAY)

    membership = Membership.objects.get()
    assert membership.tier == tiers["patron"]
    change = membership.steps.get(kind="TIER_CHANGED")
    assert (change.at, change.why) == (now + DAY, "From friend to patron.")


def test_a_late_payment_shows_but_does_not_end_the_membership(grace: Member, now: datetime) -> None:
    membership = services.follow_plan(member=grace, plan=a_plan(now), step=started(now), now=now)
    later = now + 31 * DAY

    assert membership.state_at(later) == MembershipState.OVERDUE
    assert queries.get_current_membership(grace, later) == membership


def test_a_known_end_comes_by_itself_and_the_reader_is_told_once(
    grace: Member, tiers: dict[str, Tier], now: datetime
) -> None:
    ending = a_plan(now, ends_at=now + 30 * DAY)
    membership = services.follow_plan(member=grace, plan=ending, step=started(now), now=now)
    assert membership.state_at(now) == MembershipState.ENDING
    assert services.end_due_memberships(now=now + 29 * DAY) == 0

    assert services.end_due_memberships(now=now + 30 * DAY) == 1
    assert services.end_due_memberships(now=now + 31 * DAY) == 0
    services.follow_plan(member=grace, plan=ending, step=None, now=now + 31 * DAY)

    membership.refresh_from_db()
    assert membership.state_at(now + 30 * DAY) == MembershipState.ENDED
    assert history(membership)[-1] == ("ENDED", "contribution-1", now + 30 * DAY)
    mail = Message.objects.get()
    assert (mail.kind, mail.recipient, mail.member) == ("membership_ended", "grace@example.org", grace)
    assert mail.context == {
        "tier_name": "Friend",
        "ended_on": "December 24, 2026",
        "come_back_url": "http://127.0.0.1:8000/",
    }
    assert queries.get_current_membership(grace, now + 30 * DAY) is None


def test_one_membership_that_cannot_be_ended_does_not_hold_up_the_others(
    grace: Member, now: datetime, log_lines: list[dict[str, Any]]
) -> None:
    ada = services.get_or_join(email="ada@example.org", now=now)
    for member, reference in ((ada, "contribution-1"), (grace, "contribution-2")):
        plan = a_plan(now, reference=reference, ends_at=now + DAY)
        services.follow_plan(member=member, plan=plan, step=None, now=now)
    Member.objects.filter(pk=ada.pk).update(email=Member.objects.values_list("email").get(pk=grace.pk)[0])

    assert services.end_due_memberships(now=now + DAY) == 1
    assert Membership.objects.get(ended_at=None).member_id == ada.pk
    assert [(line["event"], line["error"]) for line in log_lines] == [("membership_not_ended", "Unreadable")]


def test_the_day_of_the_end_is_the_newsrooms_and_in_the_readers_language(
    now: datetime, settings: Any
) -> None:
    settings.NEWSROOM_TIME_ZONE = "Pacific/Kiritimati"
    ada = services.get_or_join(email="ada@example.org", locale="ru", now=now)
    services.follow_plan(member=ada, plan=a_plan(now, ends_at=now), step=started(now), now=now)

    assert Message.objects.get().context["ended_on"] == "25 ноября 2026\u202fг."


def test_a_reader_who_moved_to_another_plan_is_not_told_goodbye(grace: Member, now: datetime) -> None:
    services.follow_plan(member=grace, plan=a_plan(now), step=started(now), now=now)
    services.follow_plan(member=grace, plan=a_plan(now, reference="contribution-2"), step=None, now=now)
    services.follow_plan(member=grace, plan=a_plan(now, ends_at=now), step=None, now=now)

    assert not Message.objects.exists()


def test_news_of_an_end_long_ago_writes_history_but_no_mail(grace: Member, now: datetime) -> None:
    services.follow_plan(
        member=grace, plan=a_plan(now - 400 * DAY, ends_at=now - 40 * DAY), step=started(now), now=now
    )

    assert Membership.objects.get().ended_at == now - 40 * DAY
    assert not Message.objects.exists()


def test_an_end_that_was_taken_back_is_no_end(grace: Member, now: datetime) -> None:
    services.follow_plan(member=grace, plan=a_plan(now, ends_at=now), step=None, now=now)
    membership = services.follow_plan(member=grace, plan=a_plan(now), step=None, now=now)

    membership.refresh_from_db()
    assert (membership.ended_at, membership.ends_at) == (None, None)


def test_two_workers_that_start_the_same_membership_make_one(
    grace: Member, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = services.insert_new

    def somebody_is_quicker(rows: Any) -> int:
        monkeypatch.setattr(services, "insert_new", real)
        services.follow_plan(member=grace, plan=a_plan(now), step=started(now), now=now)
        return real(rows)

    monkeypatch.setattr(services, "insert_new", somebody_is_quicker)
    services.follow_plan(member=grace, plan=a_plan(now), step=started(now), now=now)

    assert history(Membership.objects.get()) == [("STARTED", "invoice-1", now)]


def test_history_cannot_be_changed(grace: Member, now: datetime) -> None:
    services.follow_plan(member=grace, plan=a_plan(now), step=started(now), now=now)
    step = MembershipStep.objects.get()

    for attempt in (
        step.save,
        step.delete,
        MembershipStep.objects.all().delete,
        lambda: MembershipStep.objects.update(why="It never happened."),
    ):
        with pytest.raises(AppendOnly):
            attempt()


# --- Whatever the order


@dataclass
class Ledger:
    """A stand-in for the ledger: it learns facts in any order, and tells all that it knows after each."""

    now: datetime
    reference: str
    started_at: datetime | None = None
    paid_through: datetime | None = None
    amount_known_at: datetime | None = None
    annual_minor: int = 0
    ends_at: datetime | None = None

    def learn(self, fact: tuple[str, int, datetime]) -> Step | None:
        kind, number, at = fact
        if kind == "PAID":
            self.paid_through = max(self.paid_through or at, at + 30 * DAY)
            self.started_at = min(self.started_at or at, at)
            step = started(at) if number == 1 else renewed(number, at)
        else:
            self.ends_at, step = at, None
        if self.amount_known_at is None or at >= self.amount_known_at:
            self.amount_known_at, self.annual_minor = at, 60_00 * number
        return step

    def plan(self) -> Plan:
        return Plan(
            reference=self.reference,
            annual_minor=self.annual_minor,
            currency="USD",
            started_at=self.started_at or self.now,
            paid_through=self.paid_through or self.now,
            ends_at=self.ends_at,
        )


START = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
FACTS = [("PAID", number, START + 30 * DAY * (number - 1)) for number in range(1, 5)]
_contributions = itertools.count()
FACTS.append(("ENDED", 4, START + 120 * DAY))


def told(facts: Iterable[tuple[str, int, datetime]], *, now: datetime) -> tuple[Any, ...]:
    """What is stored about a contribution of its own after the facts were told in that order."""
    number = next(_contributions)
    reader = services.get_or_join(email=f"grace+{number}@example.org", now=START)
    ledger = Ledger(now=now, reference=f"contribution-{number}")
    for fact in facts:
        step = ledger.learn(fact)
        services.follow_plan(member=reader, plan=ledger.plan(), step=step, now=now)
    membership = Membership.objects.get(member=reader)
    fields = ("annual_minor", "currency", "started_at", "paid_through", "ends_at", "ended_at", "tier_id")
    # When a change of tier was noticed depends on when we heard; everything else does not.
    steps = [
        (kind, "" if kind == "ENDED" else reference, at)
        for kind, reference, at in history(membership)
        if kind != "TIER_CHANGED"
    ]
    mails = list(Message.objects.filter(member=reader).values_list("kind", flat=True))
    return tuple(getattr(membership, name) for name in fields), steps, mails


@given(
    order=st.permutations(FACTS).flatmap(
        lambda facts: st.lists(st.sampled_from(FACTS), max_size=8).map(lambda more: facts + more)
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_order_and_repetition_of_facts_the_membership_is_the_same(
    order: list[tuple[str, int, datetime]], tiers: dict[str, Tier]
) -> None:
    now = START + 121 * DAY

    assert told(order, now=now) == told(FACTS, now=now)
