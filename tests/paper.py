"""A page as a browser without JavaScript has it: its words, its links, and the form with what would be sent."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.test import Client


class Page(HTMLParser):
    """
    One page. `fields` holds what pressing the button sends; change it as a person would fill it in.

    Radios count when they are checked, and controls in a disabled fieldset do not count, as in a browser.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.radios: dict[str, list[str]] = {}
        self.links: list[str] = []
        self.metas: dict[str, str] = {}
        self.scripts: list[dict[str, str | None]] = []
        self.inline: list[str] = []
        self.labelled: set[str] = set()
        self.controls: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.language = ""
        self._disabled: list[bool] = []
        self._words: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    @property
    def text(self) -> str:
        """All words, one space between them."""
        return " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._open.append(tag)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if given.get("id"):
            self.ids.append(given["id"] or "")
        if tag == "html":
            self.language = given.get("lang") or ""
        elif tag == "fieldset":
            self._disabled.append("disabled" in given)
        elif tag == "a":
            self.links.append(given.get("href") or "")
        elif tag == "meta":
            self.metas[given.get("name") or given.get("http-equiv") or ""] = given.get("content") or ""
        elif tag == "script":
            self.scripts.append(given)
        elif tag == "style":
            self.inline.append("style")
        elif tag == "label":
            self.labelled.add(given.get("for") or "")
        elif tag == "input":
            self._control(given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "fieldset":
            self._disabled.pop()
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "script" not in self._open:
            self._words.append(data)

    def _control(self, given: dict[str, str | None]) -> None:
        self.controls.append(given)
        name, value = given.get("name") or "", given.get("value") or ""
        if any(self._disabled) or "disabled" in given:
            return
        if given.get("type") == "radio":
            self.radios.setdefault(name, []).append(value)
        if given.get("type") in ("radio", "checkbox") and "checked" not in given:
            return
        self.fields[name] = value


PAGE = "/support/support-us/"


def open_page(reader: Client, address: str = PAGE) -> Page:
    """Go there; the page, which must come."""
    response = reader.get(address)
    assert response.status_code == 200, response.content
    return Page(response.content.decode())


def send(reader: Client, page: Page, address: str = PAGE, **changes: str) -> Any:
    """Press Continue, after filling in what is named; the raw response."""
    return reader.post(address, {**page.fields, **changes})
