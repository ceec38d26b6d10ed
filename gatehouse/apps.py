from django.apps import AppConfig
from django.core.signals import got_request_exception


class GatehouseConfig(AppConfig):
    name = "gatehouse"
    label = "gatehouse"
    verbose_name = "Gatehouse"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks  # noqa: F401  (importing it registers the checks)
        from .problems.middleware import remember_failure

        got_request_exception.connect(remember_failure, dispatch_uid="gatehouse.remember_failure")
