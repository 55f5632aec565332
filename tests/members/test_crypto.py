"""Sealed values open only where they lie, unchanged, with a key that we hold."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from members import crypto
from members.crypto import Unreadable

OLD, NEW = ("old", b"o" * 32), ("new", b"n" * 32)
PLACE = "members_member:email:1"


@given(plain=st.binary(max_size=2000), place=st.text(max_size=60))
def test_what_is_sealed_opens_again(plain: bytes, place: str) -> None:
    assert crypto.open_sealed(crypto.seal(plain, bound_to=place), bound_to=place) == plain


def test_the_same_text_looks_different_each_time() -> None:
    assert crypto.seal(b"ada@example.org", bound_to=PLACE) != crypto.seal(b"ada@example.org", bound_to=PLACE)


def test_a_value_does_not_open_elsewhere() -> None:
    sealed = crypto.seal(b"ada@example.org", bound_to=PLACE)
    for elsewhere in ("members_member:email:2", "members_member:name:1", "members_message:email:1", ""):
        with pytest.raises(Unreadable):
            crypto.open_sealed(sealed, bound_to=elsewhere)


def test_no_bit_can_be_changed() -> None:
    sealed = crypto.seal(b"ada@example.org", bound_to=PLACE)
    for position in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(Unreadable):
            crypto.open_sealed(bytes(changed), bound_to=PLACE)


def test_nothing_can_be_cut_off_or_added() -> None:
    sealed = crypto.seal(b"ada@example.org", bound_to=PLACE)
    for length in range(len(sealed)):
        with pytest.raises(Unreadable):
            crypto.open_sealed(sealed[:length], bound_to=PLACE)
    with pytest.raises(Unreadable):
        crypto.open_sealed(sealed + b"\0", bound_to=PLACE)


@given(junk=st.binary(max_size=80))
def test_junk_is_unreadable_and_nothing_worse(junk: bytes) -> None:
    with pytest.raises(Unreadable):
        crypto.open_sealed(junk, bound_to=PLACE)


def test_older_keys_still_open_and_unknown_ones_do_not(settings: Any) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    sealed = crypto.seal(b"ada@example.org", bound_to=PLACE)

    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    assert crypto.open_sealed(sealed, bound_to=PLACE) == b"ada@example.org"
    assert not crypto.is_under_active_key(sealed)
    assert crypto.is_under_active_key(crypto.seal(b"ada@example.org", bound_to=PLACE))

    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    with pytest.raises(Unreadable, match="'old'"):
        crypto.open_sealed(sealed, bound_to=PLACE)


def test_another_key_under_the_same_id_does_not_open(settings: Any) -> None:
    sealed = crypto.seal(b"ada@example.org", bound_to=PLACE)
    key_id, _ = settings.FIELD_ENCRYPTION_KEYS[0]
    settings.FIELD_ENCRYPTION_KEYS = [(key_id, secrets.token_bytes(32))]

    with pytest.raises(Unreadable):
        crypto.open_sealed(sealed, bound_to=PLACE)


def test_what_went_wrong_never_tells_what_was_sealed() -> None:
    sealed = crypto.seal(b"ada@example.org", bound_to=PLACE)
    with pytest.raises(Unreadable) as caught:
        crypto.open_sealed(sealed, bound_to="elsewhere")
    assert "ada" not in str(caught.value)


def test_a_lookup_hash_is_the_same_under_the_same_key_only(settings: Any) -> None:
    settings.LOOKUP_HASH_KEYS = [OLD]
    before = crypto.lookup_hash("ada@example.org")
    assert before == crypto.lookup_hash("ada@example.org")
    assert before.startswith("old:")
    assert before != crypto.lookup_hash("grace@example.org")

    settings.LOOKUP_HASH_KEYS = [NEW, OLD]
    assert crypto.lookup_hashes("ada@example.org") == [crypto.lookup_hash("ada@example.org"), before]
    settings.LOOKUP_HASH_KEYS = [("old", b"x" * 32)]
    assert crypto.lookup_hash("ada@example.org") != before
