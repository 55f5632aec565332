"""
The parts of `benchmarks.reports` that run inside the house: laying out its books, and asking.

    python -m benchmarks.reports_parts lay_out PAYMENTS
    python -m benchmarks.reports_parts measure PAYMENTS     prints one line of JSON
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

YEARS = 10
PER_MEMBER = 25  # payments
CURRENCIES = ("USD", "EUR", "GBP", "JPY", "CHF", "SEK", "NOK", "PLN", "CZK", "CAD", "AUD", "KWD")
CAMPAIGNS = 50
START = datetime(2016, 11, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_ROUNDS = 7


# --- Laying out: one life through the house's own verbs, multiplied by the database


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
    with connection.cursor() as cursor:

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
                     reference=f"'{name}:' || n || '_' || k", fee_minor="45" if kind == "SETTLEMENT" else "0",
                     **of_payment)  # fmt: skip
        multiply(Membership, membership.pk, persons, id="1000 + n", public_id="gen_random_uuid()", member_id="1000 + n",
                 source_reference=f"{public_id}::text", started_at=began)  # fmt: skip
        multiply(MembershipStep, step.pk, paid_for, id=of_payment["payment_id"], membership_id="1000 + n",
                 reference="'in_' || n || '_' || k", kind="CASE k WHEN 0 THEN 'STARTED' ELSE 'RENEWED' END", at=then,
                 recorded_at=then, paid_through=through, grace_until=f"{through} + interval '7 days'",
                 ends_at=f"CASE k WHEN {PER_MEMBER - 1} THEN {through} END",
                 ends_as=f"CASE k WHEN {PER_MEMBER - 1} THEN 'ENDED' ELSE '' END")  # fmt: skip


# --- Asking


def measure(payments: int) -> dict[str, Any]:
    """Milliseconds of each question, beside what it is measured by."""
    from donations.reports import catalogue, dashboard, kept, rollups
    from donations.reports.catalogue import Question
    from donations.reports.periods import Granularity, Period
    from donations.reports.plans import Filters

    rollups._sum_anew()
    rollups.take_stock()
    kept.LARGE = 0  # so that a small trial goes the way of a large house
    ever = Question(Period(START.date(), NOW.date()), Granularity.MONTH, Filters(), NOW)
    began = time.perf_counter()
    reckoned = kept.reckon(now=NOW)
    found: dict[str, Any] = {
        "payments": payments,
        "members": payments // PER_MEMBER,
        "reckoned": reckoned,
        "reckon_seconds": round(time.perf_counter() - began, 1),
        "reckon_peak_mb": _peak_mb(),
    }
    usual = catalogue.usual(NOW)
    asked: dict[str, Callable[[], object]] = {
        name: lambda name=name: catalogue.ask(name, usual)  # type: ignore[misc]  # mypy knows no default of a lambda
        for name in catalogue.names()
    }
    asked["revenue of all years"] = lambda: catalogue.ask("revenue", ever)
    asked["dashboard"] = lambda: dashboard.dashboard(month=date(2026, 11, 1), currency=None, now=NOW)
    found["ms"] = {name: _ms(question) for name, question in asked.items()}
    found["raw_ms"] = _ms(_raw, rounds=3)
    found["of_raw"] = found["raw_ms"] / found["ms"]["revenue of all years"]
    found["refresh_ms"] = _refresh()
    found |= _rebuild()
    found |= _export()
    return found


def _raw() -> None:
    """Revenue by month and currency from the payments themselves."""
    _sql(
        "SELECT date_trunc('month', paid_at), currency, count(*), sum(amount_minor) FROM donations_payment "
        "WHERE state = 'SUCCEEDED' GROUP BY 1, 2"
    )


def _refresh() -> float:
    """Carrying a day's late data over: two hundred entries of one day in all currencies, and the day's sums again."""
    from donations.models import JournalEntry
    from donations.reports import rollups

    day = date(2026, 11, 1)
    spent = []
    for _ in range(_ROUNDS):
        late = list(JournalEntry.objects.filter(day=day).order_by("pk").values_list("pk", flat=True)[:200])
        JournalEntry.objects.filter(pk__in=late).update(is_rolled_up=False)
        began = time.perf_counter()
        rollups.roll_up()
        spent.append((time.perf_counter() - began) * 1000)
    rollups._sum_anew()  # these were added twice
    return statistics.median(spent)


def _rebuild() -> dict[str, Any]:
    """All sums anew, beside the statements that state them, into a table that nobody has to lock."""
    from donations.reports import rollups

    stated = [
        "DROP TABLE IF EXISTS stated",
        "CREATE TEMP TABLE stated (LIKE donations_revenueday INCLUDING ALL)",
    ]
    for statement in stated:
        _sql(statement)

    def bare() -> None:
        _sql("TRUNCATE stated")
        for campaign, group in (("0", ""), ("campaign_id", "campaign_id, ")):
            names = {"sums": "stated", "entries": "donations_journalentry"}
            _sql(rollups._INSERT.format(**names, campaign=campaign, group=group))

    pairs = [(_ms(bare, rounds=1), _ms(rollups._sum_anew, rounds=1)) for _ in range(3)]
    return {
        "stated_ms": statistics.median(bare for bare, _ in pairs),
        "rebuild_ms": statistics.median(ours for _, ours in pairs),
        "rebuild_of_stated": statistics.median(bare / ours for bare, ours in pairs),
    }


def _export() -> dict[str, Any]:
    """A file of payments, up to a million, beside COPY of the same columns as they lie."""
    from django.db import connection

    from donations.models import Payment
    from donations.reports import exports
    from donations.reports.catalogue import Question
    from donations.reports.periods import Granularity, Period
    from donations.reports.plans import Filters

    export = exports.get("payments")
    assert export is not None
    months = Payment.objects.filter(paid_at__lte=NOW).order_by("-paid_at").values_list("paid_at", flat=True)
    first = next(iter(months[999_999:1_000_000]), START)
    asked = Question(Period(first.date(), NOW.date()), Granularity.MONTH, Filters(), NOW)
    rows = export.rows(asked)
    columns = [column.source for column in export.columns]
    sql = connection.ops.compose_sql(*rows.order_by().values_list(*columns).query.sql_with_params())

    def bare() -> int:
        with connection.cursor() as cursor:
            with cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT csv)") as copy:
                for _ in copy:
                    pass
            return int(cursor.rowcount)

    def ours() -> int:
        return sum(piece.rows for piece in exports.pieces(export, asked))

    ratios, rates, count = [], [], 0
    before = _peak_mb()
    for _ in range(3):
        began = time.perf_counter()
        count = bare()
        between = time.perf_counter()
        assert ours() == count
        end = time.perf_counter()
        ratios.append((between - began) / (end - between))
        rates.append(count / (end - between))
    return {
        "export_rows": count,
        "export_per_second": statistics.median(rates),
        "export_of_copy": statistics.median(ratios),
        "export_gained_mb": _peak_mb() - before,
    }


def _sql(statement: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)
        if cursor.description:
            cursor.fetchall()


def _ms(question: Callable[[], object], rounds: int = _ROUNDS) -> float:
    spent = []
    for number in range(rounds + (rounds > 1)):
        began = time.perf_counter()
        question()
        if number or rounds == 1:  # the first one pays for caches
            spent.append((time.perf_counter() - began) * 1000)
    return statistics.median(spent)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(part: str, payments: int) -> None:
    import django

    django.setup()
    if part == "lay_out":
        lay_out(payments)
    else:
        print(json.dumps(measure(payments)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
