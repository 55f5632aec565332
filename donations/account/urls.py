"""Addresses of the API for a reader who is signed in, under /api/v1/me/."""

from django.urls import path

from donations.account import views

app_name = "me"
urlpatterns = [
    path("", views.Me.as_view(), name="me"),
    path("sign-out/", views.SignOut.as_view(), name="sign-out"),
    path("sign-out-everywhere/", views.SignOutEverywhere.as_view(), name="sign-out-everywhere"),
]
