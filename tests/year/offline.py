"""The offline Stripe as the year sees it: its API, its controls and its pages, over HTTP and in no other way."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

Obj = dict[str, Any]

_KEY = base64.b64encode(b"sk_test_sandbox:").decode()
_PATIENCE = 120  # seconds; moving the clock by days carries out all that happens in them


class Refused(Exception):
    """An answer other than 2xx; `status`, and `code` of Stripe's error."""

    def __init__(self, call: str, status: int, body: bytes) -> None:
        super().__init__(f"{call}: {status} {body[:300]!r}")
        self.status = status
        try:
            self.code = str(json.loads(body)["error"].get("code"))
        except (ValueError, KeyError, TypeError, AttributeError):
            self.code = ""


def call(
    method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes, str]:
    """One request without following redirects: status, body and Location."""
    parts = urlsplit(url)
    link = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        link.request(method, target, body=body, headers=headers or {})
        answer = link.getresponse()
        return answer.status, answer.read(), answer.headers.get("Location") or ""
    finally:
        link.close()


def json_call(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    """JSON there and back. Raises Refused."""
    data = None if body is None else json.dumps(body).encode()
    status, answer, _ = call(method, url, data, {"Content-Type": "application/json", **(headers or {})})
    if not 200 <= status < 300:
        raise Refused(f"{method} {url}", status, answer)
    return json.loads(answer)


class Stripe:
    """The account at the offline Stripe."""

    def __init__(self, url: str) -> None:
        self.url = url

    def control(self, path: str, **body: Any) -> Any:
        """Use a power that Stripe has no call for (docs/sandbox.md). Raises Refused."""
        return json_call("POST", f"{self.url}/_sandbox/{path}", body)

    def look(self, path: str) -> Any:
        """Ask one of the controls."""
        return json_call("GET", f"{self.url}/_sandbox/{path}")

    def api(self, method: str, path: str, **form: Any) -> Any:
        """Call the API as a program would, form-encoded. Raises Refused."""
        data = urlencode(form).encode() if form and method != "GET" else None
        url = f"{self.url}/v1/{path}" + (f"?{urlencode(form)}" if form and method == "GET" else "")
        headers = {"Authorization": f"Basic {_KEY}", "Content-Type": "application/x-www-form-urlencoded"}
        status, answer, _ = call(method, url, data, headers)
        if not 200 <= status < 300:
            raise Refused(f"{method} {path}", status, answer)
        return json.loads(answer)

    def all(self, kind: str, **wanted: Any) -> Iterator[Obj]:
        """Every object of a list, page by page, newest first."""
        after: dict[str, Any] = {}
        while True:
            page = self.api("GET", kind, limit=100, **wanted, **after)
            yield from page["data"]
            if not page["has_more"]:
                return
            after = {"starting_after": page["data"][-1]["id"]}

    def submit(self, url: str, **form: str) -> str:
        """Press a button of one of Stripe's pages, as a browser would. Returns where it leads. Raises Refused."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        status, answer, location = call("POST", url, urlencode(form).encode(), headers)
        if status not in (200, 302, 303):
            raise Refused(f"POST {url}", status, answer)
        return location
