"""The development pages, under /dev/. They answer 404 unless settings.DEV_PAGES is on."""

from __future__ import annotations

from django.urls import path

from members import views

app_name = "members"
urlpatterns = [
    path("mailbox/", views.mailbox_list, name="mailbox"),
    path("mailbox/<str:name>/", views.mailbox_letter, name="letter"),
    path("mails/", views.mail_samples, name="samples"),
    path("mails/<str:kind>/<str:locale>/", views.mail_sample, name="sample"),
]
