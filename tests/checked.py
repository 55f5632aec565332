"""A sandbox that also judges: whatever we send, and whatever it says, must have the shapes that the SDK declares."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox import params
from sandbox.server import Sandbox
from tests.stripe_contract import check_answer, check_request


class CheckedSandbox(Sandbox):
    """Keeps a list of `problems`; the fixture that made it lets the test fail if there are any."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.problems: list[str] = []
        self.calls: list[str] = []

    def answer(self, request: Request) -> Response:
        response = super().answer(request)
        if request.path.startswith("/v1/"):
            self.calls.append(f"{request.method} {request.path}")
            sent = params.decode(request.query_string.decode())
            if request.method == "POST":
                sent |= params.decode(request.get_data(as_text=True))
            self.problems += check_request(request.method, request.path, sent)
            if response.status_code < 500 and response.is_json:
                self.problems += check_answer(json.loads(response.get_data(as_text=True)))
        return response

    def take_webhooks(self) -> list[Any]:
        webhooks = super().take_webhooks()
        for webhook in webhooks:
            self.problems += check_answer(json.loads(webhook.body))
        return webhooks
