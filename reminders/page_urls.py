"""Addresses of the pages that readers see; `reminders.letters` writes them into mails."""

from django.urls import path

from reminders import pages, way_back

app_name = "reminders"
urlpatterns = [
    path("new/", pages.new, name="new"),
    path("asked/", pages.asked, name="asked"),
    path("calendar/", pages.entry, name="calendar"),
    path("<str:code>/confirm/", pages.confirm, name="confirm"),
    path("<str:code>/stop/", pages.stop, name="stop"),
    path("<str:code>/next-month/", pages.next_month, name="next-month"),
    path("<str:code>/unsubscribe/", pages.unsubscribe, name="unsubscribe"),
    path("<str:code>/continue/", way_back.go_on, name="way-back"),
]
