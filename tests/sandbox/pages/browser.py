"""
A browser without scripts, as small as the sandbox's pages allow: it reads a page, fills in a form and presses a button.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from werkzeug.test import Client, TestResponse

VOID = {"meta", "link", "input", "br"}


@dataclass
class Form:
    """A form as it stands on the page: where it goes, what is filled in, and its buttons by their text."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass
class Page(HTMLParser):
    """What a person (or a screen reader) finds on a page."""

    source: str
    title: str = ""
    forms: list[Form] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    headings: list[tuple[str, str]] = field(default_factory=list)
    controls: list[dict[str, str | None]] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    alerts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._words: list[str] = []
        self.feed(self.source)

    def __contains__(self, words: str) -> bool:
        return words in self.text

    @property
    def text(self) -> str:
        """All words on the page, in one line."""
        return " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.forms.append(Form(given.get("action") or ""))
        if tag in ("input", "select", "button"):
            self.controls.append({"tag": tag, **given})
        if tag == "input" and self.forms:
            skipped = given.get("type") == "radio" and "checked" not in given
            if not skipped:
                self.forms[-1].values[given["name"] or ""] = given.get("value") or ""
        if tag == "option" and self.forms:
            name = next(each for tag, each, _ in reversed(self._open) if tag == "select")["name"] or ""
            if "selected" in given or name not in self.forms[-1].values:
                self.forms[-1].values[name] = given.get("value") or ""
        if tag == "label":
            self.labels.add(given.get("for") or "")
        if tag not in VOID:
            self._open.append((tag, given, []))

    def handle_data(self, data: str) -> None:
        for tag, _, words in self._open:
            if tag == "head":
                continue
            words.append(data)
        if not any(tag == "head" for tag, _, _ in self._open):
            self._words.append(data)
        elif self._open[-1][0] == "title":
            self.title = data

    def handle_endtag(self, tag: str) -> None:
        name, given, words = self._open.pop()
        assert name == tag, f"<{name}> is closed by </{tag}>"
        text = " ".join(" ".join(words).split())
        if tag == "a":
            self.links[text] = given.get("href") or ""
        elif tag == "button":
            self.forms[-1].buttons[text] = (given.get("name") or "", given.get("value") or "")
        elif tag in ("h1", "h2", "h3"):
            self.headings.append((tag, text))
        if given.get("role") in ("alert", "status"):
            self.alerts.append(text)


class Browser:
    """Visits pages of a WSGI application; ``left_for`` is where it was sent outside of it."""

    def __init__(self, application: Any) -> None:
        self.client = Client(application)
        self.base = "http://localhost"
        self.left_for: str | None = None

    def visit(self, url: str) -> Page:
        """Open an address, following redirects inside of the application."""
        return self._arrive(self.client.get(self._path(url)), url)

    def press(self, button: str, **filled: str) -> Page:
        """Fill in the form that has this button (the first whose text starts so), and press it."""
        for form in self.page.forms:
            for text, (name, value) in form.buttons.items():
                if text.startswith(button):
                    sent = {**form.values, **filled, name: value}
                    unknown = filled.keys() - form.values.keys()
                    assert not unknown, f"the form has no {unknown}"
                    target = urljoin(self.url, form.action)
                    headers = {"Origin": self.base}
                    answer = self.client.post(self._path(target), data=sent, headers=headers)
                    return self._arrive(answer, target)
        raise AssertionError(f"no button {button!r} on: {self.page.text}")

    def follow(self, link: str) -> Page:
        """Follow the first link whose text starts so."""
        target = next(href for text, href in self.page.links.items() if text.startswith(link))
        return self.visit(urljoin(self.url, target))

    def _path(self, url: str) -> str:
        parts = urlsplit(url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    def _arrive(self, answer: TestResponse, url: str) -> Page:
        self.url = urljoin(self.base, url)
        self.status = answer.status_code
        if answer.status_code == 303:
            target = urljoin(self.url, answer.headers["Location"])
            if urlsplit(target).netloc == urlsplit(self.base).netloc:
                return self.visit(target)
            self.left_for = target
        self.page = Page(answer.get_data(as_text=True))
        return self.page
