"""Every page of the admin, walked as each role and as a stranger; and nobody's address on any of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from donations.models import Contribution, Payment, StripeEvent, Subscription
from donations.reports import catalogue, exports
from members import bounces, clock, complimentary
from members.models import AuditEntry, Bounce, Member, Membership, Message, Tier
from reminders.models import Reminder
from staff import roles
from tests.house import House
from tests.staff.conftest import GRACE, TRACES

Desk = Callable[[str], Client]

# By hand, beside staff/roles.py: what each role sees in the admin, and what it may add or change there.
PEOPLE = {
    "members.member",
    "members.membership",
    "members.message",
    "members.bounce",
    "members.tier",
    "members.merge",
    "members.datarequest",
}
MONEY = {
    "donations.campaign", "donations.contribution", "donations.payment", "donations.dispute",
    "donations.doublecharge", "donations.dunning", "donations.notice", "donations.cardwatch", "donations.offlinegift",
    "donations.contributionchange", "donations.withdrawal", "donations.leaving",
}  # fmt: skip
REMINDERS = {
    "reminders.reminder",
    "reminders.unsubscription",
    "reminders.turnedaway",
    "reminders.switch",
}
BOOKS = {
    "donations.balanceentry", "donations.payout", "donations.stripeevent", "donations.reconcilerun",
    "donations.reconcilefinding",
}  # fmt: skip
APPEALS = {
    "donations.asktest", "donations.askvariant", "donations.askcount", "donations.askswitch",
    "donations.campaignchange",
}  # fmt: skip
IMPORTS = {"donations.stripeimport", "donations.stripeimportproblem", "donations.fileimport"}
REPORTS = {"donations.reportkey"}  # each their own keys
HOUSE = {"auth.user", "auth.group", "members.auditentry"}
SEES = {
    "viewer": PEOPLE | MONEY | REMINDERS | REPORTS,
    "support": PEOPLE | MONEY | REMINDERS | REPORTS,
    "finance": PEOPLE | MONEY | REMINDERS | BOOKS | IMPORTS | REPORTS | {"donations.dayrate"},
    "editor": {"donations.campaign"} | APPEALS,
    "admin": PEOPLE | MONEY | REMINDERS | BOOKS | HOUSE | APPEALS | IMPORTS | REPORTS | {"donations.dayrate"},
    "none": set(),
}
ADDS = {
    "viewer": REPORTS,
    "support": {"members.bounce", "members.merge", "donations.offlinegift"} | REPORTS,
    "finance": {"donations.offlinegift", "donations.dayrate"} | REPORTS,
    "editor": {"donations.campaign", "donations.asktest", "donations.askvariant"},
    "admin": {
        "donations.campaign",
        "donations.asktest",
        "donations.askvariant",
        "donations.fileimport",
        "members.tier",
        "auth.user",
        *REPORTS,
    },
}
DELETES = {
    "support": {"members.bounce"},
    "editor": {"donations.asktest", "donations.askvariant"},
    "admin": {"members.tier", "donations.asktest", "donations.askvariant"},
}
DOES = {
    "support": {
        "stop",
        "keep",
        "pause",
        "resume",
        "change-amount",
        "resend-receipt",
        "give-membership",
        "end-membership",
        "gather-data",
        "erase-reader",
    },
    "finance": {"refund", "replay"},
    "admin": {"replay"},
}
REPORTS_SEEN_BY = {"viewer", "support", "finance", "admin"}
ROLES = list(SEES)


@pytest.fixture
def story(house: House, grace: Member) -> Member:
    """Something of everything that can hold Grace's name: gifts, mails, a reminder, an unfinished gift, a note."""
    house.begin(**GRACE, reminder_consent=True)
    reminder = {"email": GRACE["email"], "remind": "next_month", "consent_version": "reminder-1"}
    answer = house.api.post("/api/v1/reminders/", reminder, content_type="application/json")
    assert answer.status_code == 202, answer.content
    assert Reminder.objects.exists()
    bounces.note(email=GRACE["email"], kind=Bounce.Kind.HARD, source=Bounce.Source.STAFF, now=clock.now())
    complimentary.give_complimentary(
        member=grace,
        tier=Tier.objects.all()[0],
        until=clock.now().date().replace(year=clock.now().year + 1),
        actor="staff:1",
        why="Gracelyn Sample-Reader won our quiz.",
        now=clock.now(),
    )
    charge = next(key for key, row in house.stripe.account.objects.items() if row["object"] == "charge")
    house.stripe.controls.refund(charge, 100)
    house.stripe.controls.dispute(charge)
    house.catch_up()
    return grace


def label_of(model: type[models.Model]) -> str:
    return model._meta.label_lower


def pages(role: str) -> Iterator[tuple[str, int]]:
    """Each address of the admin's own with the status that this role should get."""
    for model in admin.site._registry:
        label, name = label_of(model), f"admin:{model._meta.app_label}_{model._meta.model_name}"
        sees = label in SEES[role]
        yield reverse(f"{name}_changelist"), 200 if sees else 403
        yield reverse(f"{name}_add"), 200 if label in ADDS.get(role, set()) else 403
        row = model._default_manager.order_by("pk").first()
        if row is None:
            continue
        yield reverse(f"{name}_change", args=[row.pk]), 200 if sees else 403
        yield reverse(f"{name}_history", args=[row.pk]), 200 if sees else 403
        may_delete = label in DELETES.get(role, set())
        yield reverse(f"{name}_delete", args=[row.pk]), 200 if may_delete else 403


def desk_pages(role: str) -> Iterator[tuple[str, int]]:
    """Each address of the desk with the status that this role should get."""
    member = Member.objects.get()
    given = Membership.objects.get(source_kind="COMPLIMENTARY")
    targets: dict[str, models.Model] = {
        "refund": Payment.objects.all()[0],
        "resend-receipt": Payment.objects.all()[0],
        **dict.fromkeys(("stop", "keep", "pause", "resume", "change-amount"), Subscription.objects.get()),
        "give-membership": member,
        "gather-data": member,
        "erase-reader": member,
        "end-membership": given,
        "replay": StripeEvent.objects.all()[0],
    }
    yield reverse("admin:index"), 200
    yield reverse("admin:person", args=[member.pk]), 200 if "members.member" in SEES[role] else 403
    yield reverse("reports"), 200 if role in REPORTS_SEEN_BY else 403
    for name in exports.names():
        yield reverse("export", args=[name, "csv"]), 200 if role == "finance" else 403
    for name in catalogue.names():
        yield reverse("reports:report", args=[name]), 200 if role in REPORTS_SEEN_BY else 403
    yield reverse("admin:find"), 302 if "members.member" in SEES[role] else 403
    for slug, row in targets.items():
        yield reverse("admin:act", args=[slug, row.pk]), 200 if slug in DOES.get(role, set()) else 403
    for row in (member, Message.objects.all()[0], Reminder.objects.get()):
        yield reverse("admin:reveal", args=[label_of(type(row)), row.pk]), 200 if role == "support" else 403


def text_of(response: Any) -> str:
    """What came, whole or piece by piece."""
    return (b"".join(response) if response.streaming else response.content).decode()


def test_each_role_gets_its_pages_and_no_address_on_any(story: Member, desk_of: Desk) -> None:
    for role in ROLES:
        client, wrong, told = desk_of(role), [], []
        for address, expected in [*pages(role), *desk_pages(role)]:
            response = client.get(address)
            if response.status_code != expected:
                wrong.append((role, address, response.status_code, expected))
            if any(trace in text_of(response).lower() for trace in TRACES):
                told.append((role, address))
        assert wrong == []
        assert told == []


def test_a_denied_call_is_written_down(story: Member, desk_of: Desk) -> None:
    vera = desk_of("viewer")
    payment = Payment.objects.all()[0]
    assert vera.post(f"/admin/do/refund/{payment.pk}/", {"amount": "1", "why": "x"}).status_code == 403
    assert vera.get("/admin/donations/payout/").status_code == 403
    denied = AuditEntry.objects.filter(act="DENIED").order_by("number")
    assert [(row.what, row.facts.get("method")) for row in denied] == [
        ("act", "POST"),
        ("donations_payout_changelist", "GET"),
    ]
    assert all(row.actor.startswith("staff:") for row in denied)


def test_a_stranger_gets_nowhere(story: Member) -> None:
    stranger = Client()
    for address, _ in [*pages("viewer"), *desk_pages("viewer")]:
        response = stranger.get(address)
        if address.startswith("/api/"):
            assert response.status_code == 401, address
            continue
        assert response.status_code == 302, address
        assert response.headers["Location"].startswith("/admin/login/"), address
    assert stranger.get("/admin/autocomplete/").status_code == 302


def test_an_account_that_is_not_of_staff_gets_nowhere(db: None) -> None:
    client = Client()
    client.force_login(User.objects.create_user("reader", password="a long password"))
    assert client.get("/admin/").status_code == 302


def test_hidden_actions_are_refused_and_nothing_happens(story: Member, desk_of: Desk) -> None:
    vera, message = desk_of("viewer"), Message.objects.all()[0]
    Bounce.objects.all().delete()
    chosen = {"action": "note_bounces", "_selected_action": [message.pk]}
    assert vera.post("/admin/members/message/", chosen).status_code == 403
    assert not Bounce.objects.exists()
    reminder = Reminder.objects.get()
    chosen = {"action": "stop_reminders", "_selected_action": [reminder.pk]}
    assert vera.post("/admin/reminders/reminder/", chosen).status_code == 403
    reminder.refresh_from_db()
    assert reminder.state == "SCHEDULED"


STRANGE_QUESTIONS = [
    "member__email__startswith=g",
    "email__startswith=g",
    "member__email_hash__startswith=a",
    "member__contributions__email__contains=g",
    "o=99",
    "o=-1.x",
    "q=%25",
    "q=" + "x" * 10_000,
    "q=(a%2B)%2B%24",
    "p=99999",
]


def test_questions_that_a_list_does_not_offer_lead_nowhere(story: Member, desk_of: Desk) -> None:
    vera = desk_of("viewer")
    vera.raise_request_exception = False
    for page in ("members/member", "donations/contribution", "members/message"):
        for query in STRANGE_QUESTIONS:
            response = vera.get(f"/admin/{page}/?{query}")
            assert response.status_code in (200, 302, 400), (page, query, response)
            assert not any(trace in response.content.decode().lower() for trace in TRACES)


def test_an_address_is_revealed_one_record_at_a_time_for_a_reason(story: Member, desk_of: Desk) -> None:
    sam = desk_of("support")
    page = reverse("admin:person", args=[story.pk])
    reveal = reverse("admin:reveal", args=["members.member", story.pk])
    assert GRACE["name"] not in sam.get(page).content.decode()
    assert sam.post(reveal, {"why": " "}).status_code == 200
    assert GRACE["name"] not in sam.get(page).content.decode()

    sam.post(reveal, {"why": "Gracelyn asks where her receipt is."})
    shown = sam.get(page).content.decode()
    assert GRACE["name"] in shown
    assert GRACE["email"].lower() in shown.lower()
    message = Message.objects.all()[0]
    other = sam.get(f"/admin/members/message/{message.pk}/change/").content.decode()
    assert "Sample-Reader" not in other, "one record is one record"

    entry = AuditEntry.objects.get(act="REVEALED")
    assert entry.subject == f"members.member:{story.pk}"
    assert entry.reason.text == "Gracelyn asks where her receipt is."
    assert "Gracelyn" not in json.dumps(entry.facts)


def test_what_was_revealed_is_masked_again_after_some_minutes(
    story: Member, desk_of: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    sam = desk_of("support")
    page = reverse("admin:person", args=[story.pk])
    sam.post(reverse("admin:reveal", args=["members.member", story.pk]), {"why": "A letter."})
    later = clock.now() + timedelta(minutes=11)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert GRACE["name"] not in sam.get(page).content.decode()


def test_somebody_is_found_by_address_id_and_number(story: Member, desk_of: Desk) -> None:
    vera = desk_of("viewer")
    payment = Payment.objects.all()[0]
    contribution = payment.contribution
    terms = [
        GRACE["email"],
        GRACE["email"].upper(),
        payment.receipt_number,
        payment.stripe_charge_id,
        payment.stripe_invoice_id,
        payment.stripe_payment_intent_id,
        payment.refunds.all()[0].stripe_id,
        payment.disputes.all()[0].stripe_id,
        contribution.stripe_session_id,
        contribution.subscription.stripe_id,
        contribution.subscription.stripe_customer_id,
        str(contribution.public_id),
        str(story.public_id),
    ]
    for term in filter(None, terms):
        response = vera.post("/admin/find/", {"q": f" {term} "})
        assert response.headers["Location"] == reverse("admin:person", args=[story.pk]), term
    assert len([term for term in terms if term]) >= 11
    for term in ("gracelyn", "%", "cus_nobody", "sub_", "x" * 10_000, "(a+)+$", "2026-999999", "zz_1"):
        assert vera.post("/admin/find/", {"q": term}).headers["Location"] == "/admin/", term


def test_what_readers_type_is_never_a_script(house: House, desk_of: Desk) -> None:
    """A name with a script in it, revealed, on the pages on which it can stand."""
    house.give_and_pay(
        interval="month", amount=500, email="eve@example.org", name="<script>alert(1)</script>"
    )
    eve, sam = Member.objects.get(), desk_of("support")
    sam.post(reverse("admin:reveal", args=["members.member", eve.pk]), {"why": "<script>alert(2)</script>"})
    for address in (reverse("admin:person", args=[eve.pk]), f"/admin/members/member/{eve.pk}/change/"):
        page = sam.get(address).content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page


def test_nobody_makes_a_superuser_but_a_superuser(db: None, desk_of: Desk) -> None:
    adam = desk_of("admin")
    boss = User.objects.create_superuser("boss", password="a long password")
    me = User.objects.get(username="admin")
    form = {"username": "admin", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    groups = [Group.objects.get(name=name).pk for name in ("admin", "finance")]
    assert adam.post(f"/admin/auth/user/{me.pk}/change/", {**form, "groups": groups}).status_code == 302
    me.refresh_from_db()
    assert not me.is_superuser
    assert {group.name for group in me.groups.all()} == {"admin", "finance"}
    assert adam.post(f"/admin/auth/user/{boss.pk}/change/", form).status_code == 403
    assert adam.post(f"/admin/auth/user/{boss.pk}/password/", {}).status_code == 403
    take = {"action": "take_second_factor", "_selected_action": [boss.pk]}
    assert adam.post("/admin/auth/user/", take).status_code == 403
    assert AuditEntry.objects.filter(act="CHANGED", subject=f"auth.user:{me.pk}").exists()


def test_roles_are_made_of_permissions_that_exist(db: None) -> None:
    rights = {
        f"{app}.{codename}"
        for app, codename in Permission.objects.values_list("content_type__app_label", "codename")
    }
    for name, wanted in roles.ROLES.items():
        assert wanted - rights == set(), name
        has = Group.objects.get(name=name).permissions.values_list("content_type__app_label", "codename")
        assert {f"{app}.{codename}" for app, codename in has} == wanted


def test_a_role_that_was_changed_by_hand_is_put_right_when_the_house_is_updated(db: None) -> None:
    viewer = Group.objects.get(name="viewer")
    viewer.permissions.add(Permission.objects.get(codename="refund_payment"))
    Group.objects.create(name="our own")
    roles.make()
    assert not viewer.permissions.filter(codename="refund_payment").exists()
    assert Group.objects.filter(name="our own").exists()


def test_the_page_of_a_person_and_today_cost_the_same_for_short_and_long_stories(
    house: House, grace: Member, desk_of: Desk
) -> None:
    boss = desk_of("superuser")

    def cost(address: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert boss.get(address).status_code == 200
        return len(asked)

    person, today = reverse("admin:person", args=[grace.pk]), "/admin/"
    house.give_and_pay(**GRACE)
    cost(person)
    few = cost(person), cost(today)
    for _ in range(6):
        house.give_and_pay(**GRACE)
    for _ in range(4):
        house.advance(days=31)
    assert Payment.objects.count() > 10
    assert Contribution.objects.count() == 8
    assert (cost(person), cost(today)) == few
    assert few[0] <= 32, few


def test_today_names_what_waits(house: House, story: Member, desk_of: Desk) -> None:
    StripeEvent.objects.filter(pk=StripeEvent.objects.all()[0].pk).update(state="PARKED", waits_for="sub_1")
    Message.objects.filter(pk=Message.objects.all()[0].pk).update(
        state="FAILED", failure_code="recipient_refused", sent_at=None
    )
    page = desk_of("finance").get("/admin/")
    matters: dict[str, Any] = {matter.title: matter for matter in page.context["agenda"]}
    assert matters["Disputes to answer"].count == 1
    assert "answer by" in matters["Disputes to answer"].lines[0].when
    assert matters["Events that wait"].count == 1
    assert matters["Mails given up"].lines[0].link == reverse("admin:person", args=[story.pk])
    assert matters["At risk now"].count == 0
    for matter in matters.values():
        assert desk_of("finance").get(matter.link).status_code == 200, matter.title
    assert page.context["agenda"]
    assert desk_of("editor").get("/admin/").context["agenda"] == []


def test_a_renewal_that_fails_is_at_risk(house: House, desk_of: Desk) -> None:
    house.give_and_pay(interval="month", amount=500, **GRACE)
    house.stripe.controls.change_card(Subscription.objects.get().stripe_id, "4000000000000341")
    house.advance(days=32)
    matters = {matter.title: matter for matter in desk_of("viewer").get("/admin/").context["agenda"]}
    assert matters["At risk now"].count == 1
    assert matters["At risk now"].is_urgent
