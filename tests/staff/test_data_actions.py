"""A reader asks by letter for their data, or to be erased; staff start it and see nothing of it."""

from __future__ import annotations

from collections.abc import Callable

from django.test import Client

from members import clock, data_rights
from members.models import AuditEntry, DataRequest, Member
from tests.house import House
from tests.rights.conftest import settle
from tests.staff.test_actions import log, press, said

Desk = Callable[[str], Client]


def test_staff_have_a_readers_data_gathered_and_cannot_open_it(
    house: House, grace: Member, desk_of: Desk
) -> None:
    answer = press(desk_of("support"), "gather-data", grace)
    assert "nobody else can open it" in said(answer)
    data_rights.answer_waiting(now=clock.now())

    request = DataRequest.objects.get()
    assert (request.kind, request.state) == ("DOWNLOAD", "DONE")
    assert request.asked_by.startswith("staff:")
    page = desk_of("support").get(f"/admin/members/datarequest/{request.pk}/change/")
    assert page.status_code == 200
    assert "archive" not in page.content.decode()
    assert log()[-3:] == [
        ("ASKED", "gather-data"),
        ("DONE", "gather-data"),
        ("EXPORTED", "everything about a reader"),
    ]


def test_what_a_reader_asked_about_their_data_stands_in_the_story(grace: Member, desk_of: Desk) -> None:
    data_rights.ask_download(grace, now=clock.now())
    page = desk_of("viewer").get(f"/admin/person/{grace.pk}/")
    line = next(entry for entry in page.context["person"].story if entry.title.startswith("Asked for"))
    assert (line.title, line.who, line.detail) == (
        "Asked for: everything about me",
        "the reader",
        "Asked for",
    )
    assert line.link == f"/admin/members/datarequest/{DataRequest.objects.get().pk}/change/"
    assert line.title in page.content.decode()


def test_staff_erase_a_reader_who_wrote(house: House, grace: Member, desk_of: Desk) -> None:
    sam = desk_of("support")
    refused = press(sam, "erase-reader", grace, understood="on")
    assert "gives regularly" in refused.content.decode()
    assert not DataRequest.objects.exists()
    answer = press(sam, "erase-reader", grace, understood="on", stop_giving="on")
    assert "is being erased" in said(answer)

    settle(house, DataRequest.objects.get())

    done = AuditEntry.objects.get(what="erase a reader")
    assert done.actor.startswith("staff:")
    page = sam.get(f"/admin/person/{grace.pk}/").content.decode()
    assert "Erased on" in page
    assert "Gather their data" not in page
    assert "Grace wrote to us" not in page, "what staff wrote about them is gone as well"


def test_a_box_has_to_be_ticked(grace: Member, desk_of: Desk) -> None:
    press(desk_of("support"), "erase-reader", grace, stop_giving="on")
    assert not DataRequest.objects.exists()


def test_nobody_is_erased_twice(house: House, grace: Member, desk_of: Desk) -> None:
    settle(house, data_rights.ask_erasure(grace, stop_giving=True, now=clock.now()))
    for slug in ("erase-reader", "gather-data"):
        answer = press(desk_of("support"), slug, grace, understood="on")
        assert "erased" in answer.content.decode()
    assert DataRequest.objects.count() == 1
