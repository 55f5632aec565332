"""Each page of the admin, watched: who looked at a record, who changed one, who was denied."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from members import audit, clock
from staff import searching

_Act = audit.Act
_CHANGES = {"add_view": _Act.ADDED, "change_view": _Act.CHANGED, "delete_view": _Act.DELETED}
_LOOKS = ("change_view", "history_view")
_MOST_NAMED = 50


def watched(view: Callable[..., Any]) -> Callable[..., Any]:
    """The view, with an entry in the audit log about what came of it."""
    model_admin = getattr(view, "__self__", None)
    name = getattr(view, "__name__", "")

    @functools.wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            if isinstance(model_admin, ModelAdmin) and name == "changelist_view":
                _refuse_hidden_action(model_admin, request)
                if found := searching.asked_by_post(model_admin, request):
                    return found
            response: HttpResponseBase = view(request, *args, **kwargs)
        except PermissionDenied:
            _denied(request, kwargs or {"args": " ".join(map(str, args))})
            raise
        if response.status_code == 403:
            _denied(request, kwargs)
        elif isinstance(model_admin, ModelAdmin):
            _note(model_admin, name, request, response, str(kwargs.get("object_id", "")))
        return response

    return inner


def _refuse_hidden_action(model_admin: ModelAdmin[Any], request: HttpRequest) -> None:
    """Django passes over an action that somebody may not do, and says nothing. Here it is a denied call."""
    wanted = request.POST.get("action", "") if request.method == "POST" else ""
    if wanted and wanted not in model_admin.get_actions(request):
        raise PermissionDenied


def _denied(request: HttpRequest, where: dict[Any, Any]) -> None:
    match = request.resolver_match
    audit.record(
        actor=audit.actor_of(request),
        act=_Act.DENIED,
        what=(match.url_name or "" if match else "")[:60],
        facts={"method": str(request.method), **{str(key): str(value)[:60] for key, value in where.items()}},
        now=clock.now(),
    )


def _note(
    model_admin: ModelAdmin[Any], name: str, request: HttpRequest, response: HttpResponseBase, object_id: str
) -> None:
    label = model_admin.opts.label_lower
    if request.method == "POST" and name == "changelist_view" and request.POST.get("action"):
        chosen = request.POST.getlist("_selected_action")
        _record(
            request,
            _Act.DONE,
            request.POST["action"],
            label,
            {"rows": chosen[:_MOST_NAMED], "count": len(chosen)},
        )
    elif request.method == "POST" and name in _CHANGES and response.status_code == 302:
        _record(request, _CHANGES[name], "edit", f"{label}:{object_id}" if object_id else label, {})
    elif request.method == "GET" and name in _LOOKS and response.status_code == 200:
        _record(request, _Act.LOOKED, "record", f"{label}:{object_id}", {})


def _record(request: HttpRequest, act: audit.Act, what: str, subject: str, facts: dict[str, Any]) -> None:
    audit.record(
        actor=audit.actor_of(request),
        act=act,
        what=what[:60],
        subject=subject[:120],
        facts=facts,
        now=clock.now(),
    )


def note_signed_out(request: HttpRequest, user: Any, **_signal: Any) -> None:
    """Django's signal: somebody left, or was shown out by a limit."""
    if user is not None and user.is_staff:
        actor = f"staff:{user.pk}"
        audit.record(actor=actor, act=_Act.SIGNED_OUT, subject=f"auth.user:{user.pk}", now=clock.now())
