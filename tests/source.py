"""Our own source, read as a tree: what is called where, by its full name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOUSE = ("config", "donations", "members", "staff")


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the house by its path, such as "donations/inbox.py"; migrations are history and left out."""
    paths = [
        path
        for name in HOUSE
        for path in sorted((ROOT / name).rglob("*.py"))
        if "migrations" not in path.parts
    ]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in paths}


def calls(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The full name and line of each call: "datetime.datetime.now", however it was imported."""
    known = _imports(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _dotted(node.func)):
            first, _, rest = name.partition(".")
            full = known.get(first, first)
            yield (f"{full}.{rest}" if rest else full), node.lineno


def _imports(tree: ast.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""
