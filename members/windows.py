"""Admin pages through which staff look at rows that only services write."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


class Window:
    """A mixin for an admin class or an inline: look, and touch nothing."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
