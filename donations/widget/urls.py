from django.urls import path, re_path

from donations.widget import views

app_name = "widget"
urlpatterns = [
    path("v1.js", views.stable, name="stable"),
    re_path(r"^v1\.(?P<short_hash>[0-9a-f]{16})\.js$", views.pinned, name="pinned"),
]
