"""Getting in: a password and a second factor, both watched; and when a session is over."""

from __future__ import annotations

import base64
import importlib
import re
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticToken

from members import clock, staff_session
from members.models import AuditEntry
from staff import second_factor
from staff.models import AuthenticatorApp
from tests.staff.conftest import PASSWORD, somebody

pytestmark = [pytest.mark.django_db, pytest.mark.real_sign_in]

LOGIN, FACTOR, HOME = "/admin/login/", "/admin/second-factor/", "/admin/"
WRONG = "The name or the password is not right"


@pytest.fixture
def sam() -> User:
    return somebody("support", "sam")


@pytest.fixture
def visitor() -> Client:
    return Client()


def give_password(client: Client, password: str = PASSWORD, name: str = "sam") -> Any:
    return client.post(LOGIN, {"username": name, "password": password})


def code_of(user: User, *, steps: int = 0) -> str:
    """What the app shows, or will show so many half minutes from now, by the clock that the house sees."""
    counter = TOTP(AuthenticatorApp.objects.get(user=user).secret)
    counter.time = time.time() + 30 * steps
    return f"{counter.token():06d}"


def set_up(client: Client, user: User) -> list[str]:
    """Sign in for the first time; the recovery codes."""
    give_password(client, name=user.username)
    client.get(FACTOR)
    page = client.post(FACTOR, {"code": code_of(user)}).content.decode()
    return re.findall(r"<code>([0-9a-f-]{19})</code>", page)


def acts() -> list[str]:
    return list(AuditEntry.objects.order_by("number").values_list("act", flat=True))


def test_the_first_time_a_second_factor_is_set_up_with_a_picture_and_a_key(
    sam: User, visitor: Client
) -> None:
    assert give_password(visitor).headers["Location"] == FACTOR
    page = visitor.get(FACTOR).content.decode()
    assert 'class="qr"' in page
    key = re.search(r'class="key">([A-Z2-7 ]+)<', page)
    assert key
    assert len(key[1].replace(" ", "")) == 32
    assert second_factor.secret_text(AuthenticatorApp.objects.get()) == key[1]

    codes = set_up(visitor, sam)
    assert len(set(codes)) == 10
    assert visitor.get(HOME).status_code == 200
    assert acts() == ["SECOND_FACTOR_SET", "SIGNED_IN"]


def test_a_password_alone_opens_nothing(sam: User, visitor: Client) -> None:
    give_password(visitor)
    for address in (HOME, "/admin/members/member/", "/admin/password_change/"):
        assert visitor.get(address).headers.get("Location", "").startswith(LOGIN), address
    assert visitor.get("/api/v1/reminders/stats/").status_code == 403


def test_the_way_leads_back_to_the_page_that_was_wanted_and_to_no_other_site(
    sam: User, visitor: Client
) -> None:
    set_up(Client(), sam)
    wanted = "/admin/members/member/"
    response = visitor.get(wanted)
    response = visitor.post(response.headers["Location"], {"username": "sam", "password": PASSWORD})
    response = visitor.post(response.headers["Location"], {"code": code_of(sam, steps=1)})
    assert response.headers["Location"] == wanted
    visitor.post("/admin/logout/")
    response = visitor.post(f"{LOGIN}?next=https://evil.example/", {"username": "sam", "password": PASSWORD})
    assert response.headers["Location"] == FACTOR


def test_a_code_counts_once(sam: User, visitor: Client) -> None:
    set_up(visitor, sam)
    other = Client()
    give_password(other)
    assert "not right, or it was used before" in other.post(FACTOR, {"code": code_of(sam)}).content.decode()
    assert other.get(HOME).status_code == 302
    assert other.post(FACTOR, {"code": code_of(sam, steps=1)}).status_code == 302
    assert other.get(HOME).status_code == 200


def test_a_recovery_code_lets_in_once_and_is_stored_nowhere(sam: User, visitor: Client) -> None:
    codes = set_up(visitor, sam)
    stored = set(StaticToken.objects.values_list("token", flat=True))
    assert not stored & {code.replace("-", "") for code in codes}
    for expected in (200, 302):
        other = Client()
        give_password(other)
        other.post(FACTOR, {"code": f" {codes[0].upper()} "})
        assert other.get(HOME).status_code == expected
    assert second_factor.recovery_codes_left(sam) == 9


def test_a_wrong_name_and_a_wrong_password_read_the_same(sam: User, visitor: Client) -> None:
    somebody("none", "reader").delete()
    reader = User.objects.create_user("reader", password=PASSWORD)
    pages = {
        re.sub(r'value="[^"]*"', "", give_password(Client(), password, name).content.decode())
        for name, password in (("sam", "wrong"), ("nobody", "wrong"), (reader.username, PASSWORD))
    }
    assert len(pages) == 1
    assert WRONG in pages.pop()
    entries = AuditEntry.objects.filter(act="PASSWORD_REFUSED").order_by("number")
    assert [entry.subject for entry in entries] == [f"auth.user:{sam.pk}", "", f"auth.user:{reader.pk}"]
    assert not any("wrong" in str(entry.facts) for entry in entries)


def test_ten_wrong_passwords_close_the_account_for_a_while(
    sam: User, visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(10):
        assert WRONG in give_password(visitor, "wrong").content.decode()
    assert WRONG in give_password(visitor).content.decode(), "the right one is refused in the same words"
    assert acts().count("LOCKED") == 1
    later = clock.now() + timedelta(minutes=16)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert give_password(visitor).status_code == 302


def test_nine_wrong_passwords_and_a_right_one_close_nothing(sam: User, visitor: Client) -> None:
    set_up(Client(), sam)
    for _ in range(9):
        give_password(visitor, "wrong")
    give_password(visitor)
    visitor.post(FACTOR, {"code": code_of(sam, steps=1)})
    visitor.post("/admin/logout/")
    assert WRONG in give_password(visitor, "wrong").content.decode()
    assert give_password(visitor).status_code == 302


def test_five_wrong_codes_end_the_session_and_close_the_account(sam: User, visitor: Client) -> None:
    set_up(Client(), sam)
    give_password(visitor)
    for _ in range(4):
        assert visitor.post(FACTOR, {"code": "000000"}).status_code == 200
    assert visitor.post(FACTOR, {"code": "000000"}).headers["Location"] == LOGIN
    assert visitor.post(FACTOR, {"code": code_of(sam, steps=1)}).headers["Location"] == LOGIN
    assert WRONG in give_password(visitor).content.decode()
    assert acts()[-3:] == ["LOCKED", "SIGNED_OUT", "PASSWORD_REFUSED"]


def test_a_session_ends_when_nobody_sits_there_and_after_a_working_day(
    sam: User, visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(visitor, sam)
    began = time.time()

    def later(minutes: float) -> int:
        monkeypatch.setattr(staff_session.time, "time", lambda: began + minutes * 60)
        return int(visitor.get(HOME).status_code)

    for minutes in range(25, 8 * 60, 25):
        assert later(minutes) == 200, minutes
    assert later(8 * 60 + 1) == 302

    monkeypatch.setattr(staff_session.time, "time", lambda: began)
    give_password(visitor)
    visitor.post(FACTOR, {"code": code_of(sam, steps=1)})
    assert later(29) == 200
    assert later(60) == 302


def test_the_password_counts_for_some_minutes_only(
    sam: User, visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(Client(), sam)
    give_password(visitor)
    began = time.time()
    monkeypatch.setattr(staff_session.time, "time", lambda: began + 601)
    assert visitor.post(FACTOR, {"code": code_of(sam, steps=1)}).headers["Location"] == LOGIN


def test_sessions_from_before_a_change_of_the_password_are_over(sam: User, visitor: Client) -> None:
    set_up(visitor, sam)
    other = Client()
    give_password(other)
    other.post(FACTOR, {"code": code_of(sam, steps=1)})
    new = "another long pass-phrase"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert other.post("/admin/password_change/", form).status_code == 302
    assert other.get(HOME).status_code == 200
    assert visitor.get(HOME).status_code == 302


def test_sessions_end_with_the_second_factor_that_opened_them(sam: User, visitor: Client) -> None:
    set_up(visitor, sam)
    call_command("reset_second_factor", "sam")
    assert visitor.get(HOME).status_code == 302
    assert acts()[-2:] == ["SECOND_FACTOR_TAKEN", "SIGNED_OUT"]
    assert set_up(visitor, sam)


def test_nobody_changes_a_second_factor_that_is_set_up_with_a_password_alone(
    sam: User, visitor: Client
) -> None:
    set_up(Client(), sam)
    give_password(visitor)
    assert 'class="qr"' not in visitor.get(FACTOR).content.decode()
    assert second_factor.finish_set_up(sam, "000000") is None
    assert AuthenticatorApp.objects.count() == 1


def test_an_account_that_was_made_inactive_is_out_at_once(sam: User, visitor: Client) -> None:
    set_up(visitor, sam)
    User.objects.filter(pk=sam.pk).update(is_active=False)
    assert visitor.get(HOME).status_code == 302


def test_a_code_is_printed_in_the_demo_alone(sam: User, settings: Any, capsys: Any) -> None:
    call_command("staff_code", "sam")
    assert re.fullmatch(r"\d{6}\n", capsys.readouterr().out)
    settings.DEV_PAGES = False
    with pytest.raises(CommandError):
        call_command("staff_code", "sam")
    with pytest.raises(CommandError):
        call_command("reset_second_factor", "nobody")


def everything_stored() -> bytes:
    """All tables, also those of others, as somebody with a stolen copy would read them."""
    found = b""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608  # names of our own tables
            for row in cursor.fetchall():
                for value in row:
                    found += bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    found += b"\n"
    return found


def test_a_stolen_database_makes_no_codes(sam: User, visitor: Client) -> None:
    give_password(visitor)
    shown = re.search(r'class="key">([A-Z2-7 ]+)<', visitor.get(FACTOR).content.decode())
    assert shown
    text = shown[1].replace(" ", "")
    secret = base64.b32decode(text)
    set_up(Client(), sam)

    stolen = everything_stored()
    assert sam.username.encode() in stolen
    for trace in (secret, secret.hex().encode(), text.encode(), base64.b64encode(secret)):
        assert trace.lower() not in stolen.lower()


def test_what_the_picture_says_is_what_apps_read(sam: User, settings: Any) -> None:
    settings.NEWSROOM_NAME = "The Sample: Gazette & Sons"
    device = second_factor.begin_set_up(sam)
    said = second_factor.key_uri(device)
    assert unquote(said.split("?")[0]) == "otpauth://totp/The Sample Gazette & Sons:sam"
    assert f"secret={second_factor.secret_text(device).replace(' ', '')}" in said
    assert "issuer=The%20Sample%20Gazette%20%26%20Sons" in said
    assert second_factor.picture(device).startswith("data:image/svg+xml")


def test_a_second_factor_outlives_a_change_of_keys(sam: User, visitor: Client, settings: Any) -> None:
    old, new = ("old", b"o" * 32), ("new", b"n" * 32)
    settings.FIELD_ENCRYPTION_KEYS = [old]
    set_up(Client(), sam)
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    call_command("rotate_encryption", verbosity=0)
    settings.FIELD_ENCRYPTION_KEYS = [new]
    give_password(visitor)
    assert visitor.post(FACTOR, {"code": code_of(sam, steps=1)}).headers["Location"] == HOME


def test_with_the_key_of_its_secret_lost_a_recovery_code_still_lets_in(
    sam: User, visitor: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    codes = set_up(Client(), sam)
    settings.FIELD_ENCRYPTION_KEYS = [("other", b"n" * 32)]
    give_password(visitor)
    assert visitor.post(FACTOR, {"code": "123456"}).status_code == 200
    assert "does not open" in caplog.text
    assert visitor.post(FACTOR, {"code": codes[0]}).headers["Location"] == HOME


def test_whoever_had_an_app_before_secrets_were_sealed_goes_on_with_it(sam: User, visitor: Client) -> None:
    """The old table as django-otp made it, with a secret that lies open."""
    secret = bytes(range(20))
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE otp_totp_totpdevice (id integer PRIMARY KEY, name varchar(64), confirmed bool, "
            'key varchar(80), "last_t" bigint, drift smallint, user_id integer)'
        )
        cursor.execute(
            "INSERT INTO otp_totp_totpdevice (id, name, confirmed, key, last_t, drift, user_id) "
            "VALUES (1, 'app', %s, %s, 7, 1, %s)",
            [True, secret.hex(), sam.pk],
        )
    step = importlib.import_module("staff.migrations.0003_seal_secrets_of_apps")
    editor = SimpleNamespace(connection=connection)
    step.seal(apps, editor)
    step.forget(apps, editor)
    step.seal(apps, editor)  # a house that never had it

    moved = AuthenticatorApp.objects.get()
    assert (moved.user, moved.confirmed, moved.last_step, moved.drift) == (sam, True, 7, 1)
    assert secret.hex().encode() not in everything_stored()
    give_password(visitor)
    assert visitor.post(FACTOR, {"code": code_of(sam)}).headers["Location"] == HOME
