"""Addresses of the reader's own pages, under /account/."""

from django.urls import path

from donations.account import change_pages, data_pages, pages, personal_pages, sign_in_pages

app_name = "account"
urlpatterns = [
    path("", pages.overview, name="overview"),
    path("payments/", pages.payments, name="payments"),
    path("payments/<uuid:public_id>/", pages.receipt, name="receipt"),
    path("payments/<uuid:public_id>/receipt.pdf", pages.receipt_file, name="receipt-file"),
    path("statements/<int:year>/", pages.statement, name="statement"),
    path("statements/<int:year>/statement.pdf", pages.statement_file, name="statement-file"),
    path("contributions/", pages.contributions, name="contributions"),
    path("contributions/<uuid:public_id>/", pages.contribution, name="contribution"),
    path("contributions/<uuid:public_id>/change/", change_pages.change, name="change"),
    path("contributions/<uuid:public_id>/pause/", change_pages.pause, name="pause"),
    path("contributions/<uuid:public_id>/resume/", change_pages.resume, name="resume"),
    path("contributions/<uuid:public_id>/stop/", change_pages.stop, name="stop"),
    path("contributions/<uuid:public_id>/stop/begin/", change_pages.begin_to_stop, name="begin-to-stop"),
    path("contributions/<uuid:public_id>/keep/", change_pages.keep, name="keep"),
    path("contributions/<uuid:public_id>/undo/", change_pages.undo, name="undo"),
    path("contributions/<uuid:public_id>/card/", change_pages.card, name="card"),
    path("contributions/<uuid:public_id>/make-one-time/", change_pages.make_one_time, name="make-one-time"),
    path("contributions/<uuid:public_id>/withdraw/", change_pages.withdraw, name="withdraw"),
    path("personal/", personal_pages.personal_data, name="personal"),
    path("personal/address/", personal_pages.address, name="address"),
    path("personal/address/<str:token>/", personal_pages.confirm_address, name="confirm-address"),
    path("data/", data_pages.data, name="data"),
    path("data/erase/", data_pages.erase, name="data-erase"),
    path("data/files/<uuid:public_id>/", data_pages.fetch, name="data-file"),
    # Those whose names begin with "sign-" are nothing to be sent to after signing in (`door.is_page`).
    path("sign-in/", sign_in_pages.ask, name="sign-in"),
    path("sign-in/sent/", sign_in_pages.sent, name="sign-in-sent"),
    path("sign-in/<str:token>/", sign_in_pages.open_link, name="open"),
    path("sign-out/", sign_in_pages.sign_out, name="sign-out"),
    path("sign-out-everywhere/", sign_in_pages.sign_out_everywhere, name="sign-out-everywhere"),
]
