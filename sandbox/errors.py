"""
The errors that Stripe answers with, as exceptions that know their own body and status.
"""

from __future__ import annotations

from typing import Any

API_DOCS = "https://docs.stripe.com/error-codes/"


class StripeError(Exception):
    """An answer that is not 2xx: an HTTP status and Stripe's ``{"error": {...}}`` body."""

    def __init__(self, status: int, type: str, message: str, code: str | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.code = code
        self.message = message
        self.more = {key: value for key, value in more.items() if value is not None}

    def body(self, request_id: str | None = None) -> dict[str, Any]:
        """The JSON body, with the address under which Stripe's dashboard would show the request."""
        error: dict[str, Any] = {"type": self.type, "message": self.message, **self.more}
        if self.code:
            error |= {"code": self.code, "doc_url": API_DOCS + self.code.replace("_", "-")}
        if request_id:
            error["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
        return {"error": error}


def invalid(
    message: str, *, param: str | None = None, code: str | None = None, status: int = 400
) -> StripeError:
    """The caller asked for something that cannot be (``invalid_request_error``)."""
    return StripeError(status, "invalid_request_error", message, code, param=param)


def missing(kind: str, id: str, *, param: str | None = None) -> StripeError:
    """
    Nothing has this id. Stripe answers 404 when the id stands in the path and 400 when it stands in a
    parameter; ``param`` tells the two apart.
    """
    name = kind.rsplit(".", 1)[-1]
    status = 400 if param else 404
    return invalid(f"No such {name}: '{id}'", param=param or "id", code="resource_missing", status=status)


def declined(message: str, code: str, decline_code: str | None = None, **more: Any) -> StripeError:
    """A card (or bank account) said no (402 ``card_error``)."""
    return StripeError(402, "card_error", message, code, decline_code=decline_code, **more)
