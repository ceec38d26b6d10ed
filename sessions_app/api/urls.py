from django.urls import URLPattern, path
from rest_framework.views import APIView

from sessions_app.api import devices, views

app_name = "sessions_api"


def _endpoint(route: str, view: type[APIView], name: str) -> list[URLPattern]:
    """Return *route* as documented, and the same view where a client adds a slash."""
    return [path(route, view.as_view(), name=name), path(f"{route}/", view.as_view(schema=None))]


urlpatterns = [
    *_endpoint("auth/refresh", views.RefreshView, "refresh"),
    *_endpoint("auth/logout", views.LogoutView, "logout"),
    *_endpoint("sessions", views.SessionsView, "sessions"),
    *_endpoint("sessions/revoke-all", views.RevokeAllView, "revoke-all"),
    *_endpoint("sessions/<uuid:session_id>", views.SessionView, "session"),
    *_endpoint("me/devices", devices.DevicesView, "devices"),
    *_endpoint("me/devices/<uuid:device_id>", devices.DeviceView, "device"),
]
