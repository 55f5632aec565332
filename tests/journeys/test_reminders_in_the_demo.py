"""A reminder as a person sees it in the demo: asked for on the page, the clock moved, a mail in the mailbox."""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

from config import demo
from tests.journeys.test_demo import call, give
from tests.paper import Page
from tests.waiting import until

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]


class Browser:
    """A browser without scripts, with its cookies."""

    def __init__(self) -> None:
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def open(self, address: str, fields: dict[str, str] | None = None) -> tuple[str, Page]:
        """Go there, or send a form there; where that led, and the page."""
        sent = None if fields is None else urllib.parse.urlencode(fields).encode()
        request = urllib.request.Request(address, sent, {"Referer": address})
        with self._opener.open(request, timeout=30) as answer:
            return answer.url, Page(answer.read().decode())


def mails(house: demo.House, kind: str) -> list[Path]:
    return sorted((house.data_dir / "mail").glob(f"*-{kind}-*.eml"))


def sends(house: demo.House) -> dict[str, tuple[str, ...]]:
    """What became of each mail that was planned, by the moment at which it was decided."""
    told = house.manage(
        "shell", "-v", "0", "-c",
        "import json; from reminders.models import ReminderSend as S; "
        "print(json.dumps([(f'{s.decided_at} {s.pk}', (s.state, s.reason, s.conversion)) for s in S.objects.all()]))",
    )  # fmt: skip
    return {moment: tuple(found) for moment, found in json.loads(told)}


def read(path: Path) -> EmailMessage:
    with path.open("rb") as file:
        found: Any = BytesParser(policy=policy.default).parse(file)
        return found


def test_a_reminder_asked_for_on_the_page_is_in_the_mailbox_once_its_day_has_come(tmp_path: Path) -> None:
    said: list[str] = []
    house = demo.House(0, 0, tmp_path / "data", say=lambda _name, line: said.append(line))
    house.start()
    try:
        today = datetime.fromisoformat(call(f"{house.sandbox_url}/_sandbox/clock")["now"])
        day = (today + timedelta(days=40)).date()
        address = f"{house.url}/support/support-us/"
        chosen = {"interval": "month", "amount_USD_month": "500", "remind_by": "email", "remind": "on_day"}
        for email in ("charlie@example.org", "ada@example.org"):
            reader = Browser()
            _, page = reader.open(address)
            filled = {**page.fields, **chosen, "remind_day": day.isoformat(), "remind_email": email}
            _, told = reader.open(address, filled)
            assert "One e-mail on" in told.text
        give(house, email="ada@example.org")  # and so wants to be reminded no more

        call(f"{house.sandbox_url}/_sandbox/clock", {"to": f"{day}T10:30:00Z"})
        until(lambda: mails(house, "reminder"), what="the reminder")

        # Both were due at once and are decided in one batch: there is no mail for Ada to wait for.
        [path] = mails(house, "reminder")
        mail = read(path)
        assert mail["To"] == "charlie@example.org"
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        body = mail.get_body(("plain",))
        assert body is not None
        text = body.get_content()
        assert "$5.00 each month" in text
        _, mailbox = Browser().open(f"{house.url}/dev/mailbox/")
        assert any(path.name in link or path.stem in link for link in mailbox.links)

        links = re.findall(r"http://\S+", text)
        _, page = Browser().open(next(link for link in links if "/support/support-us/" in link))
        assert (page.fields["interval"], page.fields["amount_USD_month"]) == ("month", "500")
        give(house, interval="month", amount=500, source={"reminder": page.fields["reminder"]})
        until(lambda: ("SENT", "", "DIRECT") in sends(house).values(), what="the gift to be counted")
        told = sends(house)
        assert sorted(told.values()) == [("SENT", "", "DIRECT"), ("SUPPRESSED", "given", "")]
        assert all(decided >= f"{day} 10:00" for decided in told), "not before ten in the morning"

        stop = next(link for link in links if link.endswith("/stop/"))
        _, page = Browser().open(stop)
        assert "Stop this reminder?" in page.text
        _, page = Browser().open(stop, {"act": "yes"})
        assert "This reminder is stopped" in page.text
    finally:
        house.stop()
    assert not [line for line in said if "Traceback" in line]
