"""What staff do about notices that mail could not deliver, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from donations import notices
from donations.ledger.common import change, locked
from donations.models import Notice
from members import outbox

State, Hold = Notice.State, Notice.Hold


def told_otherwise(*, notice_id: int, actor: str, now: datetime) -> bool:
    """
    A member of staff told the reader by telephone or letter: that counts as a notice from now on.

    :returns: False if the notice was accepted or dropped already.
    """
    with transaction.atomic():
        pk = Notice.objects.values_list("subscription__contribution", flat=True).get(pk=notice_id)
        contribution = locked().get(pk=pk)
        notice = Notice.objects.select_related("subscription").get(pk=notice_id)
        if notice.state in (State.ACCEPTED, State.DROPPED):
            return False
        outbox.withdraw([notice.dedup_key])
        takes_at = max(notice.takes_at, now + notices.latest_before(notice))
        change(
            notice,
            {
                "state": State.ACCEPTED,
                "accepted_at": now,
                "takes_at": takes_at,
                "actor": actor,
                "reason": "told_by_staff",
                "next_look_at": now,
            },
        )
        notices.decide(notice, contribution, now=now)
        return True


def try_again(*, notice_id: int, now: datetime) -> bool:
    """Let a notice be sent once more that could not be sent. False if it is not one of these."""
    return bool(
        Notice.objects.filter(pk=notice_id, state=State.UNSENDABLE).update(
            state=State.PLANNED, reason="", next_look_at=now
        )
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """How notices stand, for health and staff."""

    waiting_payments: int
    unsendable: int


def get_standing() -> Standing:
    """How many payments wait for their notice, and how many notices cannot be sent."""
    held = Notice.objects.filter(hold__in=[Hold.WANTED, Hold.HELD, Hold.LETTING_GO]).exclude(
        state=State.DROPPED
    )
    return Standing(held.count(), Notice.objects.filter(state=State.UNSENDABLE).count())
