"""What workers do for this floor. Each can be lost, doubled or late: rows say what is left to do."""

from __future__ import annotations

from celery import shared_task

from members import clock, doorbell, outbox, services


@shared_task
def send_owed_mail(**_later: object) -> None:
    """Send a batch of the mail that is due; ring again if there may be more."""
    if outbox.deliver_due(now=clock.now()).more:
        doorbell.ring("members.tasks.send_owed_mail")


@shared_task
def end_due_memberships(**_later: object) -> None:
    """End the memberships whose known end has come, and let the mail about it go out."""
    if services.end_due_memberships(now=clock.now()):
        doorbell.ring("members.tasks.send_owed_mail")


@shared_task
def forget_sent_mail(**_later: object) -> None:
    """Forget to whom and what was written long ago."""
    outbox.forget_sent(now=clock.now())
