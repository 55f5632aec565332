from django.apps import AppConfig


class DonationsConfig(AppConfig):
    """The money: what readers give, and what Stripe says of it."""

    name = "donations"
