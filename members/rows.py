"""One SQL statement that Django has no word for: insert what is new, and say how much of it was."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db import connections, models, router


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
    fields, statement = _statement(model, alias, len(rows))
    values = [
        None if value is None else field.get_db_prep_save(value, connection)
        for row in rows
        for field in fields
        for value in (field.pre_save(row, add=True),)
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


@lru_cache(maxsize=256)
def _statement(model: type[models.Model], alias: str, count: int) -> tuple[list[models.Field[Any, Any]], str]:
    """The fields that are written and the text that writes so many rows; made once, for events come by the thousand."""
    quote = connections[alias].ops.quote_name
    fields = [field for field in model._meta.local_concrete_fields if not isinstance(field, models.AutoField)]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    one_row = f"({', '.join(['%s'] * len(fields))})"
    # Only names from the model's own declaration are put into the text; each value is a parameter.
    statement = (
        f"INSERT INTO {quote(model._meta.db_table)} ({columns}) "  # noqa: S608
        f"VALUES {', '.join([one_row] * count)} ON CONFLICT DO NOTHING"
    )
    return fields, statement
