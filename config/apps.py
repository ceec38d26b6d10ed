"""The deployable project as an app: its checks, and the development mailbox."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """What this deployment adds to the four apps."""

    name = "config"
    label = "site"
    verbose_name = "Site"
