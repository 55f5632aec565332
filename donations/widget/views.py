"""Where browsers fetch the widget: at an address that stays, and at one that names what it answers with."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.views.decorators.http import require_safe

from donations.widget import script
from donations.widget.script import Script

FRESH = 300  # seconds for which a browser does not ask again
_STABLE = f"public, max-age={FRESH}, stale-while-revalidate=86400, stale-if-error=604800"
_FOR_EVER = "public, max-age=31536000, immutable"


@require_safe
def stable(request: HttpRequest) -> HttpResponse:
    """The newest widget. An upgrade reaches readers within minutes; the old one bridges an outage of ours."""
    return _answer(request, script.current(), _STABLE)


@require_safe
def pinned(request: HttpRequest, short_hash: str) -> HttpResponse:
    """The widget with exactly this content, for pages that name its integrity."""
    found = script.find(short_hash)
    if found is None:
        raise Http404
    return _answer(request, found, _FOR_EVER)


def _answer(request: HttpRequest, found: Script, cache_control: str) -> HttpResponse:
    is_zipped = "gzip" in request.headers.get("Accept-Encoding", "")
    etag = f'"{found.short_hash}{"-gzip" if is_zipped else ""}"'
    response = HttpResponse(
        script.zipped(found) if is_zipped else found.body, content_type="text/javascript; charset=utf-8"
    )
    if is_zipped:
        response["Content-Encoding"] = "gzip"
    patch_vary_headers(response, ["Accept-Encoding"])
    response["ETag"] = etag
    response["Cache-Control"] = cache_control
    # It is for every page, holds nothing of anybody, and is fetched without cookies: `crossorigin` and
    # `integrity` need the one header, pages that isolate themselves (COEP) the other.
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer = get_conditional_response(request, etag=etag, response=response)
    assert isinstance(answer, HttpResponse), "our own response or a 304"
    return answer
