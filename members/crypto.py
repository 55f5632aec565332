"""
Sealing personal data, and finding an address without reading it.

`seal` is AES-256-GCM. What is sealed is bound to the place where it lies (table, column and row): moved to
another row it does not open, nor with one bit changed. Keys live outside the database and have ids, so that
a new key can be put in front while rows under the old one still open (`manage.py rotate_encryption` moves
them).

A sealed value is: version (1 byte), length of the key id (1 byte), key id, nonce (12 bytes), ciphertext, tag.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

_VERSION = 1
_NONCE_BYTES = 12  # 96 bits, the length that GCM is made for


class Unreadable(Exception):
    """A sealed value does not open: changed, moved from another row, or its key is not one of ours."""


def seal(plain: bytes, *, bound_to: str) -> bytes:
    """
    Encrypt under the active key (the first of settings.FIELD_ENCRYPTION_KEYS).

    :param bound_to: where it will lie, such as "members_member:email:<row key>"; it opens nowhere else.
    """
    key_id, key = settings.FIELD_ENCRYPTION_KEYS[0]
    head = _head(key_id)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return head + nonce + _cipher(key).encrypt(nonce, plain, head + bound_to.encode())


def open_sealed(sealed: bytes, *, bound_to: str) -> bytes:
    """
    Decrypt what `seal` made for the same place.

    :raises Unreadable: it was changed, cut, moved, or its key is unknown. Never says what it held.
    """
    key_id = key_id_of(sealed)
    key = dict(settings.FIELD_ENCRYPTION_KEYS).get(key_id)
    if key is None:
        raise Unreadable(f"Sealed under the key {key_id!r}, which is not in FIELD_ENCRYPTION_KEYS.")
    head = _head(key_id)
    nonce_end = len(head) + _NONCE_BYTES
    nonce, ciphertext = sealed[len(head) : nonce_end], sealed[nonce_end:]
    try:
        return _cipher(key).decrypt(nonce, ciphertext, head + bound_to.encode())
    except (InvalidTag, ValueError) as error:
        raise Unreadable("A sealed value was changed, or does not belong where it lies.") from error


def key_id_of(sealed: bytes) -> str:
    """
    The id of the key that a value was sealed under.

    :raises Unreadable: this is not a sealed value.
    """
    if len(sealed) < 2 or sealed[0] != _VERSION:
        raise Unreadable("This is not a sealed value of a known version.")
    key_id = sealed[2 : 2 + sealed[1]]
    if len(key_id) != sealed[1]:
        raise Unreadable("A sealed value was cut short.")
    try:
        return key_id.decode("ascii")
    except UnicodeDecodeError as error:
        raise Unreadable("A sealed value names no readable key.") from error


def is_under_active_key(sealed: bytes) -> bool:
    """Whether a value was sealed under the key that `seal` uses now. Raises Unreadable as `key_id_of`."""
    return key_id_of(sealed) == settings.FIELD_ENCRYPTION_KEYS[0][0]


def lookup_hash(text: str) -> str:
    """
    The keyed hash by which a row is found without its text: "key id:hex", under the active key.

    HMAC-SHA256. Without the key (settings.LOOKUP_HASH_KEYS) a stolen database does not answer "is this
    address here?" (RELIABILITY.md, S19).
    """
    key_id, key = settings.LOOKUP_HASH_KEYS[0]
    return _hash(key_id, key, text)


def lookup_hashes(text: str) -> list[str]:
    """The hash under each known key, the active one first: look-ups ask for any of them while keys change."""
    return [_hash(key_id, key, text) for key_id, key in settings.LOOKUP_HASH_KEYS]


def _hash(key_id: str, key: bytes, text: str) -> str:
    return f"{key_id}:{hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"


def _head(key_id: str) -> bytes:
    name = key_id.encode("ascii")
    return bytes((_VERSION, len(name))) + name


@lru_cache(maxsize=16)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)
