from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig
from django.utils.translation import gettext_lazy as _


class AdminPanelConfig(AppConfig):
    """The staff area: users, sessions and the trail."""

    name = "adminpanel"
    label = "adminpanel"
    verbose_name = _("staff area")
    default = True

    def ready(self) -> None:
        from adminpanel import admin, checks  # noqa: F401 - importing registers them


class StaffSiteConfig(SimpleAdminConfig):
    """Django's admin with our site, and with nothing in it but what adminpanel registers.

    It does not look for other apps' admin modules: each would put its tables before staff unasked.
    """

    default_site = "adminpanel.sites.StaffSite"
    default = False
