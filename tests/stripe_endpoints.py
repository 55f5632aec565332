"""
Which endpoint of Stripe takes which parameters, read from the SDK's own service classes.

A service method says all three in its source: the HTTP method, the path and, in its signature, the
parameters class:

    def retrieve(self, session, /, params: Optional["SessionRetrieveParams"] = None, ...) -> "Session":
        return cast("Session", self._request("get", "/v1/checkout/sessions/{session}".format(...), ...))
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import stripe

from tests.stripe_shapes import names_for_type_checkers

_PACKAGE = Path(stripe.__file__).parent


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call of the SDK: `params` is the TypedDict of its parameters, None if it takes none."""

    method: str
    template: str
    params: type | None

    def fits(self, method: str, path: str) -> bool:
        """Whether a request to `path` is this call; a placeholder stands for one segment."""
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(self.template))
        return method.upper() == self.method and re.fullmatch(pattern, path) is not None


@cache
def find_endpoint(method: str, path: str) -> Endpoint | None:
    """The call of the SDK that sends `method` to `path` (it starts with `/v1/`), or None."""
    section = "/".join(path.split("/")[:3])
    fitting = [endpoint for endpoint in _endpoints(section) if endpoint.fits(method, path)]
    # `/v1/invoices/search` is also a possible `/v1/invoices/{invoice}`: the one with fewer placeholders is
    # meant.
    return min(fitting, key=lambda endpoint: endpoint.template.count("{"), default=None)


@cache
def _endpoints(section: str) -> tuple[Endpoint, ...]:
    """All calls below `section`, e.g. `/v1/checkout`. Only the files that mention it are parsed."""
    found: list[Endpoint] = []
    for file in sorted(_PACKAGE.rglob("*_service.py")):
        source = file.read_text(encoding="utf-8")
        if f'"{section}/' in source or f'"{section}"' in source:
            module = ".".join(("stripe", *file.relative_to(_PACKAGE).with_suffix("").parts))
            found += _calls(ast.parse(source), module)
    return tuple(endpoint for endpoint in found if f"{endpoint.template}/".startswith(f"{section}/"))


def _calls(tree: ast.Module, module: str) -> Iterator[Endpoint]:
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):  # its async twin says the same
            continue
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "self._request":
                method, path = ast.literal_eval(call.args[0]), call.args[1]
                if isinstance(path, ast.Call) and isinstance(path.func, ast.Attribute):
                    path = path.func.value  # "...".format(...)
                yield Endpoint(method.upper(), ast.literal_eval(path), _params_class(function, module))


def _params_class(function: ast.FunctionDef, module: str) -> type | None:
    for argument in function.args.args:
        if argument.arg == "params" and argument.annotation is not None:
            importlib.import_module(module)
            names = (node.value for node in ast.walk(argument.annotation) if isinstance(node, ast.Constant))
            cls: type = next(names_for_type_checkers(module)[name] for name in names if isinstance(name, str))
            return cls
    return None
