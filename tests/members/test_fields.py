"""Personal data is sealed in the database, plain in code, and cannot be written or asked past the seal."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core import management
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connection, models, transaction
from django.test.utils import isolate_apps

from config import env
from members import checks, crypto, outbox, queries, rotation, samples, services
from members.fields import EncryptedTextField, Sealed
from members.models import Member, Message

pytestmark = pytest.mark.django_db

SECRETS = ("grace", "Grace", "example.org", "$5.46", "Keep the Gazette")


@pytest.fixture
def receipt(grace: Member, now: datetime) -> Message:
    outbox.owe(
        kind="receipt",
        member=grace,
        recipient=grace.email,
        dedup_key="receipt:1",
        context=samples.context("receipt", "en"),
        locale="en",
        now=now,
    )
    return Message.objects.get()


def raw(table: str) -> str:
    """All that the database file holds of a table."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")  # noqa: S608  # names of ours
        return " ".join(
            bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)
            for row in cursor.fetchall()
            for value in row
        )


def test_the_database_holds_no_personal_data_in_plain(receipt: Message) -> None:
    held = raw("members_member") + raw("members_message")

    assert [secret for secret in SECRETS if secret in held] == []
    assert str(receipt.public_id).replace("-", "") in held.replace("-", "")


def test_code_reads_plain_values(receipt: Message, grace: Member) -> None:
    member = Member.objects.get()
    assert (member.email, member.name) == ("grace@example.org", "Grace")
    assert Message.objects.get().context == samples.context("receipt", "en")


def test_a_list_that_shows_no_personal_data_opens_none(
    grace: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bytes] = []
    monkeypatch.setattr(crypto, "open_sealed", lambda sealed, bound_to: opened.append(sealed))

    assert [member.locale for member in Member.objects.all()] == ["en"]
    assert opened == []


def test_a_value_moved_to_another_row_does_not_open(grace: Member, now: datetime) -> None:
    ada = services.get_or_join(email="ada@example.org", name="Ada", now=now)
    stolen = Member.objects.values_list("email", flat=True).get(pk=grace.pk)
    Member.objects.filter(pk=ada.pk).update(email=stolen)

    with pytest.raises(crypto.Unreadable):
        _ = Member.objects.get(pk=ada.pk).email


def test_a_value_moved_to_another_column_does_not_open(grace: Member) -> None:
    email = Member.objects.values_list("email", flat=True).get()
    Member.objects.update(name=email)

    with pytest.raises(crypto.Unreadable):
        _ = Member.objects.get().name


def test_saving_a_row_that_nobody_read_keeps_its_values(grace: Member) -> None:
    member = Member.objects.get()
    before = raw("members_member")
    member.save()
    assert raw("members_member") == before
    assert Member.objects.get().email == "grace@example.org"


def test_a_changed_value_is_sealed_anew(grace: Member) -> None:
    member = Member.objects.get()
    member.name = "Grace H."
    member.save(update_fields=["name"])

    assert Member.objects.get().name == "Grace H."
    assert "Grace" not in raw("members_member")


def test_an_empty_name_is_an_empty_name(now: datetime) -> None:
    services.get_or_join(email="ada@example.org", now=now)
    assert Member.objects.get().name == ""
    assert Member.objects.filter(name="").exists()


def test_many_rows_are_purged_in_one_statement(
    receipt: Message, grace: Member, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):
        Member.objects.update(name="")
        Message.objects.update(context={})

    assert Member.objects.get().name == ""
    assert Message.objects.get().context == {}
    assert Message.objects.get().recipient == "grace@example.org"


def test_a_deferred_value_is_fetched_when_it_is_read(grace: Member) -> None:
    assert Member.objects.defer("email").get().email == "grace@example.org"


def test_bulk_create_seals(now: datetime) -> None:
    Member.objects.bulk_create(
        Member(email_hash=name, email=f"{name}@example.org", locale="en", joined_at=now)
        for name in ("ada", "grace")
    )
    assert {member.email for member in Member.objects.all()} == {"ada@example.org", "grace@example.org"}
    assert "example.org" not in raw("members_member")


def test_a_copied_row_is_sealed_for_its_own_place(grace: Member) -> None:
    copy = Member.objects.get()
    assert copy.email  # read, so it can be sealed for another row
    assert copy.name
    copy.pk, copy.public_id, copy.email_hash = None, uuid.uuid4(), "copy"
    copy._state.adding = True
    copy.save()

    assert Member.objects.get(pk=copy.pk).email == "grace@example.org"


def test_an_unread_copy_is_refused_instead_of_being_stored_unreadable(grace: Member) -> None:
    copy = Member.objects.get()
    copy.pk, copy.public_id, copy.email_hash = None, uuid.uuid4(), "copy"
    copy._state.adding = True
    with pytest.raises(crypto.Unreadable):
        copy.save()


def test_a_row_without_a_name_is_not_sealed(now: datetime) -> None:
    with pytest.raises(ValueError, match=r"Member\.public_id must be set"):
        Member(public_id=None, email_hash="x", email="a@b.org", locale="en", joined_at=now).save()


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: Member.objects.filter(email="grace@example.org"),
        lambda: Member.objects.exclude(email="grace@example.org"),
        lambda: Member.objects.filter(email__icontains="grace"),
        lambda: Member.objects.filter(email__in=["grace@example.org"]),
        lambda: Member.objects.update(email="charlie@example.org"),
        lambda: Member.objects.bulk_update(Member.objects.all(), ["email"]),
        lambda: Message.objects.filter(context={"a": 1}),
    ],
    ids=["filter", "exclude", "part of it", "one of", "update", "bulk_update", "json"],
)
def test_what_is_sealed_cannot_be_asked_for_or_written_in_passing(grace: Member, attempt: Any) -> None:
    with pytest.raises(TypeError, match="is encrypted"), transaction.atomic():
        attempt()
    assert Member.objects.get().email == "grace@example.org"


def test_values_are_opaque(grace: Member) -> None:
    value = Member.objects.values_list("email", flat=True).get()
    assert isinstance(value, Sealed)
    assert repr(value) == f"<Sealed {len(value)} bytes>"
    assert Member.objects.filter(email__isnull=True).count() == 0


def test_a_dump_holds_no_personal_data_and_loads_again(receipt: Message, tmp_path: Path) -> None:
    dump = tmp_path / "dump.json"
    call_command("dumpdata", "members.member", "members.message", output=str(dump), verbosity=0)
    assert [secret for secret in SECRETS if secret in dump.read_text()] == []

    Message.objects.all().delete()
    Member.objects.all()._raw_delete(using="default")
    call_command("loaddata", str(dump), verbosity=0)

    member, message = Member.objects.get(), Message.objects.get()
    assert (member.email, member.name) == ("grace@example.org", "Grace")
    assert message.context == samples.context("receipt", "en")


def test_a_damaged_dump_is_refused(grace: Member, tmp_path: Path) -> None:
    dump = tmp_path / "dump.json"
    call_command("dumpdata", "members.member", output=str(dump), verbosity=0)
    rows = json.loads(dump.read_text())
    rows[0]["fields"]["email"] = rows[0]["fields"]["email"][:-3] + "???"
    dump.write_text(json.dumps(rows))

    with pytest.raises(Exception, match="damaged"):
        call_command("loaddata", str(dump), verbosity=0)


def test_a_form_checks_and_seals(grace: Member) -> None:
    member = Member.objects.get()
    member.name = "Grace H."
    member.full_clean()
    member.email = ""
    with pytest.raises(ValidationError):
        member.full_clean()
    field = Member._meta.get_field("name").formfield()
    assert field is not None
    assert field.clean("  Grace ") == "Grace"


@isolate_apps("members")
def test_a_field_must_be_bound_to_something_that_names_the_row_early() -> None:
    class Careless(models.Model):
        kind = models.CharField(max_length=5)
        by_number = EncryptedTextField(bound_to="id")
        by_kind = EncryptedTextField(bound_to="kind")
        by_nothing = EncryptedTextField(bound_to="missing")

        class Meta:
            app_label = "members"

        def __str__(self) -> str:
            return self.kind

    found = [error.obj.name for error in Careless.check() if error.id == "members.E010"]  # type: ignore[union-attr]
    assert found == ["by_number", "by_kind", "by_nothing"]


# --- Changing keys


OLD, NEW = ("old", b"o" * 32), ("new", b"n" * 32)


def rotate() -> str:
    output = StringIO()
    call_command("rotate_encryption", "--batch", "2", stdout=output, no_color=True)
    return output.getvalue()


def test_keys_are_changed_while_the_house_is_open(settings: Any, now: datetime) -> None:
    settings.FIELD_ENCRYPTION_KEYS = settings.LOOKUP_HASH_KEYS = [OLD]
    for number in range(5):
        services.get_or_join(email=f"ada+{number}@example.org", name="Ada", now=now)
    settings.FIELD_ENCRYPTION_KEYS = settings.LOOKUP_HASH_KEYS = [NEW, OLD]
    services.get_or_join(email="grace@example.org", now=now)
    assert services.get_or_join(email="ada+1@example.org", now=now).name == "Ada"
    assert Member.objects.count() == 6

    assert "members.Member: 6 rows seen, 5 moved to the active keys" in rotate()
    assert "Done: 0 rows moved" in rotate()

    settings.FIELD_ENCRYPTION_KEYS = settings.LOOKUP_HASH_KEYS = [NEW]
    ada = queries.get_member("ada+3@example.org")
    assert ada is not None
    assert (ada.email, ada.name) == ("ada+3@example.org", "Ada")


def test_a_change_of_keys_that_stopped_half_way_goes_on(settings: Any, now: datetime) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    for number in range(5):
        services.get_or_join(email=f"ada+{number}@example.org", now=now)
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]

    next(rotation.rotate(batch=2))
    assert "members.Member: 5 rows seen, 3 moved to the active keys" in rotate()


def test_a_change_that_somebody_saves_meanwhile_is_kept(
    settings: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    services.get_or_join(email="ada@example.org", name="Ada", now=now)
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    seal = EncryptedTextField.seal

    def somebody_saves(field: EncryptedTextField, row: models.Model, value: Any) -> Sealed:
        monkeypatch.setattr(EncryptedTextField, "seal", seal)
        member = Member.objects.get()
        member.name = "Ada L."
        member.save()
        return seal(field, row, value)

    monkeypatch.setattr(EncryptedTextField, "seal", somebody_saves)
    rotate()

    assert Member.objects.get().name == "Ada L."


def test_rows_that_do_not_open_are_counted_and_reported(settings: Any, now: datetime) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    services.get_or_join(email="ada@example.org", now=now)
    settings.FIELD_ENCRYPTION_KEYS = [NEW]

    with pytest.raises(CommandError, match="1 rows do not open"):
        rotate()


# --- System checks


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"FIELD_ENCRYPTION_KEYS": []}, "members.E002"),
        ({"FIELD_ENCRYPTION_KEYS": [("a", b"1" * 32), ("a", b"2" * 32)]}, "members.E003"),
        ({"LOOKUP_HASH_KEYS": [("a", b"short")]}, "members.E004"),
        ({"LOOKUP_HASH_KEYS": [("a-b", b"1" * 32)]}, "members.E005"),
        ({"LOOKUP_HASH_KEYS": [("ä", b"1" * 32)]}, "members.E005"),
    ],
)
def test_wrong_keys_are_found_before_anything_is_sealed(
    settings: Any, changes: dict[str, Any], found: str
) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    with pytest.raises(SystemCheckError, match=found):
        management.call_command("check", "members", "--tag", "security")


def test_the_published_keys_never_guard_real_readers(settings: Any) -> None:
    settings.DEBUG = True
    assert checks.check_development_keys(None) == []
    settings.DEBUG = False
    settings.FIELD_ENCRYPTION_KEYS = settings.LOOKUP_HASH_KEYS = [("k", b"1" * 32)]
    assert checks.check_development_keys(None) == []

    settings.FIELD_ENCRYPTION_KEYS = env.keys("NOT_SET", settings.DEVELOPMENT_FIELD_KEY)
    settings.LOOKUP_HASH_KEYS = env.keys("NOT_SET", settings.DEVELOPMENT_LOOKUP_KEY)
    assert [error.id for error in checks.check_development_keys(None)] == ["members.E001"] * 2
