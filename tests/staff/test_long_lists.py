"""Lists of staff stay usable, and ask the same of the database, however many rows there are."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection, models
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext

from donations.models import (
    AskTest,
    AskVariant,
    Campaign,
    Contribution,
    ContributionChange,
    Payment,
    StripeEvent,
    Withdrawal,
)
from members import clock, duplicates, long_lists
from members.long_lists import LongList
from members.models import Mark, Member, Membership, MembershipStep
from staff import agenda
from tests import factories
from tests.house import House

Desk = Callable[[str], Client]
WHOLE_TABLE = re.compile(
    r'SELECT COUNT\(\*\) AS "__count" FROM|SELECT DISTINCT|UPPER\(|DATE_?TRUNC|django_datetime', re.I
)
LISTS = [model_admin for model_admin in admin.site._registry.values() if isinstance(model_admin, LongList)]


def events(count: int) -> None:
    now = clock.now()
    StripeEvent.objects.bulk_create(
        StripeEvent(
            stripe_id=f"evt_{number}",
            type="invoice.paid",
            payload="{}",
            state="PARKED",
            livemode=False,
            occurred_at=now,
            received_at=now - timedelta(days=400 * (number % 2)),
        )
        for number in range(count)
    )


def test_no_list_reads_its_whole_table(db: None, desk_of: Desk) -> None:
    boss, wrong = desk_of("superuser"), []
    for model_admin in LISTS:
        opts = model_admin.model._meta  # type: ignore[attr-defined]  # Django's
        for query in ("", "?q=cs_1"):
            with CaptureQueriesContext(connection) as asked:
                assert boss.get(f"/admin/{opts.app_label}/{opts.model_name}/{query}").status_code == 200
            mine = [one["sql"] for one in asked if f'"{opts.db_table}"' in one["sql"]]
            assert mine or query, opts
            wrong += [sql for sql in mine if WHOLE_TABLE.search(sql)]
    assert len(LISTS) > 15
    assert wrong == []


# Lists that are as long however many readers there are.
OF_ANY_SIZE = {"donations.Payout": "one row for each payout to the bank, at most one a day"}
GROW = ("member", "contribution", "payment", "subscription", "reminder")


def filters_of(model_admin: Any) -> list[str]:
    specs = [spec[0] if isinstance(spec, tuple) else spec for spec in model_admin.list_filter]
    return [spec if isinstance(spec, str) else spec.parameter_name for spec in specs]


def columns_of(condition: Any) -> set[str]:
    """Which columns a condition is about."""
    if isinstance(condition, Q):
        return {name for part in condition.children for name in columns_of(part)}
    return {condition[0].split("__")[0]} if condition else set()


def has_index(model: type[models.Model], name: str) -> bool:
    """Whether rows with a value of this column that is rare are found without the others."""
    field = model._meta.get_field(name)
    if getattr(field, "db_index", False) or getattr(field, "unique", False):
        return True
    indexes = model._meta.indexes
    return any(index.fields[0] == name or name in columns_of(index.condition) for index in indexes)


def test_each_filter_of_a_long_list_has_an_index() -> None:
    """Else a filter on what hardly any row has reads the whole table, since what it looks for never fills a page."""
    bare = [
        f"{model_admin.model._meta.label}.{name}"
        for model_admin in LISTS
        if model_admin.model._meta.label not in OF_ANY_SIZE
        for name in filters_of(model_admin)
        if not has_index(model_admin.model, name)
    ]
    assert bare == []


def test_lists_that_grow_with_readers_are_long_lists() -> None:
    long = {model_admin.model for model_admin in LISTS}
    wrong = [
        model._meta.label
        for model, model_admin in admin.site._registry.items()
        if model not in long
        and any(field.name in GROW for field in model._meta.local_fields if field.is_relation)
    ]
    assert wrong == []


def test_changes_and_withdrawals_are_found_by_the_subscription(house: House, desk_of: Desk) -> None:
    house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    house.give_and_pay(interval="month", amount=500, email="ada@example.com")
    grace, ada = Contribution.objects.order_by("pk")
    now = clock.now()
    for gift in (grace, ada):
        ContributionChange.objects.create(contribution=gift, kind="PAUSE", actor="reader", asked_at=now)
        Withdrawal.objects.create(contribution=gift, declared_at=now, actor="reader", place="GB")
    vera = desk_of("viewer")
    for page in ("contributionchange", "withdrawal"):
        term = {"q": grace.subscription.stripe_id}
        changes = vera.post(f"/admin/donations/{page}/", term, follow=True).context["cl"]
        assert [row.contribution for row in changes.result_list] == [grace]
    assert "?place=GB" in vera.get("/admin/donations/withdrawal/").content.decode()


def test_rare_kinds_are_offered_though_no_recent_row_has_them(db: None, desk_of: Desk) -> None:
    events(1)
    page = desk_of("finance").get("/admin/donations/stripeevent/").content.decode()
    assert "?type=customer.deleted" in page
    assert "?type=invoice.paid" in page, "the newest row has it"
    assert "?type=charge.updated" not in page, "most rows have it in life; here there is none to be found"


def test_a_long_list_counts_to_a_limit_and_says_so(
    db: None, desk_of: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_lists, "COUNTED", 150)
    fina = desk_of("finance")
    events(150)
    assert "There are more than" not in fina.get("/admin/donations/stripeevent/").content.decode()
    StripeEvent.objects.filter(stripe_id="evt_0").update(stripe_id="evt_last")
    events(1)
    page = fina.get("/admin/donations/stripeevent/?p=2").content.decode()
    assert "There are more than 150." in page
    assert page.count('name="_selected_action"') == 50

    year = clock.now().year - 1
    of_a_year = fina.get(f"/admin/donations/stripeevent/?received_at__year={year}").content.decode()
    assert "There are more than" not in of_a_year
    assert (
        fina.get("/admin/donations/stripeevent/?q=evt_last").content.decode().count("_selected_action") == 1
    )


def test_all_means_those_that_were_counted(db: None, desk_of: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_lists, "COUNTED", 110)
    events(130)
    chosen = {"action": "replay", "select_across": "1", "_selected_action": [StripeEvent.objects.all()[0].pk]}
    desk_of("finance").post("/admin/donations/stripeevent/", chosen)
    assert StripeEvent.objects.filter(state="RECEIVED").count() == 110


def test_the_way_through_the_years(db: None, desk_of: Desk) -> None:
    events(2)
    fina, now = desk_of("finance"), clock.now()
    at = now - timedelta(days=400)
    years = fina.get("/admin/donations/stripeevent/").content.decode()
    assert f"?received_at__year={at.year}" in years
    month = f"?received_at__month={at.month}&amp;received_at__year={at.year}"
    assert month in fina.get(f"/admin/donations/stripeevent/?received_at__year={at.year}").content.decode()
    of_a_day = f"?received_at__year={at.year}&received_at__month={at.month}&received_at__day={at.day}"
    page = fina.get(f"/admin/donations/stripeevent/{of_a_day}").content.decode()
    assert page.count('name="_selected_action"') == 1
    assert fina.get("/admin/donations/stripeevent/?received_at__month=x").status_code in (200, 302, 400)


def test_a_list_is_searched_by_any_whole_id(house: House, desk_of: Desk) -> None:
    house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    house.give_and_pay(amount=700, email="ada@example.org")
    vera = desk_of("viewer")

    def found(page: str, term: str | None) -> int:
        assert term, page
        changes = vera.get(f"/admin/{page}/", {"q": f" {term} "}).context["cl"]
        return len(changes.result_list)

    gift = Contribution.objects.get(interval="month")
    for term in (gift.stripe_session_id, gift.subscription.stripe_id, gift.stripe_customer_id):
        assert found("donations/contribution", term) == 1
    payment = Payment.objects.get(contribution=gift)
    for term in (payment.receipt_number, payment.stripe_charge_id, payment.stripe_invoice_id):
        assert found("donations/payment", term) == 1
    assert found("donations/payment", (payment.receipt_number or "")[:-1]) == 0
    membership = Membership.objects.get(member=gift.member)
    assert found("members/membership", membership.source_reference) == 1
    assert found("donations/offlinegift", "not-a-uuid") == 0


def test_filters_offer_what_rows_have(house: House, desk_of: Desk) -> None:
    house.give_and_pay(amount=500, email="ada@example.org")
    vera = desk_of("viewer")
    page = vera.get("/admin/donations/payment/")
    assert "?currency=USD" in page.content.decode()
    assert len(vera.get("/admin/donations/payment/?currency=USD").context["cl"].result_list) == 1
    none = vera.get("/admin/donations/payment/?currency=EUR")
    assert len(none.context["cl"].result_list) == 0
    assert "?currency=EUR" in none.content.decode(), "what is chosen is shown as chosen"


def test_more_ways_of_asking_cost_no_more_statements(db: None, desk_of: Desk) -> None:
    campaign, boss = factories.a_campaign(), desk_of("superuser")
    test = AskTest.objects.create(campaign=campaign, slug="words", starts_at=clock.now())

    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            boss.get("/admin/donations/contribution/")
        return len(asked)

    AskVariant.objects.create(test=test, slug="a")
    few = cost()
    for slug in "bcdef":
        AskVariant.objects.create(test=test, slug=slug)
    assert cost() == few


def test_a_way_of_asking_with_gifts_is_not_deleted_and_they_are_not_listed(
    house: House, desk_of: Desk
) -> None:
    house.give_and_pay(amount=500, email="ada@example.org")
    test = AskTest.objects.create(campaign=Campaign.objects.all()[0], slug="words", starts_at=clock.now())
    variant, spare = (AskVariant.objects.create(test=test, slug=slug) for slug in ("used", "spare"))
    Contribution.objects.update(variant=variant)
    ed = desk_of("editor")
    for page in (f"asktest/{test.pk}", f"askvariant/{variant.pk}"):
        shown = ed.get(f"/admin/donations/{page}/delete/").content.decode()
        assert "which is in use" in shown
        assert "/admin/donations/contribution/" not in shown
        ed.post(f"/admin/donations/{page}/delete/", {"post": "yes"})
    assert AskVariant.objects.count() == 2
    ed.post(f"/admin/donations/askvariant/{spare.pk}/delete/", {"post": "yes"})
    assert AskVariant.objects.get() == variant


def test_a_tier_with_members_stays(house: House, desk_of: Desk) -> None:
    house.give_and_pay(interval="month", amount=500, email="grace@example.org")
    tier = Membership.objects.get().tier
    assert tier is not None
    adam = desk_of("admin")
    assert "which is in use" in adam.get(f"/admin/members/tier/{tier.pk}/delete/").content.decode()
    adam.post(f"/admin/members/tier/{tier.pk}/delete/", {"post": "yes"})
    tier.refresh_from_db()
    assert MembershipStep.objects.filter(tier=tier).exists()


def test_today_counts_to_a_limit(db: None, desk_of: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agenda, "COUNTED", 3)
    events(3)
    assert '<span class="count">3</span> Events' in desk_of("finance").get("/admin/").content.decode()
    StripeEvent.objects.create(
        stripe_id="evt_more", type="invoice.paid", state="PARKED", livemode=False,
        occurred_at=clock.now(), received_at=clock.now(),
    )  # fmt: skip
    assert '<span class="count">3+</span> Events' in desk_of("finance").get("/admin/").content.decode()


def test_marks_of_two_who_were_told_at_once_are_found_by_the_next_telling(house: House) -> None:
    for name in ("ada", "grace"):
        house.give_and_pay(amount=500, email=f"{name}@example.org")
    ada, grace = Member.objects.order_by("pk")
    value = duplicates.hash_of("CARD", "one card")
    Mark.objects.bulk_create(Mark(member=one, kind="CARD", value=value) for one in (ada, grace))
    assert duplicates.suggest() == []
    assert duplicates.note([(ada.pk, "CARD", value)]) == 0
    assert [(one.first, one.second) for one in duplicates.suggest()] == [(ada, grace)]
