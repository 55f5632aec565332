"""
Model fields whose values are sealed in the database and read as plain text in code.

A value is sealed when its row is saved and opened when it is read, so a list that does not show it pays
nothing. It is bound to table, column and row: the row is named by another field that is set before the first
save and never changes (a random `public_id`, a natural key), never by the database's own number.

    class Member(models.Model):
        public_id = models.UUIDField(default=uuid.uuid4, unique=True)
        email = EncryptedTextField(bound_to="public_id")

What follows from sealing: `filter(email="…")` and `update(email="…")` raise TypeError (find by a lookup hash;
save the row), `values()` returns `Sealed`, and dumpdata writes sealed text that only the same row can load.

Nothing at all ("" or {}) is stored as nothing at all: it hides no secret, and so `update(email="")` can purge
many rows in one statement and `filter(email="")` can find those that were purged.
"""

from __future__ import annotations

import base64
import binascii
import copy
import json
from typing import TYPE_CHECKING, Any, TypeVar

from django import forms
from django.core import checks, exceptions
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.query_utils import DeferredAttribute
from django.db.models.signals import post_save, pre_save

from members import crypto

_SetType = TypeVar("_SetType")
_GetType = TypeVar("_GetType")

# Fixtures are text. NUL cannot come from a form or an API body, so no reader's text starts like this.
_FIXTURE_MARK = "\x00sealed:"
_LOADING = "_loading_fixture"

if TYPE_CHECKING:
    _Field = models.Field[_SetType, _GetType]
else:

    class _Field(models.Field):
        """Django's own, which mypy reads as generic and Python does not."""

        def __class_getitem__(cls, item: object) -> type[_Field]:
            return cls


class Sealed(bytes):
    """What the database holds for an encrypted field."""

    def __repr__(self) -> str:
        return f"<Sealed {len(self)} bytes>"


_NOTHING = Sealed(b"")


class _OpenOnRead(DeferredAttribute):
    """Opens a loaded value the first time that someone reads it."""

    field: EncryptedField[Any, Any]

    def __get__(self, instance: Any, cls: type | None = None) -> Any:
        if instance is None:
            return self
        value = super().__get__(instance, cls)
        if isinstance(value, Sealed) and not instance.__dict__.get(_LOADING):
            value = self.field.open(instance, value)
            instance.__dict__[self.field.attname] = value
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class EncryptedField(_Field[_SetType, _GetType]):
    """
    The common part: where sealing, opening and refusing happen. Subclasses say how a value becomes bytes.

    :param bound_to: name of the field on the same model that names the row.
    """

    descriptor_class = _OpenOnRead
    nothing: Any  # the value that is stored as no bytes

    def __init__(self, *args: Any, bound_to: str, **kwargs: Any) -> None:
        self.bound_to = bound_to
        super().__init__(*args, **kwargs)

    # --- How a value becomes bytes, and back

    def to_bytes(self, value: Any) -> bytes:
        raise NotImplementedError

    def from_bytes(self, plain: bytes) -> Any:
        raise NotImplementedError

    # --- Sealing and opening

    def seal(self, instance: models.Model, value: Any) -> Sealed:
        """
        A value sealed for that row, as `QuerySet.update` takes it.

        :raises ValueError: the row has no name yet.
        """
        if value == self.nothing:
            return _NOTHING
        return Sealed(crypto.seal(self.to_bytes(value), bound_to=self._place(instance)))

    def open(self, instance: models.Model, sealed: Sealed) -> Any:
        """:raises crypto.Unreadable: it was changed, moved here from another row, or its key is unknown."""
        if not sealed:
            return copy.copy(self.nothing)
        return self.from_bytes(crypto.open_sealed(sealed, bound_to=self._place(instance)))

    def _place(self, instance: models.Model) -> str:
        row_key = getattr(instance, self.bound_to)
        if row_key in (None, ""):
            raise ValueError(
                f"{self.model.__name__}.{self.bound_to} must be set before {self.name} is sealed."
            )
        return f"{self.model._meta.db_table}:{self.column}:{row_key}"

    # --- What Django asks of a field

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only=private_only)
        if not cls._meta.abstract and cls.__module__ != "__fake__":  # as migrations call models of the past
            # loaddata saves what it read as it stands: it must meet the sealed value, not the text.
            pre_save.connect(_begin_loading, sender=cls, dispatch_uid=f"sealed-{cls._meta.label}")
            post_save.connect(_end_loading, sender=cls, dispatch_uid=f"sealed-{cls._meta.label}")

    def get_internal_type(self) -> str:
        return "BinaryField"

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs["bound_to"] = self.bound_to
        return name, path, args, kwargs

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Sealed | None:
        return None if value is None else Sealed(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Sealed | None:
        value = model_instance.__dict__.get(self.attname)
        if isinstance(value, Sealed) and not add:
            return value  # nobody read it, so nobody changed it
        value = getattr(model_instance, self.attname)  # a copied row is opened here, or refused
        return None if value is None else self.seal(model_instance, value)

    def get_prep_value(self, value: Any) -> Any:
        if value is None or isinstance(value, Sealed):
            return value
        if value in (self.nothing, b""):
            return _NOTHING
        raise TypeError(
            f"{self.model.__name__}.{self.name} is encrypted: it is not compared with a plain value, nor set "
            "by update() or bulk_update(). Find rows by a lookup hash; change the row with save()."
        )

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        value = self.get_prep_value(value)
        return None if value is None else connection.Database.Binary(value)  # type: ignore[attr-defined]  # DB-API 2

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name in ("exact", "isnull"):
            return super().get_lookup(lookup_name)
        raise TypeError(
            f"{self.model.__name__}.{self.name} is encrypted: {lookup_name!r} cannot be asked of it."
        )

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(_FIXTURE_MARK):
            try:
                return Sealed(base64.b64decode(value[len(_FIXTURE_MARK) :], validate=True))
            except binascii.Error as error:
                raise exceptions.ValidationError("A sealed value in a fixture is damaged.") from error
        return value

    def value_to_string(self, obj: models.Model) -> str:
        """What dumpdata writes: sealed, so that a dump tells no more than the database does."""
        return _FIXTURE_MARK + base64.b64encode(self.seal(obj, getattr(obj, self.attname))).decode("ascii")

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        return [*super().check(**kwargs), *self._check_bound_to()]

    def _check_bound_to(self) -> list[checks.CheckMessage]:
        try:
            row_key = self.model._meta.get_field(self.bound_to)
        except exceptions.FieldDoesNotExist:
            row_key = None
        if isinstance(row_key, models.Field) and not isinstance(row_key, models.AutoField) and row_key.unique:
            return []
        return [
            checks.Error(
                f"bound_to={self.bound_to!r} names no unique field that is set before the row is saved.",
                hint="Use a UUIDField with a default, or name a natural key. The automatic id is too late.",
                obj=self,
                id="members.E010",
            )
        ]


class EncryptedTextField(EncryptedField[str, str]):
    """Text of any length, encrypted at rest."""

    nothing = ""

    def to_bytes(self, value: Any) -> bytes:
        return str(value).encode()

    def from_bytes(self, plain: bytes) -> str:
        return plain.decode()

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return value if value is None or isinstance(value, Sealed) else str(value)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(form_class=forms.CharField, **kwargs)


class EncryptedJSONField(EncryptedField[Any, Any]):
    """Anything that JSON can hold, encrypted at rest."""

    empty_strings_allowed = False
    nothing = {}

    def to_bytes(self, value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    def from_bytes(self, plain: bytes) -> Any:
        return json.loads(plain)


class EncryptedBytesField(EncryptedField[bytes, bytes]):
    """A file, encrypted at rest."""

    nothing = b""

    def to_bytes(self, value: Any) -> bytes:
        return bytes(value)

    def from_bytes(self, plain: bytes) -> bytes:
        return plain


class LookupHashField(models.CharField[str, str]):
    """
    The keyed hash by which a row is found without reading an encrypted field (`crypto.lookup_hash`).

    :param of: name of the encrypted field that it stands for, so that a change of keys can renew it; of the row
        that a foreign key points to, "reminder__email".
    """

    def __init__(self, *args: Any, of: str, **kwargs: Any) -> None:
        self.of = of
        kwargs.setdefault("max_length", 100)  # key id, colon, 64 hexadecimal digits
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs["of"] = self.of
        return name, path, args, kwargs


def _begin_loading(instance: models.Model, raw: bool, **_: Any) -> None:
    if raw:
        instance.__dict__[_LOADING] = True


def _end_loading(instance: models.Model, raw: bool, **_: Any) -> None:
    if raw:
        instance.__dict__.pop(_LOADING, None)
