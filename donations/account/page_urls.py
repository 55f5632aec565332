"""Addresses of the reader's own pages, under /account/."""

from django.urls import path

from donations.account import change_pages, pages, sign_in_pages

app_name = "account"
urlpatterns = [
    path("", pages.overview, name="overview"),
    path("payments/", pages.payments, name="payments"),
    path("contributions/", pages.contributions, name="contributions"),
    path("contributions/<uuid:public_id>/", pages.contribution, name="contribution"),
    path("contributions/<uuid:public_id>/change/", change_pages.change, name="change"),
    path("contributions/<uuid:public_id>/pause/", change_pages.pause, name="pause"),
    path("contributions/<uuid:public_id>/resume/", change_pages.resume, name="resume"),
    path("contributions/<uuid:public_id>/stop/", change_pages.stop, name="stop"),
    path("contributions/<uuid:public_id>/keep/", change_pages.keep, name="keep"),
    path("contributions/<uuid:public_id>/undo/", change_pages.undo, name="undo"),
    path("contributions/<uuid:public_id>/card/", change_pages.card, name="card"),
    path("contributions/<uuid:public_id>/make-one-time/", change_pages.make_one_time, name="make-one-time"),
    path("contributions/<uuid:public_id>/withdraw/", change_pages.withdraw, name="withdraw"),
    path("personal/", pages.personal, name="personal"),
    # Those whose names begin with "sign-" are nothing to be sent to after signing in (`door.is_page`).
    path("sign-in/", sign_in_pages.ask, name="sign-in"),
    path("sign-in/sent/", sign_in_pages.sent, name="sign-in-sent"),
    path("sign-in/<str:token>/", sign_in_pages.open_link, name="open"),
    path("sign-out/", sign_in_pages.sign_out, name="sign-out"),
    path("sign-out-everywhere/", sign_in_pages.sign_out_everywhere, name="sign-out-everywhere"),
]
