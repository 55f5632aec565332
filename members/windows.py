"""Admin pages through which staff look at rows that only services write."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from django.http import HttpRequest

from members import addresses, clock, crypto, revealing

BY_HASH: Final = "address:"
_MOST_HASHES = 10  # one for each look-up key that is known


class Window:
    """A mixin for an admin class or an inline: look, and touch nothing."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class KeptWhileUsed:
    """
    A mixin for an admin class: a row that others point to stays, and the page says so without naming them all.

    Django would list every one of them, and there may be as many as readers.
    """

    def is_used(self, row: Any) -> bool:
        """Whether rows point to it that must not be lost."""
        raise NotImplementedError

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        used = [f"{row}, which is in use" for row in objs if self.is_used(row)]
        if used:
            return [], {}, set(), used
        return super().get_deleted_objects(objs, request)  # type: ignore[misc]  # Django's, which is mixed in


class FoundByAddress:
    """
    A mixin for an admin class: its rows are found by the whole e-mail address, never by a part, or by their id.

    An address comes by POST; in the URL of the list that follows stand its keyed hashes (`term_for`), which say nothing
    to who has not the key.
    """

    search_fields: ClassVar[list[str] | tuple[str, ...]] = ("public_id",)
    search_help_text: ClassVar[Any] = "A whole e-mail address, or an id"
    hash_column = "email_hash"

    def term_for(self, address: str) -> str:
        """What is searched in the place of an address. Raises addresses.InvalidAddress."""
        return BY_HASH + ",".join(crypto.lookup_hashes(addresses.identity(addresses.normalise(address))))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if not term.startswith(BY_HASH):
            return self._by_id(queryset, term), False
        hashes = term.removeprefix(BY_HASH).replace("\x00", "").split(",")
        return queryset.filter(**{f"{self.hash_column}__in": hashes[:_MOST_HASHES]}), False

    def _by_id(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        try:
            return queryset.filter(public_id=uuid.UUID(term))
        except ValueError:
            return queryset.none()


class Curtained:
    """A mixin for an admin class: personal fields of its rows are masked until they are revealed (`revealing`)."""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)  # type: ignore[misc]  # Django's, which is mixed in
        if row is not None:
            row.shown_to = request
        return row

    def shown(self, row: Any, field: str) -> Any:
        """The field's value if this session may see it now, else a mask."""
        request: HttpRequest | None = getattr(row, "shown_to", None)
        return revealing.MASK if request is None else revealing.shown(request, row, field, now=clock.now())

    def is_shown(self, row: Any) -> bool:
        """Whether this session may see the row's personal data now."""
        request: HttpRequest | None = getattr(row, "shown_to", None)
        return request is not None and revealing.is_revealed(request, row, now=clock.now())


class ForEyes:
    """A mixin for an inline: what staff wrote about a person is there only while that person is revealed."""

    personal: ClassVar[tuple[str, ...]] = ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)  # type: ignore[misc]  # Django's, which is mixed in
        member = getattr(obj, "member", obj)  # the page is a member's, or of something that has one
        if member is not None and revealing.is_revealed(request, member, now=clock.now()):
            return fields
        return [name for name in fields if name not in self.personal]
