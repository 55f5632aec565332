from typing import Any

from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import post_migrate


class StaffAdminConfig(admin.AdminConfig):
    """Django's admin, with our site in the place of its own."""

    default = False
    default_site = "staff.site.StaffSite"


class StaffConfig(AppConfig):
    """The top floor: the desk of the membership team. It knows all the floors below, and none of them knows it."""

    name = "staff"
    default = True
    verbose_name = "Staff"

    def ready(self) -> None:
        from staff import data_actions, watching  # noqa: F401  (offers what staff do about readers' data)

        user_logged_out.connect(watching.note_signed_out, dispatch_uid="staff_signed_out")
        # Last of the apps that migrate: by then the permissions of all others are made.
        post_migrate.connect(_make_roles, sender=self, dispatch_uid="staff_roles")


def _make_roles(**signal: Any) -> None:
    from staff import roles

    roles.make()
