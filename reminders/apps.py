from django.apps import AppConfig


class RemindersConfig(AppConfig):
    """The upper floor: who asked to be asked again, when, and what came of it."""

    name = "reminders"

    def ready(self) -> None:
        from reminders import aside, letters, panel, reports, writing

        letters.register(writing.look_up)
        aside.register()
        panel.register()
        reports.register()
