"""What our side says: the books as `manage.py books` counts them, and what became of memberships and mail."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from tests.year.figures import Figures
from tests.year.mailbox import Mailbox

UNDER_WAY = timedelta(days=8)  # a bank debit at the longest


def read(mailbox: Mailbox, *, now: datetime) -> Figures:
    """Our figures at this moment."""
    from django.db.models import Count

    from donations import queries
    from donations.models import Subscription
    from members import census
    from members.models import Membership, Message

    figures = Figures()
    currency_of = dict(Membership.objects.values_list("pk", "currency"))
    for currency, entry in queries.get_books().items():
        for column, name, part in (
            ("payments", "charges", "count"),
            ("gross", "charges", "amount"),
            ("refunded", "refunds", "count"),
            ("refunds", "refunds", "amount"),
            ("disputed", "disputes", "count"),
            ("disputes", "disputes", "amount"),
        ):
            figures.add(currency, column, entry[name][part])
        figures.add(currency, "fees", entry["fees"])
        figures.add(currency, "net", entry["net"])
        figures.add(currency, "active", entry["active_subscriptions"])
    behind = Subscription.objects.filter(state__in=["PAST_DUE", "UNPAID"]).values_list("currency")
    paused = Subscription.objects.filter(state="PAUSED").values_list("currency")
    for column, rows in (("past due", behind), ("paused", paused)):
        for currency, count in rows.annotate(Count("pk")).order_by():
            figures.add(currency, column, count)
    for standing in census.each_on(now):
        if standing.state.is_member:
            figures.add(currency_of[standing.membership_id], "members")
    # What was withdrawn before it left is owed no more.
    owed = Message.objects.exclude(state="FAILED", failure_code="withdrawn")
    kinds = owed.values_list("kind").annotate(Count("pk")).order_by()
    figures.owed = Counter(dict(kinds))
    figures.sent = mailbox.count()
    return figures


def left_to_do() -> dict[str, int]:
    """What waits for a worker now; nothing that waits for a day to come. The first subject that is not done counts."""
    from django.db import connection

    from members import clock

    now = connection.ops.adapt_datetimefield_value(clock.now())
    with connection.cursor() as cursor:
        cursor.execute(_LEFT_TO_DO, [now] * _LEFT_TO_DO.count("%s"))
        counts = dict(zip(("events", "mails", "fees"), cursor.fetchone(), strict=True))
    return next(({name: count} for name, count in counts.items() if count), {})


# Asked some thousand times in a year, on the two cores that the house needs as well: put together by the ORM, the
# question would cost three times as much.
_LEFT_TO_DO = """
    SELECT (SELECT COUNT(*) FROM donations_stripeevent
            WHERE state = 'RECEIVED' AND (next_attempt_at IS NULL OR next_attempt_at <= %s)),
           (SELECT COUNT(*) FROM members_message
            WHERE (state = 'OWED' AND next_attempt_at <= %s) OR state = 'SENDING'),
           (SELECT COUNT(*) FROM donations_balanceentry
            WHERE net_minor IS NULL AND (next_attempt_at IS NULL OR next_attempt_at <= %s))
"""


def put_off() -> int:
    """How many events are to be tried again within a minute, since two workers met or Stripe hiccuped."""
    from donations.models import StripeEvent
    from members import clock

    now = clock.now()
    soon = StripeEvent.objects.filter(state="RECEIVED", next_attempt_at__gt=now)
    return soon.filter(next_attempt_at__lte=now + timedelta(minutes=1)).count()


def standstill() -> dict[str, int]:
    """What nobody will work off by himself, which there must be none of in the end."""
    from donations.models import BalanceEntry, StripeEvent
    from members import clock
    from members.models import Message

    # Of a debit that is under way Stripe tells more within days.
    parked = StripeEvent.objects.filter(state="PARKED").exclude(
        type="payment_intent.processing", occurred_at__gt=clock.now() - UNDER_WAY
    )
    return {
        "events that wait for something unknown": parked.count(),
        "events in quarantine": StripeEvent.objects.filter(state="QUARANTINED").count(),
        "fees that could not be fetched": BalanceEntry.objects.filter(net_minor=None).count(),
        "mails that were given up": Message.objects.filter(state="FAILED")
        .exclude(failure_code="withdrawn")
        .count(),
    }
