"""The admin's site: who gets in, what the front page is, and that whatever happens is written down."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path

from members import staff_session
from staff import searching, watching


class StaffSite(AdminSite):
    """Django's admin behind two factors, with a desk in front."""

    enable_nav_sidebar = True
    index_template = "staff/today.html"

    def has_permission(self, request: HttpRequest) -> bool:
        return staff_session.is_open(request)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        return searching.without_addresses(super().admin_view(watching.watched(view), cacheable))

    def get_urls(self) -> list[URLPattern | URLResolver]:
        from staff import views

        seen = self.admin_view
        ours: list[URLPattern | URLResolver] = [
            path(
                "second-factor/",
                searching.without_addresses(views.SecondFactor.as_view()),
                name="second-factor",
            ),
            path("find/", seen(views.find), name="find"),
            path("person/<int:pk>/", seen(views.person), name="person"),
            path("do/<slug:slug>/<int:pk>/", seen(views.act), name="act"),
            path("reveal/<str:label>/<int:pk>/", seen(views.reveal), name="reveal"),
        ]
        return ours + super().get_urls()

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        from staff import views

        return super().index(request, {**(extra_context or {}), **views.today(request)})

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from staff import views

        sign_in = searching.without_addresses(views.sign_in)
        page: HttpResponse = sign_in(request, {**self.each_context(request), **(extra_context or {})})
        return page
