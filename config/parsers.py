"""Reading request bodies: strictly, and refusing early what would only fail later."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import APIException, UnsupportedMediaType
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

MAX_BODY = 64 * 1024  # bytes; the longest honest request is a few hundred
MAX_DEPTH = 16
MAX_KEYS = 200


class BodyRefused(APIException):
    """400: the body is not JSON that we take."""

    status_code = 400
    default_code = "malformed_json"
    default_detail = "Send one JSON object, encoded in UTF-8."


class TooLarge(APIException):
    """413: more than any honest request holds."""

    status_code = 413
    default_code = "too_large"
    default_detail = f"The body is larger than {MAX_BODY} bytes."


class StrictJSONParser(BaseParser):
    """
    JSON, read without goodwill.

    Python's parser accepts duplicate keys (the last wins), NaN, lone surrogates and NUL characters; a
    duplicate `amount` that two readers of one request understand differently is how money goes wrong.

    Raises BodyRefused (400), UnsupportedMediaType (415) or TooLarge (413).
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        request: Request | None = (parser_context or {}).get("request")
        if request is not None:
            refuse_odd_media(
                request.headers.get("Content-Type", ""), request.headers.get("Content-Encoding", "")
            )
        body = stream.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            raise TooLarge
        return read_json(body)


def refuse_odd_media(content_type: str, content_encoding: str) -> None:
    """Raise UnsupportedMediaType for another charset than UTF-8, or a compressed body."""
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]*)", content_type, re.IGNORECASE)
    if charset and charset[1].lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("", detail="Send JSON in UTF-8.")
    if content_encoding.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType("", detail="Send the body uncompressed.")


def read_json(body: bytes) -> Any:
    """What the body says. Raises BodyRefused with a code that names what is wrong with it."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BodyRefused("The body is not UTF-8.", code="malformed_encoding") from error
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BodyRefused from error
    _refuse_strange(value, depth=0)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BodyRefused("A key stands twice in the body.", code="duplicate_key")
    if len(found) > MAX_KEYS:
        raise BodyRefused("The body has too many keys.")
    return found


def _refuse_constant(_name: str) -> Any:
    raise ValueError("NaN and Infinity are not JSON")


def _refuse_strange(value: Any, *, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BodyRefused("The body is nested too deeply.")
    if isinstance(value, str):
        if "\0" in value or any(0xD800 <= ord(character) <= 0xDFFF for character in value):
            raise BodyRefused("A text holds a character that is no text.", code="malformed_text")
    elif isinstance(value, list):
        for item in value:
            _refuse_strange(item, depth=depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_strange(key, depth=depth + 1)
            _refuse_strange(item, depth=depth + 1)


class AlwaysJSON(BaseContentNegotiation):
    """We answer in JSON whatever the Accept header dreams of; a reader's gift must not fail on a header."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        wanted = (request.content_type or "").split(";")[0].strip().lower()
        for parser in parsers:
            if parser.media_type == wanted:
                return parser  # type: ignore[no-any-return]  # the list comes untyped from DRF
        return None

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type
