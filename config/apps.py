from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """The wiring: an app only so that its checks and commands are found."""

    name = "config"

    def ready(self) -> None:
        from config import checks  # noqa: F401  (registers the system checks)
