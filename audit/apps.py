from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit trail"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from audit import checks, events, immutability, privacy, receivers  # noqa: F401 - known once they are there
        from audit.models import Event

        Event.opener = privacy.open_rows
        receivers.subscribe()
        uid = "audit.immutability"
        connection_created.connect(immutability.on_connection, dispatch_uid=uid)
        pre_migrate.connect(immutability.before_migrate, sender=self, dispatch_uid=uid)
        post_migrate.connect(immutability.after_migrate, sender=self, dispatch_uid=uid)
