"""
What Stripe would accept and answer, judged by the shapes that the installed SDK declares.

The sandbox is only worth something while it speaks as Stripe does. These two functions look at every request
that we send to it and at everything that it answers, so that a key which drifts fails the build:

* `check_request(method, path, form)`: the endpoint exists, and the SDK's parameters class for it knows every
  key, requires no more, and allows each value. The endpoint is found in the SDK's own service classes.
* `check_answer(obj)`: every Stripe object in an answer or event, at any depth, against its SDK class. Which
  keys must be there even when they are null, `stripe_required_keys.json` says (see
  `derive_required_keys.py`).

Both return problems as sentences; an empty list means that nothing is wrong. Annotations are resolved when a
value first needs them and remembered, so the first check of a resource costs some milliseconds and later
ones well under one.

Not judged, because types do not know them: rules between keys (`mode` and `line_items`), amounts and limits,
whether an id exists. The sandbox itself has to answer those as Stripe does, and its own tests look at that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stripe._error_object import ErrorObject
from stripe._object_classes import OBJECT_CLASSES, get_object_class

from tests import stripe_shapes as shapes
from tests.stripe_endpoints import find_endpoint
from tests.stripe_shapes import Shape

_TABLE: dict[str, Any] = json.loads(
    Path(__file__).with_name("stripe_required_keys.json").read_text(encoding="utf-8")
)
_REQUIRED: dict[str, dict[str, list[str]]] = _TABLE["required"]
_ONLY_WHEN_EXPANDED: dict[str, list[str]] = _TABLE["only_when_expanded"]

# An upcoming invoice is a forecast: it has no identity and no pages yet.
_ABSENT_FROM_UPCOMING_INVOICES = frozenset({"id", "auto_advance", "hosted_invoice_url", "invoice_pdf"})

# The four that Stripe's description lists; the SDK says only `str`.
_ERROR_TYPES = ("api_error", "card_error", "idempotency_error", "invalid_request_error")

# An event is named after its resource, with these exceptions (the longest fitting beginning wins).
_EVENT_RESOURCES = {
    "charge.dispute": "dispute",
    "charge.refund": "refund",
    "customer.discount": "discount",
    "customer.source": "source",
    "customer.subscription": "subscription",
    "customer.tax_id": "tax_id",
}


def check_request(method: str, path: str, form: Mapping[str, Any]) -> list[str]:
    """
    What Stripe would not understand in a request; empty if all is well.

    `path` starts with `/v1/`. `form` holds the decoded body, or the decoded query of a GET or DELETE, in
    either form: nested (`{"metadata": {"a": "1"}}`, lists as lists or as mappings from digits) or flat
    (`{"metadata[a]": "1"}`). Scalars may be text, as on the wire, or already numbers and booleans; keys and
    enumerations are judged strictly.
    """
    endpoint = find_endpoint(method, path)
    if endpoint is None:
        return [f"{method.upper()} {path}: the SDK knows no such endpoint"]
    body = unflatten(form.items()) if any("[" in key for key in form) else form
    if endpoint.params is None:
        return [f"{key}: {method.upper()} {endpoint.template} takes no parameters" for key in body]
    return list(_Judge(wire=True).record(body, endpoint.params, _Place("", "")))


def check_answer(obj: Any) -> list[str]:
    """
    What Stripe would not say in an answer: a resource, a list, a deleted stub, an error body or an event.

    `obj` is decoded JSON. Nested objects are judged too, also the one inside an event's `data`, where a key
    that Stripe adds only when asked to expand it is a problem of its own.
    """
    judge = _Judge(wire=False)
    if isinstance(obj, Mapping) and "error" in obj and "object" not in obj:
        return list(judge.error(obj))
    return list(judge.resource(obj, _Place("$", "")))


def unflatten(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """`a[b][0][c]=v`, as the SDK posts it, nested; `a[]=v` counts up. Lists stay mappings from digits."""
    root: dict[str, Any] = {}
    for key, value in pairs:
        *parents, last = key.replace("]", "").split("[")
        here = root
        for parent in parents:
            here = here.setdefault(parent or str(len(here)), {})
        here[last or str(len(here))] = value
    return root


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value stands: as a message shows it, and as the table of required keys names it."""

    shown: str
    resource: str
    path: str = ""

    def key(self, key: str) -> _Place:
        shown = f"{self.shown}.{key}" if self.shown else key
        return _Place(shown, self.resource, f"{self.path}.{key}" if self.path else key)

    def at(self, index: int) -> _Place:
        return _Place(f"{self.shown}[{index}]", self.resource, self.path)

    def inside(self, resource: str) -> _Place:
        return _Place(self.shown, resource)


class _Judge:
    """Compares values with shapes: form text if `wire`, decoded JSON otherwise."""

    def __init__(self, *, wire: bool, snapshot: bool = False) -> None:
        self.wire = wire
        self.snapshot = snapshot  # inside an event, where nothing is ever expanded

    # Values of any shape

    def value(self, value: Any, shape: Shape, place: _Place) -> Iterator[str]:
        """Problems of one value, deeper ones included."""
        match shape:
            case shapes.Anything():
                return
            case shapes.Either(options):
                yield from self._either(value, options, place)
            case shapes.ListOf(item):
                items = self._as_list(value)
                if items is None:
                    yield self._unexpected(value, shape, place)
                    return
                for index, each in enumerate(items):
                    yield from self.value(each, item, place.at(index))
            case shapes.MapOf(item) if isinstance(value, Mapping):
                for key, each in value.items():
                    yield from self.value(each, item, place.key(str(key)))
            case shapes.Record(cls) if isinstance(value, Mapping):
                yield from self.record(value, cls, place)
            case shapes.Page(item) if isinstance(value, Mapping) and value.get("object") == "list":
                yield from self._page(value, item, place)
            case shapes.Resource(name) if isinstance(value, Mapping) and value.get("object") == name:
                yield from self.resource(value, place)
            case shapes.Null() if value is None and not self.wire:
                return
            case shapes.Choice(values) if self._is_one_of(value, values):
                return
            case shapes.Scalar(kind) if self._is_a(value, kind):
                return
            case _:
                yield self._unexpected(value, shape, place)

    def record(self, value: Mapping[str, Any], cls: type, place: _Place) -> Iterator[str]:
        """Problems of the mapping that stands for an instance of `cls`: its keys and their values."""
        fields = shapes.fields_of(cls)
        for key, each in value.items():
            if key in fields:
                yield from self.value(each, fields[key].shape, place.key(key))
            else:
                yield f"{place.key(str(key)).shown}: {cls.__name__} has no such key"
        demanded = {key for key, field in fields.items() if field.required}
        if not self.wire:
            demanded |= required_by_table(place.resource, place.path) & fields.keys()
        for key in sorted(demanded - value.keys()):
            yield f"{place.key(key).shown}: is required but missing"

    def _either(self, value: Any, options: tuple[Shape, ...], place: _Place) -> Iterator[str]:
        fitting = [option for option in options if self._may_be(value, option)]
        if not fitting:
            yield self._unexpected(value, shapes.Either(options), place)
            return
        # The nearest option explains best what is wrong.
        yield from min((list(self.value(value, option, place)) for option in fitting), key=len)

    def _may_be(self, value: Any, shape: Shape) -> bool:
        """Whether the value is of the kind that the shape asks for, be it right within or not."""
        match shape:
            case shapes.Record() | shapes.MapOf():
                return isinstance(value, Mapping)
            case shapes.Resource(name):
                return isinstance(value, Mapping) and value.get("object") == name
            case shapes.ListOf():
                return self._as_list(value) is not None
            case _:
                return not any(True for _ in self.value(value, shape, _Place("", "")))

    # Resources

    def resource(self, value: Any, place: _Place) -> Iterator[str]:
        """Problems of something that must be a Stripe object and say so by its `object`."""
        name = value.get("object") if isinstance(value, Mapping) else None
        if not isinstance(name, str):
            yield f"{place.shown}: expected a Stripe object with an `object`, got {_short(value)}"
        elif name in ("list", "search_result"):
            yield from self._page(value, None, place)
        elif name not in OBJECT_CLASSES:
            yield f"{place.shown}: the SDK knows no object {name!r}"
        elif value.get("deleted") is True:
            if surplus := sorted(value.keys() - {"id", "object", "deleted"}):
                yield f"{place.shown}: a deleted {name} has only its id, not {', '.join(surplus)}"
            if not isinstance(value.get("id"), str):
                yield f"{place.key('id').shown}: is required but missing"
        else:
            yield from self._living(value, name, place.inside(name))

    def _living(self, value: Mapping[str, Any], name: str, place: _Place) -> Iterator[str]:
        yield from self.record(value, get_object_class("V1", name), place)
        if self.snapshot:
            for key in sorted(value.keys() & set(_ONLY_WHEN_EXPANDED.get(name, ()))):
                yield f"{place.key(key).shown}: is there only when expanded, never in an event"
        if name == "event":
            yield from self._event(value, place)

    def _page(self, value: Mapping[str, Any], item: Shape | None, place: _Place) -> Iterator[str]:
        keys = {"object", "data", "has_more", "url"}
        allowed = keys | ({"next_page", "total_count"} if value["object"] == "search_result" else set())
        for key in sorted(keys - value.keys()):
            yield f"{place.key(key).shown}: is required but missing"
        for key in sorted(value.keys() - allowed):
            yield f"{place.key(key).shown}: a {value['object']} has no such key"
        if not isinstance(value.get("has_more", False), bool):
            yield f"{place.key('has_more').shown}: expected bool, got {_short(value['has_more'])}"
        if not isinstance(value.get("url", ""), str):
            yield f"{place.key('url').shown}: expected str, got {_short(value['url'])}"
        data = value.get("data", [])
        if not isinstance(data, list):
            yield f"{place.key('data').shown}: expected a list, got {_short(data)}"
            return
        for index, each in enumerate(data):
            here = place.key("data").at(index)
            yield from self.resource(each, here) if item is None else self.value(each, item, here)

    def _event(self, event: Mapping[str, Any], place: _Place) -> Iterator[str]:
        """The snapshot inside an event, which its class leaves untyped."""
        kind, data = event.get("type"), event.get("data")
        if not isinstance(kind, str) or not isinstance(data, Mapping):
            return  # said already
        snapshot, here = data.get("object"), place.key("data").key("object")
        inner = _Judge(wire=False, snapshot=True)
        expected = _resource_of_event(kind)
        if isinstance(snapshot, Mapping) and expected != snapshot.get("object"):
            yield f"{here.key('object').shown}: {kind} tells of a {expected}, not a {snapshot.get('object')}"
        elif kind == "invoice.upcoming" and isinstance(snapshot, Mapping):
            for key in sorted(_ABSENT_FROM_UPCOMING_INVOICES & snapshot.keys()):
                yield f"{here.key(key).shown}: an upcoming invoice has none"
            missing = {
                f"{here.key(key).shown}: is required but missing" for key in _ABSENT_FROM_UPCOMING_INVOICES
            }
            yield from (problem for problem in inner.resource(snapshot, here) if problem not in missing)
        else:
            yield from inner.resource(snapshot, here)
        before = data.get("previous_attributes")
        if isinstance(before, Mapping) and isinstance(snapshot, Mapping):
            there = place.key("data").key("previous_attributes")
            yield from (
                f"{there.key(key).shown}: is no key of the object"
                for key in sorted(before.keys() - snapshot.keys())
            )

    def error(self, body: Mapping[str, Any]) -> Iterator[str]:
        """Problems of an error body, `{"error": {...}}`."""
        error = body["error"]
        if not isinstance(error, Mapping):
            yield f"$.error: expected an object, got {_short(error)}"
            return
        for key in sorted(body.keys() - {"error"}):
            yield f"$.{key}: an error body holds only `error`"
        yield from self.record(error, ErrorObject, _Place("$.error", "error"))
        if "type" in error and error["type"] not in _ERROR_TYPES:
            yield f"$.error.type: {_short(error['type'])} is none of {', '.join(_ERROR_TYPES)}"

    # Scalars

    def _as_list(self, value: Any) -> list[Any] | None:
        if isinstance(value, list | tuple):
            return list(value)
        if self.wire and isinstance(value, Mapping) and value and all(str(key).isdecimal() for key in value):
            return [value[key] for key in sorted(value, key=int)]
        return None

    def _is_one_of(self, value: Any, values: tuple[Any, ...]) -> bool:
        if any(value == one and type(value) is type(one) for one in values):
            return True
        return self.wire and isinstance(value, str) and value in {_as_wire(one) for one in values}

    def _is_a(self, value: Any, kind: shapes.Kind) -> bool:
        if self.wire and isinstance(value, str):
            return bool(_WIRE_PATTERNS[kind].fullmatch(value))
        if kind == "decimal":
            return isinstance(value, str) and bool(_WIRE_PATTERNS[kind].fullmatch(value))
        if kind == "float":
            return type(value) in (int, float)
        return type(value).__name__ == kind

    @staticmethod
    def _unexpected(value: Any, shape: Shape, place: _Place) -> str:
        return f"{place.shown}: expected {shapes.describe(shape)}, got {_short(value)}"


_WIRE_PATTERNS: dict[shapes.Kind, re.Pattern[str]] = {
    "str": re.compile(r".*", re.DOTALL),
    "int": re.compile(r"-?\d+"),
    "float": re.compile(r"-?\d+(\.\d+)?"),
    "decimal": re.compile(r"-?\d+(\.\d+)?"),
    "bool": re.compile(r"true|false"),
}


def _as_wire(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@cache
def required_by_table(resource: str, path: str) -> frozenset[str]:
    return frozenset(_REQUIRED.get(resource, {}).get(path, ()))


def _resource_of_event(kind: str) -> str:
    """`charge.dispute.created` tells of a dispute, `invoice.paid` of an invoice."""
    about = kind.rpartition(".")[0]
    return _EVENT_RESOURCES.get(about, about)
