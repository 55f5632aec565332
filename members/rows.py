"""
SQL that Django has no word for: insert what is new and say how much of it was; find rows by a list of any length.

All is written for thousands of rows at once. On PostgreSQL a list goes as one parameter, an array: a statement with
as many parameters as there are values takes longer to read than its rows take to find or to store.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.db import connections, models, router
from django.db.models import F
from django.db.models.lookups import In

_FEW = 20  # rows, up to which each value is a parameter of its own
_LENGTH = re.compile(r"\(\d+\)")


def insert_new(rows: Sequence[models.Model]) -> int:
    """
    Insert rows of one model in one statement, leaving out those that a UNIQUE constraint knows already.

    Unlike `bulk_create(ignore_conflicts=True)` it says how many were new, so that one caller of several wins
    knowingly; and it costs one statement, inside a transaction or outside. The rows get no primary key and no
    signal is sent.

    :returns: how many rows were inserted.
    """
    if not rows:
        return 0
    model = type(rows[0])
    alias = router.db_for_write(model)
    connection = connections[alias]
    as_arrays = connection.vendor == "postgresql" and len(rows) > _FEW
    fields, statement = _statement(model, alias, 0 if as_arrays else len(rows))
    values = [
        None if value is None else field.get_db_prep_save(value, connection)
        for row in rows
        for field in fields
        for value in (field.pre_save(row, add=True),)
    ]
    if as_arrays:
        values = [_array(values[place :: len(fields)]) for place in range(len(fields))]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def insert_columns(
    model: type[models.Model], *, each: Mapping[str, Sequence[Any]], same: Mapping[str, Any]
) -> int:
    """
    As `insert_new`, for very many rows of which nobody needs an instance.

    :param each: by field, the values in the order of the rows; as many for each field, and at least one.
    :param same: by field, what all rows share. Fields that are named nowhere have their default.
    :returns: how many rows were inserted.
    """
    alias = router.db_for_write(model)
    connection = connections[alias]
    columns, shared, statement = _columns_statement(model, alias, tuple(each))
    constants = _plain(
        [
            None if value is None else field.get_db_prep_save(value, connection)
            for field in shared
            for value in (same[field.name] if field.name in same else field.get_default(),)
        ]
    )
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(statement, [*constants, *map(_array, each.values())])
        else:
            prepared = [
                [field.get_db_prep_save(value, connection) for value in each[field.name]] for field in columns
            ]
            cursor.executemany(statement, [(*constants, *row) for row in zip(*prepared, strict=True)])
        return int(cursor.rowcount)


def among(field: str, values: Iterable[Any]) -> models.Q:
    """A condition as `field__in=values`, for `filter`; the values may be thousands, and none is allowed too."""
    return models.Q(_Among(F(field), list(values)))


class _Among(In):
    """IN, with all values in one parameter where the database has arrays."""

    def get_prep_lookup(self) -> Any:
        return self.rhs  # they are prepared below, or by IN itself

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        field = self.lhs.output_field
        values = self.rhs
        if not _types(values) <= {int, str}:
            values = [field.get_db_prep_value(value, connection) for value in values]
        return f"{column} = ANY(%s::{_type(field, connection)}[])", [*parameters, _array(values)]


def read(rows: models.QuerySet[Any, Any]) -> list[Any]:
    """The rows of a `values_list`, in a quarter of the time where there are thousands with moments in them."""
    connection = connections[rows.db]
    if connection.vendor != "postgresql":
        return list(rows)
    compiler = rows.query.get_compiler(rows.db)
    with connection.cursor() as cursor:
        cursor.cursor.format = 1  # binary: as text, each moment is taken apart by a regular expression
        cursor.execute(*compiler.as_sql())
        return list(compiler.results_iter([cursor.fetchall()], tuple_expected=True))


def _array(values: Sequence[Any]) -> list[Any] | str:
    """One parameter for a column of values: written by us, in an eighth of the driver's time, where that is easy."""
    kinds = _types(values)
    if kinds == {int}:
        return f"{{{','.join(map(str, values))}}}"
    if kinds == {str}:
        together = "".join(values)
        if '"' not in together and "\\" not in together:
            return '{"' + '","'.join(values) + '"}'
        return "{" + ",".join([_quoted(text) for text in values]) + "}"
    return _plain(values)


def _plain(values: Sequence[Any]) -> list[Any]:
    return [value.value if isinstance(value, enum.Enum) else value for value in values]


def _types(values: Sequence[Any]) -> set[type]:
    return set(map(type, values))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _type(field: models.Field[Any, Any], connection: Any) -> str:
    """A column's type without its length: a cast to varchar(40) would cut off what the column itself refuses."""
    return _LENGTH.sub("", str(field.rel_db_type(connection)))


def _fields_of(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    return [field for field in model._meta.local_concrete_fields if not isinstance(field, models.AutoField)]


@lru_cache(maxsize=256)
def _statement(model: type[models.Model], alias: str, count: int) -> tuple[list[models.Field[Any, Any]], str]:
    """
    The fields that are written and the text that writes so many rows; made once, for events come by the thousand.

    With a count of 0 it takes one array for each column, as many rows as there are.
    """
    connection = connections[alias]
    fields = _fields_of(model)
    if count:
        one_row = f"({', '.join(['%s'] * len(fields))})"
        source = f"VALUES {', '.join([one_row] * count)}"
    else:
        arrays = ", ".join(f"%s::{_type(field, connection)}[]" for field in fields)
        source = f"SELECT * FROM unnest({arrays})"  # noqa: S608
    return fields, _insert(model, alias, fields, source)


@lru_cache(maxsize=64)
def _columns_statement(
    model: type[models.Model], alias: str, each: tuple[str, ...]
) -> tuple[list[models.Field[Any, Any]], list[models.Field[Any, Any]], str]:
    """The fields with a value for each row, those with one for all, and the text; first come those for all."""
    connection = connections[alias]
    fields = {field.name: field for field in _fields_of(model)}
    columns = [fields.pop(name) for name in each]
    shared = list(fields.values())
    if connection.vendor == "postgresql":
        constants = "".join(f"%s::{_type(field, connection)}, " for field in shared)
        arrays = ", ".join(f"%s::{_type(field, connection)}[]" for field in columns)
        source = f"SELECT {constants}row.* FROM unnest({arrays}) AS row"  # noqa: S608
    else:
        source = f"VALUES ({', '.join(['%s'] * (len(shared) + len(columns)))})"
    return columns, shared, _insert(model, alias, [*shared, *columns], source)


def _insert(model: type[models.Model], alias: str, fields: Sequence[Any], source: str) -> str:
    """Only names from the model's own declaration are put into the text; each value is a parameter."""
    quote = connections[alias].ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns}) {source} ON CONFLICT DO NOTHING"
