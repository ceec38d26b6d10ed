"""The site's own paths and what it is measured against."""

from django.urls import path
from rest_framework_simplejwt.views import TokenRefreshView

from bench import views
from config.urls import (  # noqa: F401 - the handlers are found here by Django
    handler400,
    handler403,
    handler404,
    handler500,
    urlpatterns,
)

urlpatterns = [
    path("bench/one-query", views.OneQueryView.as_view()),
    path("bench/nothing", views.EmptyView.as_view()),
    path("bench/simplejwt/refresh", TokenRefreshView.as_view()),
    path("bench/argon2", views.BareVerificationView.as_view()),
    *urlpatterns,
]
