"""The audit log: one chain, which nobody can touch unseen, whoever writes and however many at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from members import audit, history_guard
from members.models import AppendOnly, AuditEntry, AuditReason

NOON = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
Act = audit.Act


def write(count: int = 5) -> None:
    for number in range(count):
        audit.record(
            actor=f"staff:{number}",
            act=Act.DONE,
            what="refund",
            subject=f"donations.payment:{number}",
            member_id=number,
            facts={"amount": "5.00", "ключ": number, "rows": ["1", "2"]},
            why="Grace asked.",
            now=NOON + timedelta(seconds=number),
        )


def behind_its_back(statement: str) -> None:
    """What somebody with the database's own password can do: lift the guard, and change a row."""
    table = "members_auditentry"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER members_audit_is_history")
        else:
            cursor.execute("DROP TRIGGER members_audit_is_not_changed")
            cursor.execute("DROP TRIGGER members_audit_is_not_deleted")
        cursor.execute(statement)


def test_a_log_that_nobody_touched_holds(db: None) -> None:
    assert audit.verify() == audit.Verdict(0, audit.BEGINNING)
    write()
    found = audit.verify()
    assert (found.entries, found.broken_at) == (5, None)
    assert found.head == AuditEntry.objects.get(number=5).hash


@pytest.mark.parametrize(
    ("statement", "place", "problem"),
    [
        ("UPDATE members_auditentry SET actor = 'staff:9' WHERE number = 3", 3, "it was changed"),
        ("UPDATE members_auditentry SET act = 'LOOKED' WHERE number = 5", 5, "it was changed"),
        ("UPDATE members_auditentry SET facts = '{}' WHERE number = 2", 2, "it was changed"),
        ("UPDATE members_auditentry SET at = '2026-11-24 13:00:00+00' WHERE number = 1", 1, "it was changed"),
        ("UPDATE members_auditentry SET member_id = NULL WHERE number = 4", 4, "it was changed"),
        ("UPDATE members_auditentry SET why_digest = '' WHERE number = 4", 4, "it was changed"),
    ],
)
def test_whatever_is_changed_is_found_and_named(db: None, statement: str, place: int, problem: str) -> None:
    write()
    behind_its_back(statement)
    found = audit.verify()
    assert (found.broken_at, found.problem) == (place, problem)
    with pytest.raises(CommandError, match=f"broken at entry {place}: {problem}"):
        call_command("verify_audit", stdout=StringIO())


def test_an_entry_that_was_taken_out_or_forged_is_missed(db: None) -> None:
    write()
    AuditReason.objects.all().delete()
    behind_its_back("DELETE FROM members_auditentry WHERE number = 3")
    assert (audit.verify().broken_at, audit.verify().problem) == (4, "entry 3 is missing")

    entry = AuditEntry.objects.get(number=2)
    entry.actor = "staff:9"
    with connection.cursor() as cursor:  # with a hash that fits the forgery
        cursor.execute(
            "UPDATE members_auditentry SET actor = %s, hash = %s WHERE number = 2",
            [entry.actor, audit._hash_of(entry)],
        )
    behind = audit.verify()
    assert behind.broken_at == 4
    behind_its_back_again = "UPDATE members_auditentry SET number = 3 WHERE number = 4"
    with connection.cursor() as cursor:
        cursor.execute(behind_its_back_again)
    assert audit.verify().problem == "it does not follow on the entry before"


def test_an_end_that_was_cut_off_is_missed_by_whoever_noted_the_last_hash(db: None) -> None:
    write()
    out = StringIO()
    call_command("verify_audit", stdout=out)
    noted = out.getvalue().split()[-1]
    write(2)
    call_command("verify_audit", "--expect", noted, stdout=StringIO())
    AuditReason.objects.all().delete()
    behind_its_back("DELETE FROM members_auditentry WHERE number >= 5")
    assert audit.verify().broken_at is None
    with pytest.raises(CommandError, match="its end was cut off"):
        call_command("verify_audit", "--expect", noted, stdout=StringIO())


def test_the_database_refuses_to_change_or_delete_an_entry(db: None) -> None:
    write(1)
    AuditReason.objects.all().delete()
    for statement in (
        "UPDATE members_auditentry SET actor = 'nobody'",
        "DELETE FROM members_auditentry",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    entry = AuditEntry.objects.get()
    for touch in (
        entry.save,
        entry.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(actor="nobody"),
    ):
        with pytest.raises(AppendOnly):
            touch()
    assert audit.verify().entries == 1


def test_a_whole_database_can_be_emptied(db: None) -> None:
    write(1)
    AuditReason.objects.all().delete()
    if connection.vendor == "sqlite":
        with history_guard.emptying(), connection.cursor() as cursor:
            cursor.execute("DELETE FROM members_auditentry")
        assert not AuditEntry.objects.exists()


def test_a_reason_can_be_forgotten_and_not_be_changed(db: None) -> None:
    write(2)
    reason = AuditReason.objects.order_by("pk")[0]
    assert reason.text == "Grace asked."
    reason.text = "Nobody asked."
    reason.save()
    assert audit.verify().problem == "its reason was changed"
    reason.delete()
    assert audit.verify().broken_at is None
    assert AuditEntry.objects.get(number=1).why_digest != AuditEntry.objects.get(number=2).why_digest


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite in memory cannot be shared by writers")
def test_many_who_write_at_once_make_one_chain() -> None:
    start, trouble = threading.Barrier(4), []

    def work(write_some: Callable[[int], None]) -> None:
        start.wait()
        try:
            write_some(6)
        except Exception as error:  # pragma: no cover - told below
            trouble.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(write,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []
    assert audit.verify().entries == 24
    assert audit.verify().broken_at is None


def test_what_is_rolled_back_leaves_no_gap(db: None) -> None:
    write(1)

    class Over(Exception):
        pass

    def write_and_fail() -> None:
        with transaction.atomic():
            write(2)
            raise Over

    with pytest.raises(Over):
        write_and_fail()
    write(1)
    assert audit.verify() == audit.Verdict(2, AuditEntry.objects.get(number=2).hash)
