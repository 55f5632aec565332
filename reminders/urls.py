"""The API's addresses; those under create/, cancel and reactivate are the Guardian's, without a slash at the end."""

from django.urls import path

from reminders import views

app_name = "reminders-api"
urlpatterns = [
    path("", views.ReminderCreate.as_view(), name="create"),
    path("calendar.ics", views.CalendarFile.as_view(), name="calendar"),
    path("calendar-cancelled.ics", views.CancelledCalendarFile.as_view(), name="calendar-cancelled"),
    path("stats/", views.Stats.as_view(), name="stats"),
    path("create/one-off", views.GuardianOneOff.as_view(), name="create-one-off"),
    path("create/recurring", views.GuardianRecurring.as_view(), name="create-recurring"),
    path("cancel", views.GuardianCancel.as_view(), name="cancel"),
    path("reactivate", views.GuardianReactivate.as_view(), name="reactivate"),
]
