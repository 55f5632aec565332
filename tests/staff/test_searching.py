"""No page of staff takes an address in its URL; lists are searched by POST."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from members import bounces, clock
from members.models import AuditEntry, Bounce, Member, Message
from staff import searching
from tests.house import House
from tests.staff.conftest import GRACE, TRACES

Desk = Callable[[str], Client]
ADDRESS = GRACE["email"]
LISTS = {
    model._meta.label_lower: reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    for model in admin.site._registry
}
# What each of them has of somebody who gives every month.
FOUND = {"members.member": 1, "members.message": 2, "members.bounce": 1, "reminders.reminder": 0}


def pages() -> list[str]:
    reports = ["/admin/reports/files/"]
    return [*LISTS.values(), "/admin/", "/admin/reports/", "/admin/login/", "/admin/second-factor/", *reports]


def hints(client: Client, response: object) -> list[str]:
    return [str(one) for one in get_messages(response.wsgi_request)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("written", [ADDRESS, quote(ADDRESS), ADDRESS.upper(), quote(quote(ADDRESS))])
def test_no_page_takes_an_address_in_its_url(
    grace: Member, desk_of: Desk, caplog: pytest.LogCaptureFixture, written: str
) -> None:
    boss = desk_of("superuser")
    caplog.set_level(logging.DEBUG)
    for page in pages():
        for query in (f"q={written}", f"p=0&next=/admin/?q={written}", f"email={written}"):
            response = boss.get(f"{page}?{query}")
            assert response.status_code == 302, page
            assert response.headers["Location"] in (page, f"{page}?p=0")
            assert hints(boss, response)[-1:] == [searching.HINT], page
    told = caplog.text.lower() + json.dumps(list(AuditEntry.objects.values_list("facts", "what", "subject")))
    assert not any(trace in told for trace in TRACES)


def test_the_hint_stands_on_the_page(grace: Member, desk_of: Desk) -> None:
    page = desk_of("viewer").get("/admin/donations/payment/", {"q": ADDRESS}, follow=True)
    assert searching.HINT in page.content.decode()
    assert page.request["QUERY_STRING"] == ""


@pytest.mark.real_sign_in
def test_the_page_for_signing_in_does_not_repeat_an_address(db: None) -> None:
    response = Client().get("/admin/members/member/", {"q": ADDRESS}, follow=True)
    for address, _ in response.redirect_chain:
        assert not any(trace in address.lower() for trace in TRACES)
    assert response.redirect_chain[-1][0].startswith("/admin/login/")


def test_an_address_in_the_path_leads_nowhere_and_is_not_written_down(grace: Member, desk_of: Desk) -> None:
    vera = desk_of("viewer")
    for page in ("donations/stripeevent", "members/member"):
        assert vera.get(f"/admin/{page}/{ADDRESS}/change/").status_code == 404
    assert not any(
        trace in str(entry.facts).lower() for entry in AuditEntry.objects.all() for trace in TRACES
    )


@pytest.mark.parametrize(("label", "count"), FOUND.items())
def test_lists_that_know_addresses_find_by_one_that_is_typed(
    house: House, grace: Member, desk_of: Desk, label: str, count: int
) -> None:
    for email in (ADDRESS, "ada@example.com"):
        bounces.note(email=email, kind=Bounce.Kind.HARD, source=Bounce.Source.STAFF, now=clock.now())
    house.give_and_pay(interval="month", amount=700, email="ada@example.com")
    Message.objects.filter(kind="second_charge").delete()
    vera, there = desk_of("viewer"), LISTS[label]
    assert len(vera.get(there).context["cl"].result_list) == 2 * count

    found = vera.post(there, {"q": f" {ADDRESS.upper()} "}, follow=True)
    rows = found.context["cl"].result_list
    assert len(rows) == count
    assert all(getattr(row, "member", grace) == grace for row in rows)
    assert not any(trace in found.request["QUERY_STRING"].lower() for trace in TRACES)
    shown = found.content.decode().lower()
    assert not any(trace in shown for trace in TRACES), "also not in the field that it was typed into"

    nobody = vera.post(there, {"q": "charlie@example.org"}, follow=True)
    assert list(nobody.context["cl"].result_list) == []
    not_one = vera.post(there, {"q": "gracelyn@"}, follow=True)
    assert "Enter an e-mail address such as name@example.org." in not_one.content.decode()


def test_other_lists_say_where_addresses_are_looked_for(grace: Member, desk_of: Desk) -> None:
    boss = desk_of("superuser")
    for label in set(LISTS) - set(FOUND):
        response = boss.post(LISTS[label], {"q": ADDRESS})
        assert (response.status_code, response.headers["Location"]) == (302, LISTS[label])
        assert hints(boss, response)[-1:] == [searching.HINT], label


def test_a_term_that_is_typed_keeps_the_filters(grace: Member, desk_of: Desk) -> None:
    vera = desk_of("viewer")
    page = vera.get("/admin/members/message/", {"state": "SENT"}).content.decode()
    form = page.split('id="changelist-search"')[1].split("</form>")[0]
    assert page.split('id="changelist-search"')[1].startswith(' method="post"')
    assert '<input type="hidden" name="state" value="SENT">' in form
    one = Message.objects.all()[0]
    typed = {"q": str(one.public_id), "state": "SENT", "csrfmiddlewaretoken": "x"}
    response = vera.post("/admin/members/message/", typed)
    assert response.headers["Location"] == f"/admin/members/message/?state=SENT&q={one.public_id}"


def test_whoever_may_not_see_a_list_does_not_search_it(grace: Member, desk_of: Desk) -> None:
    assert desk_of("editor").post("/admin/members/member/", {"q": ADDRESS}).status_code == 403
    assert not User.objects.get(username="editor").has_perm("members.view_member")


def test_a_form_of_another_site_searches_nothing(grace: Member, desk_of: Desk) -> None:
    desk_of("viewer")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="viewer"))
    assert strict.post("/admin/members/member/", {"q": ADDRESS}).status_code == 403
