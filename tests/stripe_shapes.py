"""
The SDK's annotations as plain shapes, resolved one level at a time.

The SDK describes parameters as TypedDicts and resources as classes with annotations, partly as text and
partly with names that are imported only for type checkers. `fields_of(cls)` reads one such class. Nested
classes stay closed until somebody asks for their fields: a charge knows some eighty payment methods, and a
test meets one or two.

Since SDK 16 each enumeration is declared open, `Union[Literal[...], str]`, so that a newer API does not
break older programs. Here it is closed again: a value that the SDK does not list is more likely our mistake
than news.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import types
import typing
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar, ForwardRef, Literal, TypeAlias, Union, get_args, get_origin

import typing_extensions
from stripe._list_object import ListObject
from stripe._request_options import RequestOptions
from stripe._stripe_object import StripeObject, UntypedStripeObject

Kind: TypeAlias = Literal["str", "int", "float", "decimal", "bool"]


@dataclass(frozen=True, slots=True)
class Anything:
    """No claim at all."""


@dataclass(frozen=True, slots=True)
class Null:
    """JSON's null; it cannot be said in a form."""


@dataclass(frozen=True, slots=True)
class Scalar:
    kind: Kind


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the listed values."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    item: Shape


@dataclass(frozen=True, slots=True)
class MapOf:
    """Free keys, as in `metadata`."""

    item: Shape


@dataclass(frozen=True, slots=True)
class Record:
    """The keys of an SDK class that is no resource of its own, or of a TypedDict."""

    cls: type


@dataclass(frozen=True, slots=True)
class Resource:
    """A Stripe object, known by the value of its `object`."""

    name: str


@dataclass(frozen=True, slots=True)
class Page:
    """A Stripe list of such items."""

    item: Shape


@dataclass(frozen=True, slots=True)
class Either:
    options: tuple[Shape, ...]


Shape: TypeAlias = Anything | Null | Scalar | Choice | ListOf | MapOf | Record | Resource | Page | Either


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a class: what may stand there, and whether the SDK promises that it is there."""

    shape: Shape
    required: bool


_SCALARS: dict[Any, Shape] = {
    str: Scalar("str"),
    int: Scalar("int"),
    float: Scalar("float"),
    bool: Scalar("bool"),
    Decimal: Scalar("decimal"),  # text in JSON and on the wire alike
    type(None): Null(),
    Any: Anything(),
    object: Anything(),
}
_MARKERS = (typing.Required, typing.NotRequired, typing_extensions.Required, typing_extensions.NotRequired)
_NOT_REQUIRED = (typing.NotRequired, typing_extensions.NotRequired)


@cache
def fields_of(cls: type) -> dict[str, Field]:
    """
    The keys of a parameters TypedDict or resource class, under their names on the wire.

    A parameter is required unless it is marked NotRequired; a resource's key unless it is Optional (which
    may mean null or absent: the SDK does not say). The SDK's per-request options, which are no parameters,
    are left out.
    """
    found: dict[str, Field] = {}
    is_params = _is_typed_dict(cls)
    options = RequestOptions.__annotations__.keys() if is_params and _takes_options(cls) else ()
    renamed: dict[str, str] = getattr(cls, "_field_remappings", {})
    for name, annotation in cls.__annotations__.items():
        resolved = _resolve(annotation, cls.__module__)
        if name in options or get_origin(resolved) is ClassVar:
            continue
        shape = shape_of(resolved, cls.__module__)
        if is_params:
            required = get_origin(resolved) not in _NOT_REQUIRED
        else:
            required = not (
                isinstance(shape, Anything) or (isinstance(shape, Either) and Null() in shape.options)
            )
        found[renamed.get(name, name)] = Field(shape, required)
    return found


def shape_of(annotation: Any, module: str) -> Shape:
    """The shape behind an annotation found in `module`. TypeError for a kind that the SDK never used."""
    annotation = _resolve(annotation, module)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in _MARKERS:
        return shape_of(args[0], module)
    if origin in (Union, types.UnionType):
        return _union([_resolve(arg, module) for arg in args], module)
    if origin is Literal:
        return Choice(args)
    if origin is list:
        return ListOf(shape_of(args[0], module))
    if origin is dict:
        return MapOf(shape_of(args[1], module))
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    cls = origin or annotation
    if inspect.isclass(cls) and issubclass(cls, StripeObject):
        return _stripe_object(cls, args, module)
    if _is_typed_dict(cls):
        return Record(cls)
    if inspect.isclass(cls):
        return Anything()  # an open file, for an upload
    raise TypeError(f"{module} uses {annotation!r}, which has no shape yet")


def describe(shape: Shape) -> str:
    """A shape in a few words, for a message."""
    match shape:
        case Scalar(kind):
            return kind
        case Choice(values):
            return "one of " + ", ".join(map(repr, values)) if len(values) > 1 else repr(values[0])
        case ListOf() | Page():
            return "a list"
        case Resource(name):
            return f"a {name}"
        case Record(cls):
            return f"an object ({cls.__name__})"
        case MapOf():
            return "an object"
        case Null():
            return "null"
        case Either(options):
            return " or ".join(describe(option) for option in options)
        case Anything():
            return "anything"


def _union(members: list[Any], module: str) -> Shape:
    values = [value for member in members if get_origin(member) is Literal for value in get_args(member)]
    if any(isinstance(value, str) and value for value in values):
        members = [member for member in members if member is not str]  # close the open enumeration
    options = tuple(shape_of(member, module) for member in members)
    return options[0] if len(options) == 1 else Either(options)


def _stripe_object(cls: type[StripeObject], args: tuple[Any, ...], module: str) -> Shape:
    if issubclass(cls, UntypedStripeObject):
        return MapOf(shape_of(args[0], module) if args else Anything())
    if issubclass(cls, ListObject):
        return Page(shape_of(args[0], module))
    name = vars(cls).get("OBJECT_NAME")
    return Resource(name) if name else Record(cls)


def _is_typed_dict(cls: Any) -> bool:
    return typing.is_typeddict(cls) or typing_extensions.is_typeddict(cls)


def _takes_options(cls: type) -> bool:
    return cls.__annotations__.keys() >= RequestOptions.__annotations__.keys()


def _resolve(annotation: Any, module: str) -> Any:
    while isinstance(annotation, str | ForwardRef):
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        annotation = _evaluate(text, module)
    return annotation


@cache
def _evaluate(text: str, module: str) -> Any:
    return eval(text, vars(importlib.import_module(module)), names_for_type_checkers(module))  # noqa: S307 (the SDK's own text)


class _Names(dict[str, Any]):
    """Names of one module, each imported when it is first asked for."""

    def __init__(self, sources: dict[str, tuple[str, str]]) -> None:
        super().__init__()
        self._sources = sources

    def __missing__(self, name: str) -> Any:
        module, attribute = self._sources[name]
        self[name] = getattr(importlib.import_module(module), attribute)
        return self[name]


@cache
def names_for_type_checkers(module: str) -> dict[str, Any]:
    """What a module imports under `if TYPE_CHECKING:`, which at run time it lacks."""
    sources: dict[str, tuple[str, str]] = {}
    for node in ast.parse(inspect.getsource(importlib.import_module(module))).body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for line in node.body:
                if isinstance(line, ast.ImportFrom) and line.module:
                    sources |= {each.asname or each.name: (line.module, each.name) for each in line.names}
    return _Names(sources)
