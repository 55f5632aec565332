"""Addresses of the pages that readers see; `donations.links` writes them into mails and gives them to Stripe."""

from django.urls import path

from donations import pages

app_name = "support"
urlpatterns = [
    path("", pages.index, name="index"),
    # Before the slugs, so that no campaign can be called "card" and take this address over.
    path("card/<str:token>/", pages.card, name="card"),
    path("<slug:slug>/", pages.page, name="page"),
    path("<slug:slug>/quote/", pages.quote, name="quote"),
    path("<slug:slug>/thanks/<uuid:public_id>/", pages.thanks, name="thanks"),
]
