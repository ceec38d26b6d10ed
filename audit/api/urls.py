from django.urls import path

from audit.api import events, export, integrity, statistics

app_name = "audit_api"

urlpatterns = [
    path("audit/events", events.EventsView.as_view(), name="events"),
    path("audit/events/<int:event_id>", events.EventView.as_view(), name="event"),
    path("audit/statistics", statistics.StatisticsView.as_view(), name="statistics"),
    path("audit/export", export.ExportView.as_view(), name="export"),
    path("audit/integrity", integrity.IntegrityView.as_view(), name="integrity"),
]
