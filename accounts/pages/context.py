"""What every page knows of the site: its name, where help is, and the host's look."""

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse

from gatehouse.conf import app_settings

DEFAULT_MARK = "gatehouse/mark.svg"


def site(request: HttpRequest) -> dict[str, str]:
    """Give the templates the settings that a host changes. A context processor."""
    settings = app_settings()
    return {
        "site_name": settings.SITE_NAME,
        "support_url": settings.SUPPORT_URL,
        "mark_url": static(settings.MARK or DEFAULT_MARK),
        "theme_url": _theme_url() if settings.ACCENT_COLOUR or settings.RADIUS else "",
    }


def _theme_url() -> str:
    try:
        return reverse("theme")
    except NoReverseMatch:  # a host that has not mounted it keeps the look as it is
        return ""
