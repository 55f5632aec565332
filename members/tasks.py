"""What workers do for this floor. Each can be lost, doubled or late: rows say what is left to do."""

from __future__ import annotations

from celery import shared_task

from members import clock, doorbell, outbox, services, sessions, sign_in


@shared_task
def send_owed_mail(**_later: object) -> None:
    """Send a batch of the mail that is due; ring again if there may be more."""
    if outbox.deliver_due(now=clock.now()).more:
        doorbell.ring("members.tasks.send_owed_mail")


@shared_task
def end_due_memberships(**_later: object) -> None:
    """End memberships whose end has come, give up those without a payment, and let the mail about it go out."""
    if services.end_due_memberships(now=clock.now()):
        doorbell.ring("members.tasks.send_owed_mail")


@shared_task
def follow_tiers(**_later: object) -> None:
    """Give memberships the tier that their amount reaches, after the newsroom changed what tiers ask."""
    services.follow_tiers(now=clock.now())


@shared_task
def forget_sent_mail(**_later: object) -> None:
    """Forget to whom and what was written long ago."""
    outbox.forget_sent(now=clock.now())


@shared_task
def forget_sign_ins(**_later: object) -> None:
    """Forget links of mails and sessions of readers that are over."""
    now = clock.now()
    sign_in.forget(now=now)
    sessions.forget(now=now)
