"""What an appeal's text may do, and what it may not (a page that readers trust with money)."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donations import formatting


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("One.\n\nTwo.", ["One.", "Two."]),
        ("We *will* go on.", ["We <em>will</em> go on."]),
        ("Мы *не замолчим*.", ["Мы <em>не замолчим</em>."]),
        ("2 * 3 * 4, a*b*c and **", ["2 * 3 * 4, a*b*c and **"]),
        ("[Read](https://example.org/)", ['<a href="https://example.org/" rel="noopener">Read</a>']),
        (
            "[*Read*](https://example.org/)",
            ['<a href="https://example.org/" rel="noopener"><em>Read</em></a>'],
        ),
        ("[x](javascript:alert(1))", ["[x](javascript:alert(1))"]),
        ("[x](JaVaScRiPt:alert)", ["[x](JaVaScRiPt:alert)"]),
        ("[x](data:text/html,hi)", ["[x](data:text/html,hi)"]),
        ("[x](//example.org)", ["[x](//example.org)"]),
        ("[x](https:example.org)", ["[x](https:example.org)"]),
        ("<script>alert(1)</script>", ["&lt;script&gt;alert(1)&lt;/script&gt;"]),
        ('[x](https://example.org/"onclick="x)', None),
        ("*<img src=x onerror=y>*", ["<em>&lt;img src=x onerror=y&gt;</em>"]),
    ],
)
def test_a_text_becomes_paragraphs_emphasis_and_links(text: str, html: list[str] | None) -> None:
    found = formatting.to_html(text)
    if html is not None:
        assert found == html
    assert "onclick=" not in "".join(found).replace("&quot;onclick=", "")


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


@given(
    text=st.lists(
        st.sampled_from([*"*[]()<>\"'&: \n/", "https://", "javascript:", "a.b", "onload=x", "<em>"])
    ).map("".join)
)
def test_whatever_is_typed_only_emphasis_and_links_to_the_web_come_out(text: str) -> None:
    page = _Elements()
    page.feed("".join(formatting.to_html(text)))
    for tag, attributes in page.found:
        assert tag in ("em", "a")
        names = dict(attributes)
        assert set(names) == ({"href", "rel"} if tag == "a" else set())
        assert tag == "em" or str(names["href"]).startswith(("http://", "https://"))


def test_the_api_has_plain_text() -> None:
    assert formatting.to_plain("We *will*.\n\n[Why](https://example.org/a)") == [
        "We will.",
        "Why (https://example.org/a)",
    ]
    assert formatting.to_plain("<b> & [x](javascript:y)") == ["<b> & [x](javascript:y)"]
