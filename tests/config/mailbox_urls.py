"""The site's paths with the development mailbox among them, as in development."""

from django.urls import include, path

from config.urls import handler400, handler403, handler404, handler500, urlpatterns

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

urlpatterns = [*urlpatterns, path("dev/mail/", include("config.devmail.urls"))]
