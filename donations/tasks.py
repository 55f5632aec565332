"""What workers do for the money; each task makes one call and can be lost, doubled or late."""

from __future__ import annotations

from celery import shared_task

from donations import inbox, reconciliation, recovery, services
from members import clock, doorbell


@shared_task
def process_inbox(**_later: object) -> None:
    """Act on the events that wait; then let mail and fees follow at once rather than at the next sweep."""
    if inbox.process_waiting(now=clock.now()):
        doorbell.ring("members.tasks.send_owed_mail")
        doorbell.ring("donations.tasks.settle_payments")


@shared_task
def settle_payments(**_later: object) -> None:
    """Fetch the fees that Stripe took."""
    services.settle(now=clock.now())


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
def purge_payloads(**_later: object) -> None:
    """Forget what is no longer needed: the bodies of old events, and who did not give."""
    now = clock.now()
    inbox.purge_payloads(now=now)
    services.forget_unpaid(now=now)
    recovery.forget_old(now=now)
