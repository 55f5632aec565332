"""
The audit log of what staff do, and the permissions that their roles are made of.

As with the steps of memberships (0008), the database itself keeps the log: no entry is changed or deleted, not even with
raw SQL. A table that SQLite copies for a later migration loses its triggers: whoever changes this one makes them again.
"""

import django.db.models.deletion
import members.fields
import uuid
from django.db import migrations, models


POSTGRESQL = (
    """
    CREATE FUNCTION members_audit_is_history() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'Entries of the audit log are never changed and never deleted.'
            USING ERRCODE = 'integrity_constraint_violation';
    END
    $$
    """,
    """
    CREATE TRIGGER members_audit_is_history BEFORE UPDATE OR DELETE ON members_auditentry
        FOR EACH ROW EXECUTE FUNCTION members_audit_is_history()
    """,
)
POSTGRESQL_UNDO = (
    "DROP TRIGGER members_audit_is_history ON members_auditentry",
    "DROP FUNCTION members_audit_is_history()",
)
SQLITE = (
    """
    CREATE TRIGGER members_audit_is_not_changed BEFORE UPDATE ON members_auditentry
    BEGIN SELECT RAISE(ABORT, 'Entries of the audit log are never changed.'); END
    """,
    """
    CREATE TRIGGER members_audit_is_not_deleted BEFORE DELETE ON members_auditentry
    WHEN NOT history_may_be_emptied()
    BEGIN SELECT RAISE(ABORT, 'Entries of the audit log are never deleted.'); END
    """,
)
SQLITE_UNDO = (
    "DROP TRIGGER IF EXISTS members_audit_is_not_changed",
    "DROP TRIGGER IF EXISTS members_audit_is_not_deleted",
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
        ('members', '0010_tier_ad_free'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='member',
            options={'permissions': [('reveal_member', 'Can see addresses, names and notes, one record at a time')]},
        ),
        migrations.AlterModelOptions(
            name='membership',
            options={'permissions': [('give_membership', 'Can give and end complimentary memberships')]},
        ),
        migrations.AlterModelOptions(
            name='message',
            options={'permissions': [('resend_message', 'Can send receipts again')]},
        ),
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('number', models.BigIntegerField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('actor', models.CharField(help_text='Such as staff:7; "unknown" before anybody signed in.', max_length=60)),
                ('act', models.CharField(choices=[('SIGNED_IN', 'Signed in'), ('PASSWORD_REFUSED', 'Wrong name or password'), ('CODE_REFUSED', 'Wrong code'), ('LOCKED', 'Locked out after too many tries'), ('SIGNED_OUT', 'Signed out'), ('SECOND_FACTOR_SET', 'Set up the second factor'), ('SECOND_FACTOR_TAKEN', 'Took a second factor away'), ('LOOKED', 'Looked at'), ('REVEALED', 'Revealed personal data'), ('ADDED', 'Added'), ('CHANGED', 'Changed'), ('DELETED', 'Deleted'), ('ASKED', 'Asked for'), ('DONE', 'Done'), ('REFUSED', 'Could not be done'), ('EXPORTED', 'Exported'), ('DENIED', 'Was denied')], max_length=24)),
                ('what', models.CharField(blank=True, help_text='Of which kind, such as refund.', max_length=60)),
                ('subject', models.CharField(blank=True, help_text='A row, such as donations.payment:12.', max_length=120)),
                ('member_id', models.BigIntegerField(blank=True, help_text='Whom it is about.', null=True)),
                ('facts', models.JSONField(blank=True, default=dict)),
                ('why_digest', models.CharField(blank=True, max_length=64)),
                ('previous', models.CharField(max_length=64)),
                ('hash', models.CharField(max_length=64)),
            ],
            options={
                'verbose_name': 'audit entry',
                'verbose_name_plural': 'audit log',
                'ordering': ['-number'],
                'indexes': [models.Index(condition=models.Q(('member_id__isnull', False)), fields=['member_id', 'number'], name='audit_of_member'), models.Index(fields=['actor', 'number'], name='audit_of_actor')],
                'constraints': [models.CheckConstraint(condition=models.Q(('number__gte', 1)), name='audit_counts_from_one'), models.UniqueConstraint(fields=('previous',), name='audit_is_one_chain')],
            },
        ),
        migrations.CreateModel(
            name='AuditReason',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('text', members.fields.EncryptedTextField(bound_to='public_id')),
                ('entry', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='reason', to='members.auditentry')),
            ],
        ),
        migrations.RunPython(guard, unguard),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('state', 'FAILED')), fields=['owed_at'], name='message_given_up'),
        ),
    ]
