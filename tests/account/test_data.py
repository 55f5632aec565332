"""On the pages and through the API a reader has all of their data, and is erased; nobody else's is ever there."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from donations.models import Subscription
from members import clock, data_rights, outbox
from members.models import DataRequest, Member
from tests.account.conftest import ADA, GRACE, sign_in
from tests.house import House
from tests.rights.conftest import settle, where_told

Browser = Callable[[str], Client]


def answer() -> None:
    data_rights.answer_waiting(now=clock.now())


def names_in(content: bytes) -> set[str]:
    return set(zipfile.ZipFile(io.BytesIO(content)).namelist())


def test_a_reader_gathers_and_fetches_everything(givers: House, browser_of: Browser) -> None:
    ada = browser_of(ADA)
    assert "Gather my data" in ada.get("/account/data/").content.decode()
    assert ada.post("/account/data/").headers["Location"] == "/account/data/"
    assert "We are gathering it" in ada.get("/account/data/").content.decode()
    answer()

    [wish] = DataRequest.objects.all()
    path = f"/account/data/files/{wish.public_id}/"
    assert path in ada.get("/account/data/").content.decode()
    got = ada.get(path)
    assert got.status_code == 200
    assert got.headers["Cache-Control"] == "no-store"
    assert got.headers["Content-Disposition"].startswith('attachment; filename="my-data-')
    assert "payments.csv" in names_in(got.content)


def test_the_page_leads_there(givers: House, browser_of: Browser) -> None:
    assert 'href="/account/data/"' in browser_of(ADA).get("/account/personal/").content.decode()


def test_nobody_elses_file_is_there(givers: House, browser_of: Browser, program_of: Any) -> None:
    browser_of(ADA).post("/account/data/")
    answer()
    [wish] = DataRequest.objects.all()

    for path in (f"/account/data/files/{wish.public_id}/", f"/account/data/files/{uuid4()}/"):
        assert browser_of(GRACE).get(path).status_code == 404
        assert Client().get(path).status_code == 303, "to sign in"
    for path in (f"/api/v1/me/data/{wish.public_id}/", f"/api/v1/me/data/{uuid4()}/"):
        assert program_of(GRACE).get(path).status_code == 404
        assert Client().get(path).status_code == 401


def test_an_erasure_wants_to_be_meant(givers: House, browser_of: Browser) -> None:
    ada = browser_of(ADA)
    assert "cannot be undone" in ada.get("/account/data/erase/").content.decode()
    assert not DataRequest.objects.exists(), "a look changes nothing"
    refused = ada.post("/account/data/erase/", {})
    assert (refused.status_code, DataRequest.objects.exists()) == (400, False)
    assert "Please tick the box" in refused.content.decode()


def test_a_reader_is_erased_and_signed_out(givers: House, browser_of: Browser) -> None:
    ada = browser_of(ADA)
    assert ada.post("/account/data/erase/", {"understood": "1"}).headers["Location"] == "/account/data/"
    assert "We are erasing everything" in ada.get("/account/data/").content.decode()
    settle(givers, DataRequest.objects.get())

    assert ada.get("/account/data/").headers["Location"] == "/account/sign-in/?next=data"
    assert where_told("ada@", "ada sample") == set()
    assert Member.objects.exclude(email=b"").get().email == GRACE


def test_who_gives_regularly_is_told_and_can_end_that_too(givers: House, browser_of: Browser) -> None:
    grace = browser_of(GRACE)
    assert "stop_giving" in grace.get("/account/data/erase/").content.decode()
    refused = grace.post("/account/data/erase/", {"understood": "1"})
    assert refused.status_code == 409
    assert "Stop your contribution first" in refused.content.decode()

    grace.post("/account/data/erase/", {"understood": "1", "stop_giving": "1"})
    settle(givers, DataRequest.objects.get())

    assert Subscription.objects.get().state == "CANCELLED"
    assert where_told("grace@", "grace sample") == set()


def test_the_api_gathers_and_hands_out(givers: House, program_of: Any) -> None:
    ada = program_of(ADA)
    assert ada.get("/api/v1/me/data/").json() == {"downloads": []}
    asked = ada.post("/api/v1/me/data/")
    assert (asked.status_code, asked.json()["state"], asked.json()["file_url"]) == (202, "asked", None)
    answer()

    [there] = ada.get("/api/v1/me/data/").json()["downloads"]
    assert there["state"] == "done"
    got = ada.get(there["file_url"])
    assert got.headers["Content-Type"] == "application/zip"
    told = json.loads(zipfile.ZipFile(io.BytesIO(got.content)).read("everything.json"))
    assert told["person"][0]["email"] == ADA


def test_the_api_refuses_and_erases(givers: House, program_of: Any) -> None:
    grace = program_of(GRACE)

    def post(body: dict[str, Any]) -> Any:
        return grace.post("/api/v1/me/erase/", body, content_type="application/json")

    standing = grace.get("/api/v1/me/erase/").json()
    assert (standing["state"], standing["objection"]["code"]) == ("none", "still_giving")
    assert post({"confirm": False}).status_code == 400
    assert post({}).json()["error"]["fields"]["confirm"][0]["code"] == "required"
    refused = post({"confirm": True})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "still_giving")
    taken = post({"confirm": True, "stop_giving": True})
    assert (taken.status_code, taken.json()["state"]) == (202, "asked")
    settle(givers, DataRequest.objects.get())

    gone = grace.get("/api/v1/me/")
    assert (gone.status_code, gone.json()["error"]["code"]) == (401, "token_invalid")


def test_another_site_cannot_ask_with_a_readers_cookie(givers: House) -> None:
    ada = sign_in(Client(enforce_csrf_checks=False), ADA)
    ada.handler.enforce_csrf_checks = True
    assert ada.post("/account/data/").status_code == 403
    assert ada.post("/account/data/erase/", {"understood": "1"}).status_code == 403
    body = {"confirm": True}
    assert ada.post("/api/v1/me/erase/", body, content_type="application/json").status_code == 403
    assert not DataRequest.objects.exists()


def test_a_link_in_a_mail_that_was_not_opened_signs_nobody_in_afterwards(
    givers: House, browser_of: Browser
) -> None:
    from tests.account.conftest import link_in_mail

    stranger = Client()
    stranger.post("/account/sign-in/", {"email": ADA})
    path = link_in_mail()
    browser_of(ADA).post("/account/data/erase/", {"understood": "1"})
    outbox.deliver_due(now=clock.now())
    answer()

    assert stranger.post(path).status_code == 404


@pytest.mark.parametrize("path", ["/account/data/", "/account/data/erase/"])
def test_the_pages_are_in_russian_too(givers: House, browser_of: Browser, path: str) -> None:
    page = browser_of(ADA).get(f"{path}?lang=ru").content.decode()
    assert "Назад" in page or "Собрать" in page
    for english in ("Your data", "Erase me", "cannot be undone"):
        assert english not in page
