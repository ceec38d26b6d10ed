from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SessionsAppConfig(AppConfig):
    """Sessions, devices and tokens."""

    name = "sessions_app"
    label = "sessions_app"
    verbose_name = _("sessions")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from sessions_app import checks, schema  # noqa: F401 - importing registers them
