from django.urls import path

from donations.reports import views

app_name = "reports"
urlpatterns = [path("<slug:report>/", views.ReportDetail.as_view(), name="report")]
