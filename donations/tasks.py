"""What workers do for the money; each task makes one call and can be lost, doubled or late."""

from __future__ import annotations

from celery import shared_task

from donations import (
    before_money,
    card_expiry,
    changes,
    doubles,
    dunning,
    erasing,
    file_import,
    inbox,
    naming,
    pauses,
    payouts,
    reconciliation,
    recovery,
    returns,
    services,
    withdrawals,
)
from donations.account import personal
from donations.reports import digest, files, kept, rollups
from members import clock, doorbell


@shared_task
def process_inbox(**_later: object) -> None:
    """Act on the events that wait; then let mail and fees follow at once rather than at the next sweep."""
    if inbox.process_waiting(now=clock.now()):
        doorbell.ring("donations.tasks.watch_money")
        doorbell.ring("members.tasks.send_owed_mail")
        doorbell.ring("donations.tasks.settle_payments")


@shared_task
def watch_money(**_later: object) -> None:
    """Notice gifts that were given twice, carry on with undoing them, and end plans that a bank disputed."""
    now = clock.now()
    doubles.finish_undoing(now=now)
    returns.end_disputed_plans(now=now)
    if doubles.notice_due(now=now):
        doorbell.ring("members.tasks.send_owed_mail")


@shared_task
def settle_payments(**_later: object) -> None:
    """Fetch the fees that Stripe took, and what its payouts are made of."""
    now = clock.now()
    payouts.list_lines(now=now)  # first: one call brings the figures of a hundred movements
    services.settle(now=now)


@shared_task
def remind_of_failed_renewals(**_later: object) -> None:
    """Write to readers whose renewal still fails, where it is time; then let the mail go out."""
    if dunning.write_due(now=clock.now()):
        doorbell.ring("members.tasks.send_owed_mail")


@shared_task
def give_notice(**_later: object) -> None:
    """Tell readers of payments to come, and hold at Stripe those of which they were not told in time."""
    if before_money.sweep(now=clock.now()):
        doorbell.ring("members.tasks.send_owed_mail")


@shared_task
def look_at_cards(**_later: object) -> None:
    """Ask Stripe which cards will have expired before their next payment."""
    if card_expiry.look_at_cards(now=clock.now()):
        doorbell.ring("donations.tasks.give_notice")


@shared_task
def look_after_changes(**_later: object) -> None:
    """Settle changes whose end never came, tell of pauses that end, and carry out withdrawals."""
    now = clock.now()
    withdrawals.carry_out(now=now)
    changes.finish(now=now)
    if pauses.tell_of_ends(now=now):
        doorbell.ring("members.tasks.send_owed_mail")


@shared_task
def expire_forgotten_checkouts(**_later: object) -> None:
    """Close what was left unpaid."""
    services.expire_forgotten_checkouts(now=clock.now())


@shared_task
def reconcile_stripe(**_later: object) -> None:
    """Fetch what Stripe told and we did not hear since the last complete comparison."""
    now = clock.now()
    if reconciliation.reconcile(since=reconciliation.due_since(now=now), now=now).missed:
        doorbell.ring("donations.tasks.process_inbox")


@shared_task
def compare_with_stripe(**_later: object) -> None:
    """Look at what Stripe has beside what our books say, and mend what no event told."""
    now = clock.now()
    if reconciliation.compare(now=now).drifts:
        doorbell.ring("donations.tasks.settle_payments")
        doorbell.ring("members.tasks.send_owed_mail")


@shared_task
def roll_up_reports(**_later: object) -> None:
    """Carry what moved over to the sums by day, a few thousand entries at a time."""
    for _ in range(20):
        if not rollups.roll_up():
            break


@shared_task
def reckon_reports(**_later: object) -> None:
    """In a large house: reckon the reports that are asked for, so that they open at once."""
    kept.reckon(now=clock.now())


@shared_task
def make_exports(**_later: object) -> None:
    """Make the files of rows that staff asked for, and forget those of yesterday."""
    files.make_waiting(now=clock.now())


@shared_task
def write_digest(**_later: object) -> None:
    """Owe the figures of the last week to staff who want them; then let the mail go out."""
    if digest.write(now=clock.now()):
        doorbell.ring("members.tasks.send_owed_mail")


@shared_task
def purge_payloads(**_later: object) -> None:
    """Forget what is no longer needed: the bodies of old events, and who did not give."""
    now = clock.now()
    inbox.purge_payloads(now=now)
    services.forget_unpaid(now=now)
    doubles.note_marks()
    doubles.forget_traces(now=now)
    recovery.forget_old(now=now)
    file_import.forget_uploads(now=now)
    naming.forget_late_news(since=now - naming.A_DAY)


@shared_task
def forget_late_news(**_later: object) -> None:
    """End what began late for somebody who was erased, and empty the bodies of events that came late and name them."""
    now = clock.now()
    erasing.end_what_began_late(now=now)
    naming.forget_late_news(since=now - naming.LATELY)


@shared_task
def follow_addresses(**_later: object) -> None:
    """Tell Stripe where to write to readers who changed their address."""
    personal.follow_addresses(now=clock.now())
