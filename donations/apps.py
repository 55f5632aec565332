from django.apps import AppConfig


class DonationsConfig(AppConfig):
    """The money: what readers give, and what Stripe says of it."""

    name = "donations"

    def ready(self) -> None:
        from donations import change_kinds, dunning, holding, kinds, letters, notices
        from donations.account import letters as account_letters
        from donations.reports import digest
        from members import farewells
        from members.models import Membership

        letters.register(
            dunning_is_wanted=dunning.is_wanted,
            lapse_is_wanted=dunning.lapse_is_wanted,
            notice_is_wanted=notices.is_wanted,
        )
        kinds.register()
        change_kinds.register()
        digest.register()
        holding.register()
        account_letters.register()
        farewells.register(Membership.Source.CONTRIBUTION, dunning.farewell)
        farewells.register(Membership.Source.GIFT, dunning.farewell_to_giver)
