"""Several addresses of one person: merged, undone in any order, by several members of staff at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, connections, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from members import crypto, emails, farewells, merging, people, queries, rotation, services
from members.merging import CannotMerge
from members.models import Member, Merge, Message
from members.people import get_people, members_of
from tests.members.plans import DAY, MONTH, a_plan

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _this_floor_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody above knows our made-up contributions, or says more about their ends."""
    monkeypatch.setattr(farewells, "_tellers", {})


needs_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no row locks")

STAFF = "staff:7"
WHY = "She wrote from her old address, and answered a mail to the new one."


def a_member(name: str, now: datetime) -> Member:
    return services.get_or_join(email=f"{name}@example.org", name=name.capitalize(), now=now)


def merge(kept: Member, duplicate: Member, now: datetime) -> Merge:
    return merging.merge(kept, duplicate, actor=STAFF, why=WHY, now=now)


def pointers() -> dict[int, int | None]:
    return dict(Member.objects.order_by("pk").values_list("pk", "merged_into"))


@pytest.fixture
def ada(db: None, now: datetime) -> Member:
    return a_member("ada", now)


@pytest.fixture
def old_ada(db: None, now: datetime) -> Member:
    """Ada's address at her former employer."""
    return a_member("ada.at-work", now)


@pytest.fixture
def older_ada(db: None, now: datetime) -> Member:
    return a_member("ada.at-school", now)


# --- Merging and undoing


def test_a_merge_says_who_when_and_why(ada: Member, old_ada: Member, now: datetime) -> None:
    noted = Merge.objects.get(pk=merge(ada, old_ada, now).pk)

    assert (noted.kept, noted.duplicate, noted.actor, noted.why) == (ada, old_ada, STAFF, WHY)
    assert (noted.merged_at, noted.undone_at) == (now, None)
    old_ada.refresh_from_db()
    assert old_ada.person == ada
    assert ada.person == ada


def test_undoing_leaves_no_trace_but_the_journal(ada: Member, old_ada: Member, now: datetime) -> None:
    before = list(Member.objects.order_by("pk").values())
    noted = merge(ada, old_ada, now)

    assert merging.undo(noted, actor="staff:8", now=now + DAY)
    assert list(Member.objects.order_by("pk").values()) == before
    assert (noted.undone_at, noted.undone_by) == (now + DAY, "staff:8")
    assert not merging.undo(noted, actor="staff:9", now=now + 2 * DAY)
    noted.refresh_from_db()
    assert (noted.undone_at, noted.undone_by) == (now + DAY, "staff:8")


def test_the_same_merge_said_twice_is_noted_once(ada: Member, old_ada: Member, now: datetime) -> None:
    assert merge(ada, old_ada, now) == merge(ada, old_ada, now + DAY)
    assert Merge.objects.get().merged_at == now


def test_what_was_undone_can_be_merged_again(ada: Member, old_ada: Member, now: datetime) -> None:
    merging.undo(merge(ada, old_ada, now), actor=STAFF, now=now)
    merge(ada, old_ada, now + DAY)

    assert Merge.objects.count() == 2
    assert pointers() == {ada.pk: None, old_ada.pk: ada.pk}


@pytest.mark.parametrize(("actor", "why"), [("", WHY), (STAFF, "  ")])
def test_a_merge_needs_somebody_and_a_reason(
    ada: Member, old_ada: Member, now: datetime, actor: str, why: str
) -> None:
    with pytest.raises(CannotMerge):
        merging.merge(ada, old_ada, actor=actor, why=why, now=now)
    assert pointers() == {ada.pk: None, old_ada.pk: None}


def test_a_member_is_not_merged_with_itself(ada: Member, now: datetime) -> None:
    with pytest.raises(CannotMerge, match="one member"):
        merge(ada, ada, now)


def test_a_circle_is_refused(ada: Member, old_ada: Member, older_ada: Member, now: datetime) -> None:
    merge(ada, old_ada, now)
    merge(old_ada, older_ada, now)

    for kept, duplicate in ((old_ada, ada), (older_ada, ada), (ada, older_ada), (older_ada, old_ada)):
        with pytest.raises(CannotMerge, match="already"):
            merge(kept, duplicate, now)


def test_who_is_merged_into_one_is_not_merged_into_another(
    ada: Member, old_ada: Member, grace: Member, now: datetime
) -> None:
    merge(ada, old_ada, now)
    with pytest.raises(CannotMerge, match="another one"):
        merge(grace, old_ada, now)


def test_whoever_was_merged_before_comes_along(
    ada: Member, old_ada: Member, older_ada: Member, now: datetime
) -> None:
    below = merge(old_ada, older_ada, now)
    above = merge(ada, old_ada, now)
    assert pointers() == {ada.pk: None, old_ada.pk: ada.pk, older_ada.pk: ada.pk}

    merging.undo(above, actor=STAFF, now=now)
    assert pointers() == {ada.pk: None, old_ada.pk: None, older_ada.pk: old_ada.pk}
    merging.undo(below, actor=STAFF, now=now)
    assert set(pointers().values()) == {None}


def test_merging_into_a_merged_member_is_merging_with_the_person(
    ada: Member, old_ada: Member, older_ada: Member, now: datetime
) -> None:
    above = merge(ada, old_ada, now)
    merge(old_ada, older_ada, now)
    assert pointers() == {ada.pk: None, old_ada.pk: ada.pk, older_ada.pk: ada.pk}

    merging.undo(above, actor=STAFF, now=now)
    assert pointers() == {ada.pk: None, old_ada.pk: None, older_ada.pk: old_ada.pk}


def test_the_database_itself_refuses_what_makes_no_sense(
    ada: Member, old_ada: Member, grace: Member, now: datetime
) -> None:
    merge(ada, old_ada, now)
    nonsense: list[Callable[[], Any]] = [
        lambda: Member.objects.filter(pk=grace.pk).update(merged_into=grace.pk),
        lambda: Merge.objects.create(kept=grace, duplicate=old_ada, why=WHY, actor=STAFF, merged_at=now),
        lambda: Merge.objects.create(kept=grace, duplicate=grace, why=WHY, actor=STAFF, merged_at=now),
        lambda: Merge.objects.update(undone_at=now),
    ]
    for act in nonsense:
        with pytest.raises(IntegrityError), transaction.atomic():
            act()


def tops_of_the_standing_merges() -> dict[int, int | None]:
    """What the pointers must be, worked out from the journal alone, step by step upwards."""
    up = dict(Merge.objects.filter(undone_at=None).values_list("duplicate", "kept"))

    def top(pk: int) -> int:
        return top(up[pk]) if pk in up else pk

    return {
        pk: top(pk) if pk in up else None for pk in Member.objects.order_by("pk").values_list("pk", flat=True)
    }


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(acts=st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 5)), max_size=14))
def test_whatever_was_merged_and_undone_the_pointers_follow_from_what_stands(
    db: None, acts: list[tuple[bool, int, int]]
) -> None:
    now = datetime.fromisoformat("2026-11-24T12:00:00+00:00")
    with transaction.atomic():
        readers = [a_member(f"reader{number}", now) for number in range(6)]
        merges: list[Merge] = []
        for undoes, one, other in acts:
            try:
                if undoes and merges:
                    merging.undo(merges[one % len(merges)], actor=STAFF, now=now)
                else:
                    merges.append(merge(readers[one], readers[other], now))
            except CannotMerge:
                pass
            assert pointers() == tops_of_the_standing_merges()
        for noted in merges:
            merging.undo(noted, actor=STAFF, now=now)
        assert set(pointers().values()) == {None}
        transaction.set_rollback(True)


def test_a_preview_says_what_comes_together_and_changes_nothing(
    ada: Member, old_ada: Member, older_ada: Member, grace: Member, now: datetime
) -> None:
    merge(old_ada, older_ada, now)
    for number, member in enumerate((ada, older_ada, older_ada)):
        services.record_consent(
            member=member, purpose="newsletter", text_version=str(number), source="x", now=now
        )
    before = pointers()

    found = merging.preview(ada, old_ada)
    assert (found.refused, found.addresses) == ("", [ada, old_ada, older_ada])
    assert found.rows == {"members.Consent": (1, 2)}
    assert "another one" in merging.preview(ada, older_ada).refused
    assert "already" in merging.preview(older_ada, old_ada).refused
    assert "one member" in merging.preview(ada, ada).refused
    assert merging.preview(grace, ada).addresses == [grace, ada]
    assert pointers() == before


# --- Asking


def hash_of(name: str) -> str:
    return crypto.lookup_hash(f"{name}@example.org")


def test_people_are_told_from_any_of_their_addresses_in_one_statement(
    ada: Member, old_ada: Member, older_ada: Member, grace: Member, now: datetime,
    django_assert_num_queries: Any,
) -> None:  # fmt: skip
    merge(ada, old_ada, now)
    merge(ada, older_ada, now)
    for asked in ("ada", "ada.at-work", "ada.at-school"):
        with django_assert_num_queries(1):
            found = get_people([hash_of(asked), hash_of("grace"), hash_of("charlie")])
        names = ["ada", "ada.at-work", "ada.at-school", "grace", "charlie"]
        assert found.hashes == {hash_of(name) for name in names}
        assert found.members == {
            ada.pk: hash_of("ada"),
            old_ada.pk: hash_of("ada"),
            older_ada.pk: hash_of("ada"),
            grace.pk: hash_of("grace"),
        }
        persons = [found.person(hash_of(name)) for name in names]
        assert persons == [hash_of("ada")] * 3 + [hash_of("grace"), hash_of("charlie")]
        assert found.with_several_addresses == [ada.pk]


def test_all_members_of_a_person_are_found_from_each_however_old_the_copy_in_hand(
    ada: Member, old_ada: Member, grace: Member, now: datetime
) -> None:
    merge(ada, old_ada, now)
    assert set(members_of(ada.pk)) == set(members_of(old_ada.pk)) == {ada, old_ada}
    assert set(members_of(grace.pk)) == {grace}


def test_a_gift_under_a_merged_address_is_that_persons(ada: Member, old_ada: Member, now: datetime) -> None:
    """The member of the address takes it, and stands for the person: were the merge a mistake, nothing is to move."""
    noted = merge(ada, old_ada, now)
    giver = services.get_or_join(email="ADA.at-work@example.org", now=now + DAY)
    assert (giver, giver.person) == (old_ada, ada)

    merging.undo(noted, actor=STAFF, now=now)
    again = services.get_or_join(email="ada.at-work@example.org", now=now + DAY)
    assert (again, again.person) == (old_ada, old_ada)


# --- Memberships of a person


def test_a_person_is_a_member_under_any_of_the_addresses(
    ada: Member, old_ada: Member, grace: Member, now: datetime, django_assert_num_queries: Any
) -> None:
    membership = services.follow_plan(member=old_ada, plan=a_plan(now), now=now)
    noted = merge(ada, old_ada, now)
    for member in (ada, old_ada):
        with django_assert_num_queries(1):
            assert queries.get_current_membership(member, now) == membership
    assert queries.get_current_membership(grace, now) is None

    merging.undo(noted, actor=STAFF, now=now)
    assert queries.get_current_membership(ada, now) is None
    assert queries.get_current_membership(old_ada, now) == membership


def test_an_end_is_no_news_to_somebody_who_goes_on_under_another_address(
    ada: Member, old_ada: Member, now: datetime
) -> None:
    merge(ada, old_ada, now)
    services.follow_plan(member=ada, plan=a_plan(now), now=now)
    other = a_plan(now - MONTH, reference="contribution-2", ended_at=now)
    services.follow_plan(member=old_ada, plan=other, now=now)
    owed = Message.objects.all()
    assert not [mail for mail in owed if emails.is_wanted(mail.kind, mail.dedup_key)]  # asked when it leaves


def test_the_farewell_goes_to_the_address_that_was_kept(ada: Member, old_ada: Member, now: datetime) -> None:
    merge(ada, old_ada, now)
    Member.objects.filter(pk=ada.pk).update(locale="ru")
    old_ada.refresh_from_db()
    services.follow_plan(member=old_ada, plan=a_plan(now - MONTH, ended_at=now), now=now)

    message = Message.objects.get()
    assert (message.kind, message.recipient, message.locale) == ("membership_ended", "ada@example.org", "ru")
    assert message.member == old_ada


# --- Privacy


def test_the_reason_is_sealed_and_moves_to_a_new_key(
    ada: Member, old_ada: Member, now: datetime, settings: Any
) -> None:
    noted = merge(ada, old_ada, now)
    settings.FIELD_ENCRYPTION_KEYS = [("new", b"n" * 32), *settings.FIELD_ENCRYPTION_KEYS]
    settings.LOOKUP_HASH_KEYS = [("new", b"h" * 32), *settings.LOOKUP_HASH_KEYS]
    for _ in rotation.rotate():
        pass
    settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS[:1]
    settings.LOOKUP_HASH_KEYS = settings.LOOKUP_HASH_KEYS[:1]

    assert Merge.objects.get(pk=noted.pk).why == WHY
    found = get_people([hash_of("ada.at-work")])
    assert found.person(hash_of("ada.at-work")) == hash_of("ada")


def test_no_log_line_says_why_or_who(ada: Member, old_ada: Member, now: datetime) -> None:
    with capture_logs() as lines:
        merging.undo(merge(ada, old_ada, now), actor=STAFF, now=now)
    assert [line["event"] for line in lines] == ["members merged", "merge undone"]
    assert "example.org" not in str(lines)
    assert WHY not in str(lines)


# --- What staff see


@pytest.fixture
def staff(client: Client, admin_user: User) -> Client:
    client.force_login(admin_user)
    return client


def test_staff_find_a_person_by_any_of_the_addresses_and_see_the_others(
    staff: Client, ada: Member, old_ada: Member, grace: Member, now: datetime
) -> None:
    merge(ada, old_ada, now)
    for email in ("ada@example.org", "ADA.at-work@example.org"):
        page = staff.post("/admin/members/member/", {"q": email}, follow=True).content.decode()
        assert "2 members" in page
        assert str(grace.public_id) not in page

    assert WHY not in staff.get(f"/admin/members/member/{ada.pk}/change/").content.decode()
    staff.post(f"/admin/reveal/members.member/{ada.pk}/", {"why": "She wrote to us."})
    page = staff.get(f"/admin/members/member/{ada.pk}/change/").content.decode()
    assert f'<a href="/admin/members/member/{old_ada.pk}/change/">{old_ada}</a>' in page
    assert WHY in page
    page = staff.get(f"/admin/members/member/{old_ada.pk}/change/").content.decode()
    assert f"{ada}</a> (the one that we write to)" in page
    assert 'name="_save"' not in page


def test_an_address_that_cannot_be_opened_does_not_hide_the_page(
    staff: Client, ada: Member, old_ada: Member, now: datetime, settings: Any
) -> None:
    merge(ada, old_ada, now)
    staff.post(f"/admin/reveal/members.member/{ada.pk}/", {"why": "She wrote to us."})
    settings.FIELD_ENCRYPTION_KEYS = [("other", b"x" * 32)]
    page = staff.get(f"/admin/members/member/{ada.pk}/change/")
    assert page.status_code == 200
    assert "cannot be opened" in page.content.decode()


# --- Several members of staff at once


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What each of these gave or raised, done in threads that begin together."""
    start = threading.Barrier(len(acts))
    found: list[Any] = [None] * len(acts)

    def run(place: int) -> None:
        try:
            start.wait()
            found[place] = acts[place]()
        except Exception as error:
            found[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


ROUNDS = 12


@pytest.mark.postgresql
@needs_postgresql
@pytest.mark.django_db(transaction=True)
def test_of_two_opposite_merges_at_once_one_is_refused(now: datetime) -> None:
    for number in range(ROUNDS):
        one, other = a_member(f"one{number}", now), a_member(f"other{number}", now)
        found = at_once(lambda: merge(one, other, now), lambda: merge(other, one, now))  # noqa: B023
        assert {type(thing) for thing in found} == {Merge, CannotMerge}
        assert pointers() == tops_of_the_standing_merges()


@pytest.mark.postgresql
@needs_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_circle_of_merges_at_once_never_closes(now: datetime) -> None:
    for number in range(ROUNDS):
        readers = [a_member(f"reader{number}-{place}", now) for place in range(4)]
        found = at_once(
            *(
                lambda place=place: merge(readers[place], readers[(place + 1) % 4], now)  # noqa: B023
                for place in range(4)
            )
        )
        assert [type(thing) for thing in found].count(Merge) == 3
        assert [type(thing) for thing in found].count(CannotMerge) == 1
        assert pointers() == tops_of_the_standing_merges()


@pytest.mark.postgresql
@needs_postgresql
@pytest.mark.django_db(transaction=True)
def test_of_two_who_merge_the_same_member_elsewhere_one_is_refused(now: datetime) -> None:
    for number in range(ROUNDS):
        one, other, third = (a_member(f"reader{number}-{place}", now) for place in range(3))
        found = at_once(lambda: merge(one, third, now), lambda: merge(other, third, now))  # noqa: B023
        assert {type(thing) for thing in found} == {Merge, CannotMerge}
        assert pointers() == tops_of_the_standing_merges()


@pytest.mark.postgresql
@needs_postgresql
@pytest.mark.django_db(transaction=True)
def test_merging_and_undoing_at_once_leaves_what_the_journal_says(now: datetime) -> None:
    for number in range(ROUNDS):
        top, middle, low, other = (a_member(f"reader{number}-{place}", now) for place in range(4))
        above, below = merge(top, middle, now), merge(middle, low, now)
        found = at_once(
            lambda: merging.undo(above, actor=STAFF, now=now + timedelta(hours=1)),  # noqa: B023
            lambda: merging.undo(below, actor=STAFF, now=now + timedelta(hours=1)),  # noqa: B023
            lambda: merge(low, other, now),  # noqa: B023
            lambda: merging.undo(above, actor="staff:8", now=now + timedelta(hours=1)),  # noqa: B023
        )
        assert not any(isinstance(thing, Exception) for thing in found), found
        assert sorted([found[0], found[3]]) == [False, True]
        assert pointers() == tops_of_the_standing_merges()
        assert set(people.members_of(low.pk)) == {low, other}


@pytest.mark.postgresql
@needs_postgresql
@pytest.mark.django_db(transaction=True)
def test_gifts_do_not_wait_for_a_merge(now: datetime) -> None:
    """Rows that point to a member are added while staff have it in hand."""
    one, other = a_member("one", now), a_member("other", now)
    began, finish = threading.Event(), threading.Event()

    def slow_merge() -> None:
        with transaction.atomic():
            merge(one, other, now)
            began.set()
            finish.wait()

    def give() -> None:
        began.wait()
        services.record_consent(member=other, purpose="newsletter", text_version="1", source="x", now=now)
        finish.set()

    assert at_once(slow_merge, give) == [None, None]
