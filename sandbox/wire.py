"""
What all answers have in common: pages of a list, and ids that are expanded into the objects they name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.account import Account, Obj, copied
from sandbox.errors import invalid

DEEPEST = 4
"""How many levels Stripe expands."""

INCLUDED: dict[tuple[str, str], Callable[[Account, Obj], Any]] = {}
"""Attributes that exist only when expanded: (kind of object, attribute) -> how to build them."""


def included(kind: str, key: str) -> Callable[[Callable[[Account, Obj], Any]], Callable[[Account, Obj], Any]]:
    """Register what builds an attribute that is absent unless a caller expands it (``invoice.payments``)."""

    def register(build: Callable[[Account, Obj], Any]) -> Callable[[Account, Obj], Any]:
        INCLUDED[kind, key] = build
        return build

    return register


def listed(data: list[Obj], url: str, *, has_more: bool = False) -> Obj:
    """A list object around these objects."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def page(found: list[Obj], given: Obj, url: str) -> Obj:
    """
    One page of what was found (newest first), by ``limit`` (1 to 100, default 10), ``starting_after`` and
    ``ending_before``. Raises 400 for a bad limit or a cursor that is not in the list.
    """
    limit = given.get("limit") or 10
    if limit > 100:
        message = "This value must be less than or equal to 100."
        raise invalid(message, param="limit", code="parameter_invalid_integer")
    after, before = given.get("starting_after"), given.get("ending_before")
    if after and before:
        raise invalid("You may only specify one of starting_after and ending_before.", param="starting_after")
    ids = [obj["id"] for obj in found]
    for param, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor and cursor not in ids:
            raise invalid(f"No such object: '{cursor}'", param=param, code="resource_missing")
    if before:
        rest = found[: ids.index(before)]
        return listed(rest[-limit:], url, has_more=len(rest) > limit)
    rest = found[ids.index(after) + 1 :] if after else found
    return listed(rest[:limit], url, has_more=len(rest) > limit)


def within(moment: int, wanted: Obj | int | None) -> bool:
    """Whether a moment passes a filter by time: none, an exact second, or gt, gte, lt and lte."""
    if wanted is None:
        return True
    if isinstance(wanted, int):
        return moment == wanted
    return bool(
        moment > wanted.get("gt", moment - 1)
        and moment >= wanted.get("gte", moment)
        and moment < wanted.get("lt", moment + 1)
        and moment <= wanted.get("lte", moment)
    )


def expanded(account: Account, answer: Obj, paths: list[str]) -> Obj:
    """
    A copy of the answer in which each path (``latest_charge.balance_transaction``, ``data.customer``) leads
    to an object instead of an id. Raises 400 for what cannot be expanded.
    """
    if not paths:
        return answer
    result: Obj = copied(answer)
    for path in paths:
        steps = path.split(".")
        if len([step for step in steps if step != "data"]) > DEEPEST:
            raise invalid(
                f"You cannot expand more than {DEEPEST} levels of a property: {path}", param="expand"
            )
        if not _expand(account, result, steps):
            raise invalid(f"This property cannot be expanded ({path}).", param="expand")
    return result


def _expand(account: Account, obj: Any, steps: list[str]) -> bool:
    """
    Follow the steps into ``obj``. Returns whether they lead anywhere; an empty list or a null ends in peace.
    """
    if not steps or obj is None:
        return True
    step, rest = steps[0], steps[1:]
    if isinstance(obj, list):
        return all(_expand(account, inner, steps) for inner in obj)
    if not isinstance(obj, dict):
        return False
    build = INCLUDED.get((str(obj.get("object")), step))
    if build and step not in obj:
        obj[step] = copied(build(account, obj))
    if step not in obj:
        return False
    value = obj[step]
    if isinstance(value, str):
        if value not in account.objects:
            return False
        obj[step] = value = copied(account.objects[value])
    elif isinstance(value, list):
        obj[step] = value = [
            copied(account.objects[inner]) if isinstance(inner, str) and inner in account.objects else inner
            for inner in value
        ]
    return _expand(account, value, rest)
