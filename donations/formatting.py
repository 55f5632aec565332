"""
The few things that an appeal's text may do: paragraphs, *emphasis*, and [links](https://example.org).

One function for each way out: HTML for our pages, plain text for the API. Everything that is none of these is text, and
stands on the page as it was typed; there is no way to HTML of one's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

_PARAGRAPHS = re.compile(r"\n\s*\n")
# A link's text and address hold no brackets; emphasis begins and ends at a word, so that 2 * 3 * 4 is arithmetic.
_MARKED = re.compile(
    r"\[(?P<text>[^\[\]\n]{1,200})\]\((?P<url>[^()\s]{1,500})\)"
    r"|(?<![\w*])\*(?P<em>[^\s*](?:[^*\n]{0,500}[^\s*])?)\*(?![\w*])"
)


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a text in which an empty line begins a new one, as they were typed."""
    return [part.strip() for part in _PARAGRAPHS.split(text.replace("\r\n", "\n")) if part.strip()]


def to_html(text: str) -> list[SafeString]:
    """
    Each paragraph as HTML that is safe to show.

    >>> to_html("We *will* go on: [see](https://example.org/?a=1&b=2)")
    ['We <em>will</em> go on: <a href="https://example.org/?a=1&amp;b=2" rel="noopener">see</a>']
    >>> to_html("<b>[x](javascript:alert)</b>")
    ['&lt;b&gt;[x](javascript:alert)&lt;/b&gt;']
    """
    return [_made(part, escape, _link, _emphasis) for part in paragraphs(text)]


def to_plain(text: str) -> list[str]:
    """
    Each paragraph as plain text.

    >>> to_plain("We *will* go on: [see](https://example.org/)")
    ['We will go on: see (https://example.org/)']
    """
    return [
        _join(part, str, lambda label, url: f"{_join(label, str, None, str)} ({url})", str)
        for part in paragraphs(text)
    ]


def bad_links(text: str) -> list[str]:
    """The addresses of links that lead nowhere we would send a reader: they would stand there as text."""
    return [match["url"] for match in _MARKED.finditer(text) if match["url"] and not _is_web(match["url"])]


def _made(
    part: str, plain: Callable[[str], str], link: Callable[[str, str], str], emphasis: Callable[[str], str]
) -> SafeString:
    return mark_safe(_join(part, plain, link, emphasis))  # noqa: S308  # each piece is escaped by what makes it


def _join(
    part: str,
    plain: Callable[[str], str],
    link: Callable[[str, str], str] | None,
    emphasis: Callable[[str], str],
) -> str:
    found, end = [], 0
    for match in _MARKED.finditer(part):
        if match["url"] and (link is None or not _is_web(match["url"])):
            continue
        found.append(plain(part[end : match.start()]))
        found.append(link(match["text"], match["url"]) if match["url"] and link else emphasis(match["em"]))
        end = match.end()
    return "".join([*found, plain(part[end:])])


def _link(text: str, url: str) -> str:
    label = _made(text, escape, lambda inner, _: escape(inner), _emphasis)
    return format_html('<a href="{}" rel="noopener">{}</a>', url, label)


def _emphasis(text: str) -> str:
    return format_html("<em>{}</em>", text)


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https") and bool(parts.hostname) and "\\" not in url and url.isprintable()
    )
