"""
What a call may say: a small language in which each route writes down its parameters.

Stripe's wire format is a form: ``line_items[0][price_data][currency]=eur``. Everything in it is text, ``""``
means "unset", and a name that the call does not know is an error. A reader from this module turns the decoded
form into typed values and raises Stripe's own error (400, with ``param``) for what does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol
from urllib.parse import parse_qsl

from sandbox.errors import invalid


class Kind(Protocol):
    """Something that can turn the text at ``path`` into a value, or raise ``StripeError``."""

    def read(self, value: Any, path: str) -> Any: ...


Fields = Mapping[str, Kind]


def decode(body: str) -> dict[str, Any]:
    """``a[b][0][c]=v`` as nested dicts and lists of text. ``a[]=v`` appends."""
    root: dict[str, Any] = {}
    for key, value in parse_qsl(body, keep_blank_values=True):
        steps = re.split(r"\]?\[", key[:-1] if key.endswith("]") else key)
        here = root
        for step in steps[:-1]:
            inner = here.setdefault(step, {})
            if not isinstance(inner, dict):
                raise invalid(f"Invalid object at '{key}'", param=steps[0])
            here = inner
        last = steps[-1] if steps[-1] else str(len(here))
        here[last] = value
    return {key: _lists(value) for key, value in root.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _lists(inner) for key, inner in value.items()}


@dataclass(frozen=True)
class Text:
    """Text of at most ``longest`` characters, optionally matching ``pattern``."""

    longest: int = 5000
    pattern: str = ""

    def read(self, value: Any, path: str) -> str:
        if not isinstance(value, str):
            raise invalid(f"Invalid string: {value!r}", param=path)
        if len(value) > self.longest:
            message = f"Invalid string: must be at most {self.longest} characters"
            raise invalid(message, param=path, code="parameter_invalid_string_length")
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise invalid(f"Invalid string: {value!r} has characters that are not allowed here", param=path)
        return value


@dataclass(frozen=True)
class Whole:
    """A whole number, not below ``least``."""

    least: int | None = None

    def read(self, value: Any, path: str) -> int:
        if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,30}", value):
            raise invalid(f"Invalid integer: {value}", param=path, code="parameter_invalid_integer")
        number = int(value)
        if self.least is not None and number < self.least:
            message = f"This value must be greater than or equal to {self.least}."
            raise invalid(message, param=path, code="parameter_invalid_integer")
        return number


@dataclass(frozen=True)
class Exact:
    """A decimal number, as the exact ``Decimal`` that was written."""

    def read(self, value: Any, path: str) -> Decimal:
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            raise invalid(f"Invalid decimal: {value}", param=path) from None
        if not number.is_finite():
            raise invalid(f"Invalid decimal: {value}", param=path)
        return number


@dataclass(frozen=True)
class Flag:
    """``true`` or ``false``."""

    def read(self, value: Any, path: str) -> bool:
        if value not in ("true", "false"):
            raise invalid(f"Invalid boolean: {value}", param=path)
        return bool(value == "true")


@dataclass(frozen=True)
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    def __init__(self, *words: str) -> None:
        object.__setattr__(self, "words", words)

    def read(self, value: Any, path: str) -> str:
        if value not in self.words:
            leaf = path.rsplit("[", 1)[-1].rstrip("]")
            raise invalid(f"Invalid {leaf}: must be one of {', '.join(self.words)}", param=path)
        return str(value)


@dataclass(frozen=True)
class Url:
    """An absolute http or https address, or an app link with a scheme of its own."""

    def read(self, value: Any, path: str) -> str:
        text = Text().read(value, path)
        if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s]+", text):
            message = "Not a valid URL: it needs an explicit scheme such as https."
            raise invalid(message, param=path, code="url_invalid")
        return text


@dataclass(frozen=True)
class Email:
    """An address that looks like one."""

    def read(self, value: Any, path: str) -> str:
        text = Text(800).read(value, path)
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", text):
            raise invalid(f"Invalid email address: {text}", param=path, code="email_invalid")
        return text


@dataclass(frozen=True)
class Metadata:
    """At most 50 keys of 40 characters with values of 500; an empty value removes the key."""

    def read(self, value: Any, path: str) -> dict[str, str]:
        if isinstance(value, list):  # {"0": ...} looks like a list on the wire
            value = {str(number): inner for number, inner in enumerate(value)}
        if not isinstance(value, dict):
            raise invalid("Invalid object", param=path)
        if len(value) > 50:
            raise invalid("Metadata can have at most 50 keys.", param=path)
        for key, text in value.items():
            if not isinstance(text, str):
                raise invalid("Metadata values must be strings.", param=f"{path}[{key}]")
            if len(key) > 40 or not key:
                raise invalid("Metadata keys must have 1 to 40 characters.", param=path)
            if len(text) > 500:
                raise invalid("Metadata values can have at most 500 characters.", param=f"{path}[{key}]")
        return dict(value)


@dataclass(frozen=True)
class Group:
    """An object with fields of its own; those in ``needed`` must be there."""

    fields: Fields
    needed: tuple[str, ...] = ()

    def read(self, value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise invalid("Invalid object", param=path)
        return read(value, self.fields, needed=self.needed, prefix=path)


@dataclass(frozen=True)
class Many:
    """A list."""

    of: Kind = field(default_factory=Text)
    most: int = 100

    def read(self, value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise invalid("Invalid array", param=path)
        if len(value) > self.most:
            raise invalid(f"Array must have at most {self.most} elements.", param=path)
        return [self.of.read(inner, f"{path}[{number}]") for number, inner in enumerate(value)]


@dataclass(frozen=True)
class Either:
    """The first of several kinds that fits the form: an object, a list, or text."""

    group: Kind
    plain: Kind

    def read(self, value: Any, path: str) -> Any:
        return (self.group if isinstance(value, dict | list) else self.plain).read(value, path)


@dataclass(frozen=True)
class Address:
    """A postal address: country, city, lines, postcode, state."""

    def read(self, value: Any, path: str) -> dict[str, Any]:
        keys = ("city", "country", "line1", "line2", "postal_code", "state")
        given = Group({key: Text() for key in keys}).read(value, path)
        return {key: given.get(key) for key in keys}


CREATED = Either(Group({key: Whole() for key in ("gt", "gte", "lt", "lte")}), Whole())
"""A filter by time: a moment, or a range with gt, gte, lt and lte (unix seconds)."""

PAGE: Fields = {"limit": Whole(1), "starting_after": Text(), "ending_before": Text()}
"""What every list takes."""


def read(
    given: Mapping[str, Any], fields: Fields, *, needed: tuple[str, ...] = (), prefix: str = ""
) -> dict[str, Any]:
    """
    The parameters of a call as typed values. ``""`` (Stripe's "unset") becomes ``None``; what was not sent is
    absent. Raises ``StripeError`` 400: ``parameter_unknown``, ``parameter_missing``, or the kind's own.
    """
    values: dict[str, Any] = {}
    for key, value in given.items():
        path = f"{prefix}[{key}]" if prefix else key
        if key == "payment_method_types":
            raise invalid(
                "payment_method_types can no longer be sent. Use allowed_payment_method_types instead.",
                param=path,
                code="payment_method_types_no_longer_supported",
            )
        if key not in fields:
            raise invalid(f"Received unknown parameter: {path}", param=path, code="parameter_unknown")
        values[key] = None if value == "" else fields[key].read(value, path)
    for key in needed:
        if values.get(key) is None:
            path = f"{prefix}[{key}]" if prefix else key
            raise invalid(f"Missing required param: {path}.", param=path, code="parameter_missing")
    return values
