"""Readers join, agree to things, and reach tiers."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from members import addresses, joining, queries, services
from members.fields import EncryptedTextField
from members.models import Consent, Member, Tier

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


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
    real = joining.insert_new

    def somebody_is_quicker(rows: Any) -> int:
        monkeypatch.setattr(joining, "insert_new", real)
        services.get_or_join(email="ada@example.org", name="Ada", now=now)
        return real(rows)

    monkeypatch.setattr(joining, "insert_new", somebody_is_quicker)
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
