"""
The sandbox's pages for people: which address shows which page.

They are plain forms that are posted and answered with a redirect; there is no script anywhere. What a page shows is
put together in ``contents``, how it reads in ``showing``, how it looks in ``templates`` and ``static``. Whatever a
person does here goes through the functions that also answer the API and ``/_sandbox/``.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from sandbox import agenda, pages_checkout, pages_control, pages_portal
from sandbox.errors import StripeError
from sandbox.rendering import message

if TYPE_CHECKING:
    from sandbox.server import Sandbox

STATIC = Path(__file__).parent / "static"

View = Callable[..., Response]


def _rule(path: str, view: View, *methods: str) -> Rule:
    return Rule(path, endpoint=view, methods=methods or ("GET", "POST"))


PATHS = Map(
    [
        _rule("/", pages_control.control),
        _rule("/_sandbox/", pages_control.control, "GET"),
        _rule("/c/pay/<id>", pages_checkout.checkout_page),
        _rule("/i/<id>", pages_checkout.invoice_page),
        _rule("/i/<id>/pdf", pages_checkout.invoice_page, "GET"),
        _rule("/3ds/<id>", pages_checkout.challenge_page),
        _rule("/r/<id>", pages_checkout.recover, "GET"),
        _rule("/receipts/<id>", pages_checkout.receipt, "GET"),
        _rule("/p/session/<id>", pages_portal.portal),
    ]
)


def handle(sandbox: Sandbox, request: Request) -> Response:
    """
    Answer a request for a page. A form from a page of another origin is refused with 403; an address without a page
    is 404; what Stripe would refuse is a page with Stripe's status and sentence.
    """
    if request.method == "POST" and _is_foreign(sandbox, request):
        text = "This form was sent by a page of another site."
        return message("Not from here", text, status=403)
    if request.path.startswith("/static/"):
        return _static(request)
    try:
        found: tuple[View, Mapping[str, str]] = PATHS.bind("sandbox").match(request.path, request.method)
    except HTTPException as problem:
        text = "No page of the sandbox has this address."
        return message("Nothing here", text, status=problem.code or 404)
    view, ids = found
    account = sandbox.account
    with account.lock:
        agenda.play(account)
        try:
            return view(sandbox, request, **ids)
        except StripeError as error:
            return message("This did not work", error.message, status=error.status)
        finally:
            if request.method == "POST":
                agenda.play(account)
                account.changes += 1


def _is_foreign(sandbox: Sandbox, request: Request) -> bool:
    """Whether a browser says that a form was posted from a page of another origin. Programs say nothing."""
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    # Behind a forwarded port the browser knows us under the public address, and Host may say something else.
    ours = {request.host, urlsplit(sandbox.account.public_url).netloc}
    return urlsplit(origin).netloc not in ours


def _static(request: Request) -> Response:
    """A file that lies directly in ``static``; no path leads out of it, because none leads anywhere."""
    files = {file.name: file for file in STATIC.iterdir()}
    file = files.get(request.path.removeprefix("/static/"))
    if file is None:
        return message("Nothing here", "There is no such file.", status=404)
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return Response(file.read_bytes(), mimetype=kind, headers={"Cache-Control": "no-cache"})
