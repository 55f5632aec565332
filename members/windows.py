"""Admin pages through which staff look at rows that only services write."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest

from members import addresses, crypto


class Window:
    """A mixin for an admin class or an inline: look, and touch nothing."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class FoundByAddress:
    """A mixin for an admin class: its rows are found by the whole e-mail address, never by a part, or by their id."""

    search_fields: ClassVar[list[str] | tuple[str, ...]] = ("public_id",)
    search_help_text: ClassVar[Any] = "A whole e-mail address, or an id"
    hash_column = "email_hash"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            hashes = crypto.lookup_hashes(addresses.identity(addresses.normalise(term)))
        except addresses.InvalidAddress:
            return self._by_id(queryset, term), False
        return queryset.filter(**{f"{self.hash_column}__in": hashes}), False

    def _by_id(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        try:
            return queryset.filter(public_id=uuid.UUID(term))
        except ValueError:
            return queryset.none()
