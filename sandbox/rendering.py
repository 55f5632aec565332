"""
How a page becomes a response: templates, headers, redirects.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from sandbox.account import Obj

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # "no-referrer" would make browsers say "Origin: null" with our own forms
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def page(template: str, status: int = 200, **values: Any) -> Response:
    """The page that a template makes of these values."""
    text = TEMPLATES.get_template(template).render(**values)
    return Response(text, status, HEADERS, mimetype="text/html")


def message(heading: str, text: str, *, status: int = 200, link: Obj | None = None) -> Response:
    """A page that only says something; ``link`` (url, text) leads on."""
    return page("message.html", status, heading=heading, text=text, link=link)


def go(url: str) -> Response:
    """Send the browser on after a form, so that reloading does not send it again (303)."""
    response = Response.force_type(redirect(url, 303))
    response.headers.update(HEADERS)
    return response
