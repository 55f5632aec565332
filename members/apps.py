from dataclasses import replace

from django.apps import AppConfig
from django.db.backends.signals import connection_created


class MembersConfig(AppConfig):
    """The ground floor: who the readers are, and the mail that leaves the house."""

    name = "members"

    def ready(self) -> None:
        from members import checks, emails, history_guard, holding, memberships  # noqa: F401  (registers the checks)

        for kind, is_wanted in (
            (memberships.WELCOME, memberships.welcome_is_wanted),
            (memberships.FAREWELL, memberships.farewell_is_wanted),
        ):
            emails.register(replace(emails.KINDS[kind], is_wanted=is_wanted))
        holding.register()
        connection_created.connect(history_guard.introduce, dispatch_uid="history_guard")
