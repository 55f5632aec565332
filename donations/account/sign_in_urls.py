"""Addresses of the API for a reader who wants to sign in, under /api/v1/sign-in/."""

from django.urls import path

from donations.account import sign_in_views

app_name = "sign-in"
urlpatterns = [
    path("", sign_in_views.SignIn.as_view(), name="ask"),
    path("token/", sign_in_views.SignInWithToken.as_view(), name="token"),
]
