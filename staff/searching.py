"""
Lists are searched by POST, and no page of staff takes an e-mail address in its URL.

What stands in a URL is kept by browsers' histories and by the logs of whatever stands between. A term that is typed
into a list comes by POST and goes on as `?q=`, so that pages can be turned and links be kept; an address goes on as
what only this house can make of it (`term_for`), or not at all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase

from members import addresses

HINT: Final = (
    "An e-mail address has no place in a URL, where histories and logs would keep it. Type it into the field at the "
    "top of the page, or into the search of a list that takes one."
)
_MOST = 320  # characters; the longest address has 254


def has_address(text: str) -> bool:
    """Whether an e-mail address, or what was meant as one, is in a text; also in a URL there. Nothing else has an @."""
    return "@" in unquote(unquote(text))


def without_addresses(view: Callable[..., Any]) -> Callable[..., Any]:
    """
    The view, asked without whatever an address is in: the browser is sent on, to the same page, which gives a hint.

    It goes around the question who asks: the page for signing in repeats the URL of the page that was wanted.
    """

    @functools.wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if has_address(request.path_info):
            raise Http404
        rest = request.GET.copy()
        for name, values in request.GET.lists():
            if has_address(name) or any(has_address(value) for value in values):
                del rest[name]
        if len(rest) == len(request.GET):
            response: HttpResponseBase = view(request, *args, **kwargs)
            return response
        messages.warning(request, HINT)
        return _page(request, rest)

    return inner


def asked_by_post(model_admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponse | None:
    """Where a term leads that was typed into a list; None if the request is about something else."""
    if request.method != "POST" or SEARCH_VAR not in request.POST or "action" in request.POST:
        return None
    if not model_admin.has_view_or_change_permission(request):
        raise PermissionDenied
    rest = request.POST.copy()
    del rest[SEARCH_VAR]
    rest.pop("csrfmiddlewaretoken", None)
    term = request.POST[SEARCH_VAR].strip()[:_MOST]
    if has_address(term):
        term = _without(term, model_admin, request)
    if term:
        rest[SEARCH_VAR] = term
    return _page(request, rest)


def _without(address: str, model_admin: ModelAdmin[Any], request: HttpRequest) -> str:
    """What stands for an address in the URL of a list; "" and a hint if the list knows none, or this is not one."""
    term_for: Callable[[str], str] | None = getattr(model_admin, "term_for", None)
    if term_for is None:
        messages.warning(request, HINT)
        return ""
    try:
        return term_for(address)
    except addresses.InvalidAddress as error:
        messages.warning(request, str(error))
    return ""


def _page(request: HttpRequest, query: QueryDict) -> HttpResponse:
    """The same page, asked with another query string."""
    return HttpResponseRedirect(f"{request.path}?{query.urlencode()}" if query else request.path)
