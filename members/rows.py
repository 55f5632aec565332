"""One SQL statement that Django has no word for: insert what is new, and say how much of it was."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db import connections, models, router

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
        plain = [value.value if isinstance(value, enum.Enum) else value for value in values]
        values = [plain[place :: len(fields)] for place in range(len(fields))]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


@lru_cache(maxsize=256)
def _statement(model: type[models.Model], alias: str, count: int) -> tuple[list[models.Field[Any, Any]], str]:
    """
    The fields that are written and the text that writes so many rows; made once, for events come by the thousand.

    With a count of 0 it takes one array for each column, as many rows as there are: a statement with tens of
    thousands of parameters takes longer to read than its rows take to store.
    """
    connection = connections[alias]
    quote = connection.ops.quote_name
    fields = [field for field in model._meta.local_concrete_fields if not isinstance(field, models.AutoField)]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    if count:
        one_row = f"({', '.join(['%s'] * len(fields))})"
        source = f"VALUES {', '.join([one_row] * count)}"
    else:
        # Types without a length: a cast to varchar(40) would cut off what the column itself refuses.
        types = [_LENGTH.sub("", str(field.db_type(connection))) for field in fields]
        source = f"SELECT * FROM unnest({', '.join(f'%s::{kind}[]' for kind in types)})"  # noqa: S608
    # Only names from the model's own declaration are put into the text; each value is a parameter.
    statement = f"INSERT INTO {quote(model._meta.db_table)} ({columns}) {source} ON CONFLICT DO NOTHING"
    return fields, statement
