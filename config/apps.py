"""The deployable project as an app: its checks."""

from django.apps import AppConfig
from django.core import checks


class SiteConfig(AppConfig):
    """What this deployment adds to the apps."""

    name = "config"
    label = "site"
    verbose_name = "Site"

    def ready(self) -> None:
        from config.checks import production_start

        checks.register(production_start, checks.Tags.security, deploy=True)
