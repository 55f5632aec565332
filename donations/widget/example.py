"""
The article of a made-up newspaper with the widget in it, as a paper would use it; a development page.

Open it at another origin than Sustainer's (the demo: `localhost` instead of `127.0.0.1`), and its calls cross
origins as they will at the newspaper. Its policy is the strictest that a newspaper can have.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

# How the widget can stand in an article: what the page says about it, and the tag's attributes.
WAYS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "inline": ("In the article", {"campaign": "support-us"}),
    "bar": ("A bar at the foot", {"campaign": "support-us", "variant": "bar"}),
    "modal": ("A window on top", {"campaign": "support-us", "variant": "modal"}),
    "button": ("One button", {"campaign": "support-us", "variant": "button"}),
    "russian": ("In Russian", {"campaign": "podderzhite-nas", "locale": "ru"}),
    "dark": ("Dark", {"campaign": "support-us", "theme": "dark"}),
    "quiet": ("Hard news, no ask", {"campaign": "support-us", "quiet": ""}),
}

_POLICY = (
    "default-src 'none'; script-src {base}; connect-src {base}; style-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


@require_safe
def article(request: HttpRequest, way: str = "inline") -> HttpResponse:
    """The article, with the widget in one of the ways above."""
    if way not in WAYS:
        raise Http404
    base = settings.PUBLIC_BASE_URL
    shown = {
        "base": base,
        "way": way,
        "attributes": WAYS[way][1],
        "ways": [(name, words) for name, (words, _) in WAYS.items()],
    }
    response = render(request, "article/article.html", shown)
    response["Content-Security-Policy"] = _POLICY.format(base=base)
    return response


app_name = "article"
urlpatterns = [path("", article, name="inline"), path("<slug:way>/", article, name="way")]
