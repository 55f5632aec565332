"""
Secrets of authenticator apps move from django-otp's table, where they lie open, to one of ours, where they are sealed.

The old table goes, with its secrets. Its app is not installed any more, so it is asked by its columns. The way back
has no secrets to bring: staff would set their second factor up anew.
"""

import uuid
from binascii import unhexlify

from django.db import migrations

_OLD = "otp_totp_totpdevice"


def seal(apps, schema_editor):
    connection = schema_editor.connection
    if _OLD not in connection.introspection.table_names():
        return  # this house began after the change
    App = apps.get_model("staff", "AuthenticatorApp")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT user_id, name, confirmed, key, last_t, drift FROM {_OLD} ORDER BY id")
        for user, name, confirmed, key, last_step, drift in cursor.fetchall():
            App.objects.create(
                user_id=user,
                name=name,
                confirmed=bool(confirmed),
                public_id=uuid.uuid4(),
                secret=unhexlify(key),
                last_step=last_step,
                drift=drift,
            )


def forget(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {_OLD}")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'otp_totp'")


class Migration(migrations.Migration):
    dependencies = [("staff", "0002_authenticator_app")]

    operations = [
        migrations.RunPython(seal, migrations.RunPython.noop),
        migrations.RunPython(forget, migrations.RunPython.noop),
    ]
