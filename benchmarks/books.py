"""Laying out the books of a large house: one life through its own verbs, multiplied by the database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql

YEARS = 10
PER_MEMBER = 25  # payments
CURRENCIES = ("USD", "EUR", "GBP", "JPY", "CHF", "SEK", "NOK", "PLN", "CZK", "CAD", "AUD", "KWD")
CAMPAIGNS = 50
START = datetime(2016, 11, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def lay_out(payments: int) -> None:
    """Members with a plan and 25 payments each, in 12 currencies and 50 campaigns, begun over ten years."""
    from django.db import connection

    from donations.ledger import journal
    from donations.models import Campaign, Contribution, Payment, Subscription
    from members import services as members
    from members.models import Membership, MembershipStep

    first = Campaign.objects.order_by("pk")[0]
    campaigns = [first]
    for number in range(1, CAMPAIGNS):
        first.pk, first.slug = None, f"appeal-{number}"
        first.save(force_insert=True)
        campaigns.append(Campaign.objects.get(slug=first.slug))
    ids = "ARRAY[" + ",".join(str(campaign.pk) for campaign in campaigns) + "]"
    codes = "ARRAY[" + ",".join(f"'{code}'" for code in CURRENCIES) + "]"
    member = members.get_or_join(email="sample@example.org", locale="en", now=START)
    contribution = Contribution.objects.create(
        campaign=campaigns[0], member=member, interval="month", amount_minor=500, currency="USD", livemode=False,
        created_at=START, checkout_attempted_at=START, checkout_state="COMPLETED",
    )  # fmt: skip
    subscription = Subscription.objects.create(
        contribution=contribution, stripe_id="sub_sample", state="ACTIVE", amount_minor=500, currency="USD",
        interval="month", current_period_end=NOW + timedelta(days=9),
    )  # fmt: skip
    payment = Payment.objects.create(
        contribution=contribution, stripe_invoice_id="in_sample", state="SUCCEEDED", amount_minor=500, currency="USD",
        created_at=START, paid_at=START, is_renewal=True, period_end=START + timedelta(days=31),
        settlement_currency="USD", settlement_minor=500, fee_minor=45, net_minor=455,
    )  # fmt: skip
    paid = members.Paid("in_sample", START, through=START + timedelta(days=31))
    plan = members.Plan(
        reference=str(contribution.public_id), currency="USD", annual_minor=6000, payments=(paid,)
    )
    members.follow_plan(member=member, plan=plan, now=START)
    membership, step = Membership.objects.get(), MembershipStep.objects.order_by("-pk")[0]
    journal.tell_payments([payment], contribution, now=START)
    entry_id = journal.JournalEntry.objects.get().pk

    people = payments // PER_MEMBER
    persons = f"generate_series(1, {people}) AS n"
    paid_for = f"{persons}, generate_series(0, {PER_MEMBER - 1}) AS k"
    began = f"timestamptz '{START.isoformat()}' + (n % {YEARS * 365}) * interval '1 day'"
    then = f"{began} + k * interval '30 days 6 hours'"
    through = f"{then} + interval '31 days'"
    code, campaign = f"({codes})[1 + n % {len(CURRENCIES)}]", f"({ids})[1 + n % {CAMPAIGNS}]"
    public_id = "md5('c' || n)::uuid"
    of_payment = {
        "payment_id": f"1000 + n * {PER_MEMBER} + k", "contribution_id": "1000 + n", "campaign_id": campaign,
        "currency": code, "at": then, "day": f"({then})::date", "recorded_at": then,
    }  # fmt: skip

    models = (
        type(member),
        Contribution,
        Subscription,
        Payment,
        journal.JournalEntry,
        Membership,
        MembershipStep,
    )
    tables = [model._meta.db_table for model in models]
    with connection.cursor() as cursor, _unindexed(cursor, tables):

        def multiply(model: Any, template: int, rows: str, **changes: str) -> None:
            columns = [field.column for field in model._meta.local_concrete_fields]
            values = ", ".join(changes.get(column, f't."{column}"') for column in columns)
            names, table = ", ".join(f'"{column}"' for column in columns), model._meta.db_table
            cursor.execute(
                f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} t, {rows} WHERE t.id = {template}"  # noqa: S608
            )

        multiply(type(member), member.pk, persons, id="1000 + n", public_id="gen_random_uuid()",
                 email_hash="md5('m' || n) || md5('n' || n)", joined_at=began)  # fmt: skip
        multiply(Contribution, contribution.pk, persons, id="1000 + n", public_id=public_id, member_id="1000 + n",
                 campaign_id=campaign, currency=code, created_at=began)  # fmt: skip
        multiply(Subscription, subscription.pk, persons, id="1000 + n", contribution_id="1000 + n",
                 stripe_id="'sub_' || n", currency=code,
                 current_period_end=f"timestamptz '{NOW.isoformat()}' + (n % 40) * interval '1 day'")  # fmt: skip
        multiply(Payment, payment.pk, paid_for, id=of_payment["payment_id"], public_id="gen_random_uuid()",
                 contribution_id="1000 + n", stripe_invoice_id="'in_' || n || '_' || k", currency=code,
                 settlement_currency=code, created_at=then, paid_at=then, period_end=through,
                 receipt_number="'2026-' || n || '_' || k")  # fmt: skip
        for kind, name in (("PAYMENT", "payment"), ("SETTLEMENT", "line")):
            multiply(journal.JournalEntry, entry_id, paid_for, id="nextval(pg_get_serial_sequence("
                     f"'{journal.JournalEntry._meta.db_table}', 'id'))", kind=f"'{kind}'",
                     is_rolled_up="true",
                     reference=f"'{name}:' || n || '_' || k", fee_minor="45" if kind == "SETTLEMENT" else "0",
                     **of_payment)  # fmt: skip
        multiply(Membership, membership.pk, persons, id="1000 + n", public_id="gen_random_uuid()", member_id="1000 + n",
                 source_reference=f"{public_id}::text", started_at=began)  # fmt: skip
        multiply(MembershipStep, step.pk, paid_for, id=of_payment["payment_id"], membership_id="1000 + n",
                 reference="'in_' || n || '_' || k", kind="CASE k WHEN 0 THEN 'STARTED' ELSE 'RENEWED' END", at=then,
                 recorded_at=then, paid_through=through, grace_until=f"{through} + interval '7 days'",
                 ends_at=f"CASE k WHEN {PER_MEMBER - 1} THEN {through} END",
                 ends_as=f"CASE k WHEN {PER_MEMBER - 1} THEN 'ENDED' ELSE '' END")  # fmt: skip


@contextlib.contextmanager
def _unindexed(cursor: Any, tables: list[str]) -> Iterator[None]:
    """
    Tables without their indexes and foreign keys, which are made anew in the end: once for all rows, not for each row.

    Primary keys stay, since rows come in their order. What PostgreSQL refuses in the end, it would have refused before.
    """
    cursor.execute(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = ANY(%s::regclass[]) AND contype IN ('u', 'f') ORDER BY contype = 'f', oid",
        [tables],
    )
    constraints = [
        (sql.SQL(table), sql.Identifier(name), sql.SQL(said)) for table, name, said in cursor.fetchall()
    ]
    cursor.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
        "WHERE indrelid = ANY(%s::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid) "
        "ORDER BY indexrelid",
        [tables],
    )
    indexes = [(sql.SQL(name), sql.SQL(said)) for name, said in cursor.fetchall()]
    for table, name, _ in reversed(constraints):
        cursor.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(table, name))
    for name, _ in indexes:
        cursor.execute(sql.SQL("DROP INDEX {}").format(name))
    yield
    cursor.execute("SET maintenance_work_mem = '512MB'")
    for _, said in indexes:
        cursor.execute(said)
    for table, name, said in constraints:
        cursor.execute(sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(table, name, said))
