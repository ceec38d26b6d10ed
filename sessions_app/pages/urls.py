from django.urls import path

from sessions_app.pages import views

app_name = "sessions_app"

urlpatterns = [
    path("stay", views.StayPage.as_view(), name="stay"),
    path("sessions", views.SessionListPage.as_view(), name="list"),
    path("sessions/end-others", views.EndOthersPage.as_view(), name="end-others"),
    path("sessions/<uuid:session_id>/end", views.EndSessionPage.as_view(), name="end"),
]
