"""Addresses of the API for a reader who is signed in, under /api/v1/me/."""

from django.urls import path

from donations.account import change_views, data_views, views

app_name = "me"
urlpatterns = [
    path("", views.Me.as_view(), name="me"),
    path("contributions/<uuid:public_id>/standing/", change_views.Standing.as_view(), name="standing"),
    path("contributions/<uuid:public_id>/preview/", change_views.Preview.as_view(), name="preview"),
    path("contributions/<uuid:public_id>/change/", change_views.Change.as_view(), name="change"),
    path("contributions/<uuid:public_id>/pause/", change_views.Pause.as_view(), name="pause"),
    path("contributions/<uuid:public_id>/resume/", change_views.Resume.as_view(), name="resume"),
    path("contributions/<uuid:public_id>/stop/", change_views.Stop.as_view(), name="stop"),
    path("contributions/<uuid:public_id>/keep/", change_views.Keep.as_view(), name="keep"),
    path("contributions/<uuid:public_id>/undo/", change_views.Undo.as_view(), name="undo"),
    path("contributions/<uuid:public_id>/card/", change_views.CardPage.as_view(), name="card"),
    path(
        "contributions/<uuid:public_id>/make-one-time/",
        change_views.MakeOneTime.as_view(),
        name="make-one-time",
    ),
    path("contributions/<uuid:public_id>/withdraw/", change_views.Withdraw.as_view(), name="withdraw"),
    path("contributions/", views.Contributions.as_view(), name="contributions"),
    path("contributions/<uuid:public_id>/", views.ContributionOfMine.as_view(), name="contribution"),
    path("payments/", views.Payments.as_view(), name="payments"),
    path("payments/<uuid:public_id>/", views.PaymentOfMine.as_view(), name="payment"),
    path("payments/<uuid:public_id>/receipt.pdf", views.ReceiptFile.as_view(), name="receipt-file"),
    path("statements/", views.Statements.as_view(), name="statements"),
    path("statements/<int:year>/", views.StatementOfYear.as_view(), name="statement"),
    path("statements/<int:year>/statement.pdf", views.StatementFile.as_view(), name="statement-file"),
    path("consents/", views.Consents.as_view(), name="consents"),
    path("address/", views.Address.as_view(), name="address"),
    path("address/confirm/", views.AddressConfirmation.as_view(), name="confirm-address"),
    path("sign-out/", views.SignOut.as_view(), name="sign-out"),
    path("sign-out-everywhere/", views.SignOutEverywhere.as_view(), name="sign-out-everywhere"),
    path("data/", data_views.Data.as_view(), name="data"),
    path("data/<uuid:public_id>/", data_views.DataFile.as_view(), name="data-file"),
    path("erase/", data_views.Erase.as_view(), name="erase"),
]
