"""
Moves what is sealed under older keys to the active one, while the house is open.

How to change a key: put the new one *behind* the active one and restart everything; then put it in front and
restart; then run `manage.py rotate_encryption`; when it reports that nothing is left, take the old one out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models

from members import addresses, crypto
from members.fields import EncryptedField, LookupHashField, Sealed


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one model has come: rows seen, rows changed, values that do not open."""

    model: str
    seen: int = 0
    changed: int = 0
    unreadable: int = 0


def rotate(*, batch: int = 500) -> Iterator[Progress]:
    """
    Re-encrypt and re-hash every row that is not under the active keys; tells its progress after each batch.

    It can be stopped and started again at any time: what is done is skipped. A row that somebody saves at the
    same moment keeps what they saved.

    :param batch: rows read at once.
    """
    for model in apps.get_models():
        sealed = [field for field in model._meta.local_concrete_fields if isinstance(field, EncryptedField)]
        hashes = [field for field in model._meta.local_concrete_fields if isinstance(field, LookupHashField)]
        if sealed or hashes:
            yield from _rotate_model(model, sealed, hashes, batch)


def _rotate_model(
    model: type[models.Model],
    sealed: list[EncryptedField[Any, Any]],
    hashes: list[LookupHashField],
    batch: int,
) -> Iterator[Progress]:
    progress = Progress(model._meta.label)
    columns = {"pk", *(field.name for field in (*sealed, *hashes)), *(field.bound_to for field in sealed)}
    everything = model._base_manager.order_by("pk")
    for hashed in hashes:
        beside, _, name = hashed.of.rpartition("__")
        if beside:
            everything = everything.select_related(beside)
            other: Any = model._meta.get_field(beside).related_model
            columns |= {hashed.of, f"{beside}__{other._meta.get_field(name).bound_to}"}
    everything = everything.only(*columns)
    last: Any = None
    while rows := list((everything if last is None else everything.filter(pk__gt=last))[:batch]):
        for row in rows:
            try:
                changed = _rotate_row(row, sealed, hashes)
            except crypto.Unreadable:
                progress = replace(progress, unreadable=progress.unreadable + 1)
            else:
                progress = replace(progress, changed=progress.changed + changed)
        progress = replace(progress, seen=progress.seen + len(rows))
        last = rows[-1].pk
        yield progress


def _rotate_row(
    row: models.Model, sealed: list[EncryptedField[Any, Any]], hashes: list[LookupHashField]
) -> bool:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for field in sealed:
        value = row.__dict__[field.attname]
        if isinstance(value, Sealed) and value and not crypto.is_under_active_key(value):
            before[field.name] = value
            after[field.name] = field.seal(row, field.open(row, value))
    active = f"{settings.LOOKUP_HASH_KEYS[0][0]}:"
    for hashed in hashes:
        value = getattr(row, hashed.attname)
        if value and not value.startswith(active):
            address: Any = row
            for step in hashed.of.split("__"):
                address = getattr(address, step)
            if not address:  # erased: its hash stays under the older key, which look-ups ask for as well
                continue
            before[hashed.name] = value
            after[hashed.name] = crypto.lookup_hash(addresses.identity(address))
    if not after:
        return False
    return type(row)._base_manager.filter(pk=row.pk, **before).update(**after) == 1
