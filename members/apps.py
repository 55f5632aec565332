from django.apps import AppConfig


class MembersConfig(AppConfig):
    """The ground floor: who the readers are, and the mail that leaves the house."""

    name = "members"

    def ready(self) -> None:
        from members import checks  # noqa: F401  (registers the system checks)
