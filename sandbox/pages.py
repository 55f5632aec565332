"""
The pages that a person sees in a browser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from sandbox.server import Sandbox


def handle(sandbox: Sandbox, request: Request) -> Response:
    """The page at this address: for now known by the id that it ends in."""
    return Response(request.path.rsplit("/", 1)[-1], content_type="text/plain; charset=utf-8")
