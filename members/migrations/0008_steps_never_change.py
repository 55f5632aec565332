"""
The database itself keeps the history of memberships: nobody changes or deletes a step, not even with raw SQL.

A table that SQLite copies for a later migration loses its triggers: whoever changes this table there makes them again
(a test looks whether they are here).

PostgreSQL lets TRUNCATE pass, by which test databases are emptied: that is no way to change one line of a history. On
SQLite, emptying a database is deleting its rows; so the trigger asks a function that only our connections have, and that
says yes only while `manage.py flush` runs (members/history_guard.py).
"""

from django.db import migrations, models

POSTGRESQL = (
    """
    CREATE FUNCTION members_step_is_history() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'The steps of a membership are never changed and never deleted.'
            USING ERRCODE = 'integrity_constraint_violation';
    END
    $$
    """,
    """
    CREATE TRIGGER members_step_is_history BEFORE UPDATE OR DELETE ON members_membershipstep
        FOR EACH ROW EXECUTE FUNCTION members_step_is_history()
    """,
)
POSTGRESQL_UNDO = (
    "DROP TRIGGER members_step_is_history ON members_membershipstep",
    "DROP FUNCTION members_step_is_history()",
)
SQLITE = (
    """
    CREATE TRIGGER members_step_is_not_changed BEFORE UPDATE ON members_membershipstep
    BEGIN SELECT RAISE(ABORT, 'The steps of a membership are never changed.'); END
    """,
    """
    CREATE TRIGGER members_step_is_not_deleted BEFORE DELETE ON members_membershipstep
    WHEN NOT history_may_be_emptied()
    BEGIN SELECT RAISE(ABORT, 'The steps of a membership are never deleted.'); END
    """,
)
SQLITE_UNDO = (
    "DROP TRIGGER IF EXISTS members_step_is_not_changed",
    "DROP TRIGGER IF EXISTS members_step_is_not_deleted",
)


def guard(apps, schema_editor):
    _run(schema_editor, {"postgresql": POSTGRESQL, "sqlite": SQLITE})


def unguard(apps, schema_editor):
    _run(schema_editor, {"postgresql": POSTGRESQL_UNDO, "sqlite": SQLITE_UNDO})


def _run(schema_editor, statements):
    with schema_editor.connection.cursor() as cursor:
        for statement in statements[schema_editor.connection.vendor]:
            cursor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ("members", "0007_standings_of_old_steps"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('ends_as', ''), ('ends_at', None)), models.Q(('ends_as__in', ['ENDED', 'LAPSED']), ('ends_at__isnull', False)), _connector='OR'), name='membership_ends_somehow'),
        ),
        migrations.RunPython(guard, unguard),
    ]
