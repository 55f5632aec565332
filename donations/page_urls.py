"""Addresses of the pages that readers see; `donations.links` writes them into mails and gives them to Stripe."""

from django.urls import path

from donations import action_pages, double_pages, pages, plan_pages

app_name = "support"
urlpatterns = [
    path("", pages.index, name="index"),
    # Before the slugs, so that no campaign can be called "card" and take these addresses over.
    path("card/<str:token>/", pages.card, name="card"),
    path("stop/<str:token>/", plan_pages.stop, name="stop"),
    path("twice/<str:token>/", double_pages.double, name="double"),
    path("do/<str:token>/", action_pages.action, name="action"),
    path("undo/<str:token>/", action_pages.undo, name="undo"),
    path("again/<uuid:public_id>/", plan_pages.again, name="again"),
    path("<slug:slug>/", pages.page, name="page"),
    path("<slug:slug>/quote/", pages.quote, name="quote"),
    path("<slug:slug>/thanks/<uuid:public_id>/", pages.thanks, name="thanks"),
]
