"""The desk's pages: signing in, finding somebody, their page, and what is done from there."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import login, logout
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import View

from members import audit, clock, revealing, staff_session
from members.models import Member, Message
from reminders.models import Reminder
from staff import actions, agenda, finding, locks, second_factor
from staff import person as persons
from staff.forms import CodeForm, RevealForm, SignInForm

Act = audit.Act
_WRONG_CODE = "This code is not right, or it was used before. Please try the next one."

# --- Getting in


@sensitive_post_parameters("password")
@never_cache
def sign_in(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The first half: name and password."""
    if request.method == "GET" and staff_session.is_open(request):
        return redirect("admin:index")
    now = clock.now()
    form = SignInForm(request, request.POST or None, now=now)
    if request.method == "POST" and form.is_valid():
        login(request, form.get_user())
        staff_session.begin_half(request)
        return HttpResponseRedirect(_with_next(reverse("admin:second-factor"), request))
    return TemplateResponse(request, "staff/sign_in.html", {**context, "form": form, "title": "Sign in"})


@method_decorator([sensitive_post_parameters("code"), never_cache], name="dispatch")
class SecondFactor(View):
    """The second half: a code; or, the first time, setting it up."""

    def get(self, request: HttpRequest) -> HttpResponse:
        if staff_session.is_open(request):
            return redirect("admin:index")
        if not staff_session.is_half_open(request):
            return HttpResponseRedirect(_with_next(reverse("admin:login"), request))
        return self._page(request, CodeForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        if not staff_session.is_half_open(request):
            return HttpResponseRedirect(_with_next(reverse("admin:login"), request))
        now, user, form = clock.now(), request.user, CodeForm(request.POST)
        assert user.is_authenticated, "a half-open session is somebody's"
        if locks.is_locked(user, now=now):
            logout(request)
            return HttpResponseRedirect(_with_next(reverse("admin:login"), request))
        code = form.cleaned_data["code"] if form.is_valid() else ""
        recovery: list[str] = []
        if second_factor.is_set_up(user):
            device = second_factor.check(user, code)
        else:
            device, recovery = second_factor.finish_set_up(user, code) or (None, [])
        if device is None:
            audit.record(
                actor=audit.actor_of(request), act=Act.CODE_REFUSED, subject=f"auth.user:{user.pk}", now=now
            )
            if locks.note_wrong(user, "wrong_codes", now=now):
                logout(request)
                return HttpResponseRedirect(_with_next(reverse("admin:login"), request))
            form.add_error("code", _WRONG_CODE)
            return self._page(request, form)
        locks.forget(user)
        staff_session.begin(request, device)
        actor = audit.actor_of(request)
        if recovery:
            audit.record(actor=actor, act=Act.SECOND_FACTOR_SET, subject=f"auth.user:{user.pk}", now=now)
        audit.record(actor=actor, act=Act.SIGNED_IN, subject=f"auth.user:{user.pk}", now=now)
        if recovery:
            page = {**admin.site.each_context(request), "title": "Your recovery codes", "codes": recovery}
            return TemplateResponse(request, "staff/recovery_codes.html", page)
        return HttpResponseRedirect(_next_of(request) or reverse("admin:index"))

    def _page(self, request: HttpRequest, form: CodeForm) -> HttpResponse:
        user = request.user
        page: dict[str, Any] = {**admin.site.each_context(request), "form": form, "title": "Second factor"}
        assert user.is_authenticated, "a half-open session is somebody's"
        if not second_factor.is_set_up(user):
            device = second_factor.begin_set_up(user)
            page |= {
                "title": "Set up the second factor",
                "picture": second_factor.picture(device),
                "secret": second_factor.secret_text(device),
            }
        return TemplateResponse(request, "staff/second_factor.html", page)


def _next_of(request: HttpRequest) -> str:
    wanted = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if is_ours else ""


def _with_next(address: str, request: HttpRequest) -> str:
    there = _next_of(request)
    return f"{address}?{urlencode({'next': there})}" if there else address


# --- The front page


def today(request: HttpRequest) -> dict[str, Any]:
    """What asks for action now, for the front page."""
    return {"agenda": agenda.get(request.user, now=clock.now()), "title": "Today"}


# --- A person


def find(request: HttpRequest) -> HttpResponse:
    """From a whole address, an id or a receipt number to a person; by POST, so that no address is in a URL."""
    _need(request, "members.view_member")
    term = request.POST.get("q", "") if request.method == "POST" else ""
    if not term.strip():
        return redirect("admin:index")
    member = finding.find(term[:320])
    if member is None:
        messages.warning(request, "Nobody was found. Addresses, ids and numbers are looked up as a whole.")
        return redirect("admin:index")
    return redirect("admin:person", pk=member.person.pk)


def person(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything about one person."""
    _need(request, "members.view_member")
    now = clock.now()
    try:
        found = persons.get(pk, now=now)
    except Member.DoesNotExist:
        raise Http404 from None
    if found.member.pk != pk:
        return redirect("admin:person", pk=found.member.pk)
    audit.record(
        actor=audit.actor_of(request),
        act=Act.LOOKED,
        what="person",
        subject=audit.subject_of(found.member),
        member_id=found.member.pk,
        now=now,
    )
    is_revealed = revealing.is_revealed(request, found.member, now=now)
    page = {
        **admin.site.each_context(request),
        "title": str(found.member),
        "person": found,
        "mask": revealing.MASK,
        "is_revealed": is_revealed,
        "known": [
            (row, revealing.opened(row, "email"), revealing.opened(row, "name")) for row in found.addresses
        ]
        if is_revealed
        else [(row, revealing.MASK, revealing.MASK) for row in found.addresses],
        "now": now,
    }
    return TemplateResponse(request, "staff/person.html", page)


def act(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """A form that says what will happen; sent, it does so."""
    action = actions.get(slug)
    if action is None:
        raise Http404
    _need(request, action.permission)
    target = action.target._default_manager.filter(pk=pk).first()
    if target is None:
        raise Http404
    now = clock.now()
    back = _back_to(target)
    if request.method == "POST":
        form = action.form(request.POST)
        if form.is_valid():
            given = {name: value for name, value in form.cleaned_data.items() if name not in ("once", "why")}
            wish = actions.Wish(
                target=target,
                given=given,
                actor=audit.actor_of(request),
                once=str(form.cleaned_data["once"]),
                why=" ".join(form.cleaned_data["why"].split()),
                now=now,
            )
            try:
                messages.success(request, actions.carry_out(action, wish))
                return HttpResponseRedirect(back)
            except actions.Refusal as refusal:
                form.add_error(None, str(refusal))
    else:
        form = action.form(initial={"once": uuid.uuid4(), **action.starts_with(target)})
    page = {
        **admin.site.each_context(request),
        "title": action.label,
        "form": form,
        "action": action,
        "warning": action.warning(target, now),
        "back": back,
        "target": target,
    }
    return TemplateResponse(request, "staff/act.html", page)


def _back_to(target: Any) -> str:
    member = actions.member_of(target)
    if member is not None:
        return reverse("admin:person", args=[member])
    return reverse(f"admin:{target._meta.app_label}_{target._meta.model_name}_change", args=[target.pk])


# --- Behind the curtain

_REVEALABLE = {model._meta.label_lower: model for model in (Member, Message, Reminder)}


def reveal(request: HttpRequest, label: str, pk: int) -> HttpResponse:
    """Ask why, and lift the curtain before one record."""
    _need(request, revealing.PERMISSION)
    model = _REVEALABLE.get(label)
    row = model._default_manager.filter(pk=pk).first() if model is not None else None
    if row is None:
        raise Http404
    form = RevealForm(request.POST or None)
    member_id = actions.member_of(row)
    if isinstance(row, Member):
        back = reverse("admin:person", args=[row.pk])
    else:
        back = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[pk])
    if request.method == "POST" and form.is_valid():
        revealing.reveal(request, row, why=form.cleaned_data["why"], member_id=member_id, now=clock.now())
        return HttpResponseRedirect(back)
    page = {
        **admin.site.each_context(request),
        "title": "Reveal personal data",
        "form": form,
        "row": row,
        "back": back,
    }
    return TemplateResponse(request, "staff/reveal.html", page)


def _need(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied
