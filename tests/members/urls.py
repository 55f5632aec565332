"""The pages of this floor alone, as config.urls mounts them."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("dev/", include("members.urls")), path("admin/", admin.site.urls)]
