from django.urls import path

from donations import views

app_name = "donations"
urlpatterns = [
    path("campaigns/", views.CampaignList.as_view(), name="campaigns"),
    path("campaigns/<slug:slug>/", views.CampaignDetail.as_view(), name="campaign"),
    path("contributions/", views.ContributionCreate.as_view(), name="contributions"),
    path("contributions/<str:public_id>/", views.ContributionDetail.as_view(), name="contribution"),
    path(
        "contributions/<str:public_id>/make-one-time/",
        views.ContributionMakeOneTime.as_view(),
        name="make-one-time",
    ),
    path("entitlement/", views.EntitlementDetail.as_view(), name="entitlement"),
    path("webhooks/stripe/", views.stripe_webhook, name="stripe-webhook"),
]
