"""Addresses of the API for a reader who is signed in, under /api/v1/me/."""

from django.urls import path

from donations.account import views

app_name = "me"
urlpatterns = [
    path("", views.Me.as_view(), name="me"),
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
]
