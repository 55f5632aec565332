"""Every address of the house."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from config import docs, health
from donations.reports import pages as report_pages
from members import webhooks

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="support:index"), name="home"),
    path("api/v1/", include("donations.urls")),
    path("api/v1/sign-in/", include("donations.account.sign_in_urls")),
    path("api/v1/me/", include("donations.account.urls")),
    path("api/v1/reminders/", include("reminders.urls")),
    path("api/v1/reports/", include("donations.reports.urls")),
    path("api/v1/mail/bounces/", webhooks.MailBounces.as_view(), name="mail-bounces"),
    path("api/v1/schema/", docs.Schema.as_view(), name="schema"),
    path("api/v1/docs/", docs.Docs.as_view(url_name="schema"), name="docs"),
    path("support/", include("donations.page_urls")),
    path("account/", include("donations.account.page_urls")),
    path("reminders/", include("reminders.page_urls")),
    path("widget/", include("donations.widget.urls")),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path(f"{settings.ADMIN_PATH}reports/", admin.site.admin_view(report_pages.show), name="reports"),
    path(f"{settings.ADMIN_PATH}reports/files/", admin.site.admin_view(report_pages.files), name="files"),
    path(
        f"{settings.ADMIN_PATH}reports/files/<str:link>/",
        admin.site.admin_view(report_pages.fetch),
        name="fetch",
    ),
    path(
        f"{settings.ADMIN_PATH}reports/digest/",
        admin.site.admin_view(report_pages.switch_digest),
        name="digest",
    ),
    path(
        f"{settings.ADMIN_PATH}reports/export/<slug:name>.<slug:kind>",
        admin.site.admin_view(report_pages.export),
        name="export",
    ),
    path(settings.ADMIN_PATH, admin.site.urls),
]
if settings.DEV_PAGES:
    urlpatterns.append(path("dev/article/", include("donations.widget.example")))
    urlpatterns.append(path("dev/", include("members.urls")))

handler400 = "config.errors.bad_request"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"
