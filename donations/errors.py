"""What can go wrong when somebody gives, in words that are fit for the person who reads them."""

from __future__ import annotations


class DonationError(Exception):
    """
    An expected refusal.

    `code` is stable and part of the API; `fields` names the fields of the request that are at fault.
    """

    code = "refused"

    def __init__(self, message: str, *, code: str | None = None, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code or self.code
        self.fields = fields


class InvalidWish(DonationError):
    """What was asked for cannot be given: amount, currency, interval, campaign or address."""

    code = "invalid"


class ReportRefused(DonationError):
    """What was asked of a report cannot be answered; `fields` names the parameter."""

    code = "invalid"


class UnknownCampaign(DonationError):
    """No such campaign is running."""

    code = "not_found"


class UnknownContribution(DonationError):
    """No contribution has this id."""

    code = "not_found"


class NotOneTime(DonationError):
    """The contribution is none that could be made one-time. Nothing was done."""

    code = "not_possible"


class TooLateForOneTime(DonationError):
    """The days in which it could be made one-time are over. Nothing was done."""

    code = "too_late"


class StillGiving(DonationError):
    """Nobody is erased while they give regularly, unless they want that ended as well. Nothing was done."""

    code = "still_giving"


class NotPossibleNow(DonationError):
    """The contribution does not stand so that this could be done. Nothing was done."""

    code = "not_possible"


class HasEnded(NotPossibleNow):
    """The contribution has ended. It can be given anew."""

    code = "has_ended"


class ChangeAtWork(DonationError):
    """Another change of the same contribution is being asked of Stripe. Nothing was done."""

    code = "change_at_work"


class ChangedMeanwhile(DonationError):
    """The contribution does not stand as it did when this change was decided on. Nothing was done."""

    code = "changed_meanwhile"


class IdempotencyKeyReused(DonationError):
    """The key was used for another request. Nothing was done."""

    code = "idempotency_key_reused"


class IdempotencyKeyInUse(DonationError):
    """The first request with this key is still at work. Ask again in a moment."""

    code = "idempotency_key_in_use"


class PaymentsUnavailable(DonationError):
    """Stripe could not be reached, or asks us to slow down. Safe to try again with the same key."""

    code = "payments_unavailable"


class ReportNotReady(DonationError):
    """A worker is reckoning it. Ask again after `Retry-After`."""

    code = "report_not_ready"


class GoneAtStripe(DonationError):
    """Stripe does not know the object (any more)."""

    code = "gone"


class PaymentsRefused(DonationError):
    """Stripe refused in a way that the reader cannot mend; somebody of the newsroom has to look."""

    code = "payments_refused"


class TooManyCheckouts(DonationError):
    """One network begins more gifts than readers do. `wait` is how many seconds to stay away."""

    code = "too_many_requests"

    def __init__(self, message: str, *, wait: int) -> None:
        super().__init__(message)
        self.wait = wait


class TooManySignIns(DonationError):
    """Too many links to sign in were asked for, from one network or for one address. `wait`: seconds to stay away."""

    code = "too_many_requests"

    def __init__(self, message: str, *, wait: int) -> None:
        super().__init__(message)
        self.wait = wait


class TooManyChanges(DonationError):
    """A reader changes things more often than people do. Nothing was done. `wait`: seconds to stay away."""

    code = "too_many_requests"

    def __init__(self, message: str, *, wait: int) -> None:
        super().__init__(message)
        self.wait = wait


class AddressTaken(DonationError):
    """The new address is one of another person's. Nothing was changed."""

    code = "address_taken"
