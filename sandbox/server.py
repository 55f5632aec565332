"""
The sandbox over HTTP: who may call, which call it is, and the answer with Stripe's headers.

``Sandbox`` is a WSGI application around one account; ``Running`` serves it on loopback from a thread, and
lets a test swap in a fresh one.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from sandbox import (
    agenda,
    control,
    control_calls,
    courier,
    faults,
    idempotency,
    modules,
    pages,
    params,
    persist,
    settings,
    webhooks,
)
from sandbox.account import API_VERSION, Account, Obj
from sandbox.errors import StripeError, invalid
from sandbox.routes import ROUTES, Route
from sandbox.serving import Server
from sandbox.wire import expanded

log = logging.getLogger("sandbox")

modules.load()
URLS = Map(
    [Rule(route.path, methods=[route.method], endpoint=route) for route in ROUTES], strict_slashes=False
)
PAGES = ("/c/pay/", "/p/session/", "/static/", "/3ds/", "/i/", "/r/", "/receipts/")


class Sandbox(control.Controls):
    """
    An offline Stripe: a WSGI application with one fresh account. What a script can do over ``/_sandbox/`` are
    methods here (see ``control.Controls``): pay, expire, advance, set_clock, settle, refund, dispute, books
    and more.

    Without ``webhook_url`` no webhook is sent by itself: they wait for ``take_webhooks``. ``settle_in`` names
    the currencies that the account has bank accounts for (all, if empty); money in others is converted into
    the first. ``public_url`` is where browsers find the sandbox; without it, wherever the request that asks
    came to. ``set_to`` are settings that differ from the usual ones (see ``settings.KNOWN``; raises
    ``StripeError`` for what cannot be).
    """

    def __init__(
        self,
        webhook_secret: str = "whsec_sandbox",  # noqa: S107 - a sandbox's
        *,
        webhook_url: str | None = None,
        settle_in: Iterable[str] = (),
        public_url: str | None = None,
        state: Path | None = None,
        system_time: Callable[[], float] = time.time,
        set_to: Obj | None = None,
    ) -> None:
        account = Account(system_time=system_time, settle_in=settle_in)
        listening = webhooks.Listening(secret=webhook_secret, url=webhook_url)
        super().__init__(account, listening, faults.Faults(), initial=set_to)
        self.public_url = public_url
        if public_url:
            account.public_url = public_url
        self.keeper = idempotency.Keeper(account)
        self.archive = persist.Archive(account, state) if state else None
        if set_to:
            settings.apply(account, set_to)

    @property
    def controls(self) -> control.Controls:
        """The powers alone, for whoever needs no more."""
        return self

    # HTTP

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        return self.answer(Request(environ))(environ, start_response)

    def answer(self, request: Request) -> Response:
        """The answer to any request: the API, the control routes, or a page."""
        if self.public_url is None:
            self.account.public_url = request.host_url.rstrip("/")
        if request.path.startswith("/v1/"):
            return self._api(request)
        if request.path.startswith("/_sandbox/") and not (
            request.path == "/_sandbox/" and request.method == "GET"
        ):
            return control_calls.respond(self, request)
        return pages.handle(self, request)

    def _api(self, request: Request) -> Response:
        request_id = self.account.new_id("request")
        headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION}
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        if key:
            headers["Idempotency-Key"] = key
        fault = self.faults.take(f"{request.method} {request.path}")
        kind = fault.kind if fault else None
        if fault and kind in faults.BEFORE:
            _break_off(fault)
        if kind == "unavailable":
            return Response("<html><h1>503 Service Unavailable</h1></html>", status=503, mimetype="text/html")
        try:
            if fault and kind in ("server_error", "rate_limit", "lock_timeout"):
                headers |= faults.headers(fault)
                raise faults.trouble(fault)
            broken = faults.trouble(fault) if fault and kind == "kept_error" else None
            status, body, replayed = self._answer_once(request, request_id, key, broken)
            if replayed:
                headers["Idempotent-Replayed"] = "true"
        except StripeError as error:
            status, body = error.status, json.dumps(error.body(request_id))
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            own = StripeError(500, "api_error", "The sandbox failed: see what it logged.")
            status, body = own.status, json.dumps(own.body(request_id))
        if fault and kind in faults.AFTER:
            _break_off(fault)
        if fault and kind == "slow":
            time.sleep(fault.seconds)
        return Response(body, status=status, headers=headers, content_type="application/json")

    def _answer_once(
        self, request: Request, request_id: str, key: str | None, broken: StripeError | None
    ) -> tuple[int, str, bool]:
        """Status, body, and whether they are a replay. A call that is ``broken`` does nothing but say so."""
        _authorise(request)
        route, ids = _match(request)
        sent = params.decode(request.query_string.decode())
        if request.method == "POST":
            sent |= params.decode(request.get_data().decode("utf-8", "replace"))

        def run() -> tuple[int, str]:
            if broken:
                return broken.status, json.dumps(broken.body(request_id))
            return self._run(route, ids, sent, request_id, key)

        if key is None:
            return *run(), False
        return self.keeper.once(key, f"{request.method} {request.path}", sent, run)

    def _run(self, route: Route, ids: Obj, sent: Obj, request_id: str, key: str | None) -> tuple[int, str]:
        """Carry a call out. Refusals are raised; a decline is an answer, because it happened."""
        with self.account.lock:
            agenda.play(self.account)
            self.account.request = (request_id, key)
            try:
                expand = _expand_paths(sent)
                given = {name: value for name, value in sent.items() if name != "expand"}
                given = params.read(given, route.fields, needed=route.needed)
                answer = route.handler(self.account, given, **ids)
                return 200, json.dumps(expanded(self.account, answer, expand))
            except StripeError as error:
                if error.type == "card_error":
                    return error.status, json.dumps(error.body(request_id))
                raise
            finally:
                if route.method != "GET":
                    agenda.play(self.account)
                    self.account.changes += 1
                self.account.request = (None, None)

    # What only tests need

    def take_webhooks(self) -> list[webhooks.Webhook]:
        """The webhooks that the built-in listener is owed, signed now; each is handed out once."""
        return courier.take(self.account, self.listening)

    def sign(self, body: bytes, *, secret: str | None = None, at: datetime | None = None) -> str:
        """
        A ``Stripe-Signature`` for any body, by default with the listener's secret and the sandbox's time.
        """
        moment = int(at.timestamp()) if at else self.account.now()
        return webhooks.signature(body, secret or self.listening.secret, moment)


def _break_off(fault: faults.Fault) -> NoReturn:
    """Keep the caller waiting as long as the fault does, then let the server end the connection."""
    time.sleep(fault.seconds)
    raise faults.WasReset if fault.kind.startswith("reset") else faults.HungUp


def _authorise(request: Request) -> None:
    """Only test keys, only our version. Raises 401 and 400."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Basic":
        try:
            value = base64.b64decode(value).decode().partition(":")[0]
        except ValueError:
            value = ""
    if not value:
        message = "You did not provide an API key. Send it as a bearer token in the Authorization header."
        raise StripeError(401, "invalid_request_error", message)
    if not value.startswith(("sk_test_", "rk_test_")):
        message = f"Invalid API Key provided: {value[:8]}***. The sandbox takes test keys (sk_test_...) only."
        raise StripeError(401, "invalid_request_error", message)
    version = request.headers.get("Stripe-Version", API_VERSION)
    if version != API_VERSION:
        raise invalid(f"Invalid Stripe API version: {version}. The sandbox speaks {API_VERSION} only.")


def _match(request: Request) -> tuple[Route, Obj]:
    try:
        route, ids = URLS.bind("sandbox").match(request.path, request.method)
    except HTTPException:
        message = f"Unrecognized request URL ({request.method}: {request.path})."
        raise invalid(message, status=404) from None
    return route, dict(ids)


def _expand_paths(sent: Obj) -> list[str]:
    paths = sent.get("expand") or []
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise invalid("Invalid array", param="expand")
    return paths


class Running:
    """
    A server on loopback in a thread, as a context manager: ``url`` is its address, ``use`` swaps the sandbox
    that answers. Webhooks for sandboxes with a ``webhook_url`` (or endpoints made through the API) go out by
    themselves.
    """

    def __init__(self, sandbox: Sandbox | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.sandbox = sandbox or Sandbox()
        self.server = Server(host, port, self._answer)
        self.url = f"http://{host}:{self.server.port}"
        self.courier = courier.Courier(lambda: (self.sandbox.account, self.sandbox.listening))
        self._thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True, name="sandbox"
        )

    def _answer(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        answer = self.sandbox(environ, start_response)
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            self.courier.wake()  # whatever changes anything may owe a webhook, or let time pass
        return answer

    def use(self, sandbox: Sandbox) -> Sandbox:
        """Let this sandbox answer from now on, and return it."""
        self.sandbox = sandbox
        sandbox.account.public_url = sandbox.public_url or self.url
        return sandbox

    def __enter__(self) -> Running:
        self.use(self.sandbox)
        self._thread.start()
        self.courier.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.courier.stop()
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()
