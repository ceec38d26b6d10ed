"""The settings of the bench: production's shape on plain http over loopback, with two views of its own besides.

``LIMITS_SCALE`` lifts the limits, which production refuses, so these settings are built from the shared ones.
"""

from config.settings.base import *

ROOT_URLCONF = "bench.urls"
ALLOWED_HOSTS = ["127.0.0.1"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
