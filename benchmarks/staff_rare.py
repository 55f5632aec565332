"""
What is rare in the newsroom that `benchmarks.staff` asks about.

Rare in life (disputes, drift): at least a page of each, so that both newsrooms' lists show as many rows. Rare of its
kind (`RARE`): `A_FEW` of the oldest rows have what no other row has, in both newsrooms, so that a list that is
filtered by it and reads on until a page is full reads the whole table.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from benchmarks.staff_rows import A_PAGE, ids, put

A_FEW: Final = 5
# Of each model what a few rows have, one after the other: each line is of other rows than the line before.
RARE: Final[dict[str, list[dict[str, Any]]]] = {
    "donations.balanceentry": [{"kind": "adjustment"}],
    "donations.contribution": [
        {"campaign": "old-appeal"},
        {"variant": "old"},
        {"was_held_out": True},
        {"currency": "PLN"},
    ],
    "donations.contributionchange": [
        {"kind": "WITHDRAWAL"},
        {"state": "REFUSED"},
        {"kind": "STOP", "reason": "safety"},
        {"instead_of_stopping": True},
    ],
    "donations.doublecharge": [{"match": "MEMBER"}],
    "donations.dunning": [{"quiet_because": "old"}],
    "donations.notice": [{"reason": "old"}, {"hold": "HELD"}],
    "donations.offlinegift": [{"method": "CASH"}],
    "donations.payment": [{"currency": "PLN"}],
    "donations.reconcilefinding": [{"kind": "payout"}, {"outcome": "STILL_DIFFERS"}],
    "donations.stripeevent": [{"type": "customer.deleted"}, {"state": "IGNORED"}],
    "donations.stripeimportproblem": [{"kind": "refund"}, {"code": "no_payer"}],
    "donations.withdrawal": [{"place": "XX"}, {"problem": "refused"}],
    "members.bounce": [{"kind": "complaint"}, {"source": "staff"}],
    "members.datarequest": [{"kind": "ERASE"}, {"state": "REFUSED", "problem": "gives"}],
    "members.membership": [{"tier": "founder"}, {"source_kind": "CONTRIBUTION", "currency": "PLN"}],
    "members.message": [{"kind": "withdrawn"}, {"locale": "ru"}],
    "reminders.reminder": [{"kind": "OUTAGE"}, {"held_out": True}, {"campaign": "old-appeal"}],
}


def lay_out(members: int, now: datetime) -> None:
    """What comes after `staff_rows` wrote the readers; UTC `now` is the moment up to which things happened."""
    _what_readers_changed(now)
    _a_page_of_each(members, now)
    _a_few_of_each(now)


def rare_of(label: str) -> list[tuple[str, Any]]:
    """Columns of a model with what only a few of its rows have; of a foreign key the other row's primary key."""
    from django.apps import apps

    model = apps.get_model(label)
    return [
        (name, _meant(model, name, value))
        for line in RARE.get(label, [])
        for name, value in list(line.items())[-1:]
    ]


def _meant(model: Any, name: str, value: Any) -> Any:
    field = model._meta.get_field(name)
    if not field.is_relation:
        return value
    return field.related_model._default_manager.get(slug=value).pk


def _a_few_of_each(now: datetime) -> None:
    from django.apps import apps

    from donations.models import AskTest, AskVariant, Campaign
    from members.models import Tier

    Campaign.objects.create(slug="old-appeal", title="Old appeal", starts_at=now - timedelta(days=3000))
    AskVariant.objects.create(test=AskTest.objects.all()[0], slug="old")
    Tier.objects.create(slug="founder", name="Patron", position=9)
    for label, lines in RARE.items():
        model: Any = apps.get_model(label)
        oldest = list(
            model._default_manager.order_by("pk").values_list("pk", flat=True)[: A_FEW * len(lines)]
        )
        for place, line in enumerate(lines):
            given = {name: _meant(model, name, value) for name, value in line.items()}
            given = {f"{name}_id" if name in ("campaign", "variant", "tier") else name: value
                     for name, value in given.items()}  # fmt: skip
            model._default_manager.filter(pk__in=oldest[place * A_FEW : (place + 1) * A_FEW]).update(**given)


def _what_readers_changed(now: datetime) -> None:
    """Of ten contributions one was changed by its reader; of fifty one withdrawn; of fifty members one wants a file."""
    from donations.models import Contribution, ContributionChange, Withdrawal
    from members.models import DataRequest

    held = list(
        Contribution.objects.exclude(member=None).order_by("pk").values_list("pk", "created_at", "member_id")
    )
    changed, withdrawn, asked = held[::10], held[1::50], held[2::50]
    put(
        ContributionChange,
        {
            "public_id": ids(len(changed)),
            "contribution": [pk for pk, _, _ in changed],
            "asked_at": [at for _, at, _ in changed],
            "settled_at": [at for _, at, _ in changed],
            "kind": ["AMOUNT" if place % 2 else "PAUSE" for place in range(len(changed))],
        },
        state="CONFIRMED", actor="reader",
    )  # fmt: skip
    put(
        Withdrawal,
        {
            "contribution": [pk for pk, _, _ in withdrawn],
            "declared_at": [at for _, at, _ in withdrawn],
            "closed_at": [at for _, at, _ in withdrawn],
        },
        actor="reader", place="GB",
    )  # fmt: skip
    put(
        DataRequest,
        {
            "public_id": ids(len(asked)),
            "member": [member for _, _, member in asked],
            "asked_at": [at for _, at, _ in asked],
            "done_at": [at for _, at, _ in asked],
        },
        kind="DOWNLOAD", state="DONE", asked_by="reader",
    )  # fmt: skip


def _a_page_of_each(members: int, now: datetime) -> None:
    """Disputes, drift, second charges: so that a small newsroom's page shows as many rows as a large one's."""
    from donations.models import (
        Dispute,
        DoubleCharge,
        Payment,
        ReconcileFinding,
        ReconcileRun,
        StripeImportProblem,
    )
    from members.models import TwoPeople

    count = max(A_PAGE, members // 200)
    step = max(1, Payment.objects.count() // (2 * count))
    payments = list(Payment.objects.order_by("pk").values_list("pk", flat=True)[::step])
    moments = [now - timedelta(hours=3 * place) for place in range(count)]
    put(
        Dispute,
        {
            "payment": payments[:count],
            "stripe_id": [f"du_{place}" for place in range(count)],
            "opened_at": moments,
            "answer_due_at": moments,
            "state": ["NEEDS_RESPONSE" if place % 20 == 0 else "LOST" for place in range(count)],
        },
        stripe_status="lost", amount_minor=500, currency="USD", reason="fraudulent",
    )  # fmt: skip
    put(
        DoubleCharge,
        {
            "public_id": ids(count),
            "first": payments[:count],
            "second": payments[1 : count + 1],
            "noticed_at": moments,
            "state": ["REFUSED" if place % 20 == 0 else "KEPT" for place in range(count)],
        },
        match="CARD", decided_at=now,
    )  # fmt: skip
    run = ReconcileRun.objects.order_by("pk").first()
    put(
        ReconcileFinding,
        {"run": [run.pk if run and place < A_PAGE else 2 + place % 290 for place in range(count)],
         "stripe_id": [f"in_{place}" for place in range(count)], "found_at": moments},
        kind="invoice", what="is not in our books", outcome="FOUND",
    )  # fmt: skip
    put(StripeImportProblem, {"stripe_id": [f"ch_{place}" for place in range(count)]}, run=1, kind="charge",
         code="no_address", what="It has no address.")  # fmt: skip
    pairs = [(pk, pk + 3) for pk in range(1, members - 4, max(4, members // A_PAGE))]
    put(
        TwoPeople,
        {"public_id": ids(len(pairs)), "first": [one for one, _ in pairs], "second": [two for _, two in pairs]},
        actor="staff:2", found_at=now,
    )  # fmt: skip
