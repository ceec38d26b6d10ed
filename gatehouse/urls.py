"""The addresses of the health, which are the same wherever the project is."""

from django.urls import path

from . import health

urlpatterns = [
    path("health", health.health, name="health"),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
]
