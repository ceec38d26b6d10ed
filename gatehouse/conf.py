"""Every key of the ``GATEHOUSE`` setting, with its default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver


@dataclass(frozen=True, kw_only=True)
class GatehouseSettings:
    """Every key of the ``GATEHOUSE`` setting, with its default."""

    BASE_URL: str = "http://localhost:8000"  # where this server is reached; every link is built from it
    FRONTEND_URL: str = ""  # where a host's own front end shows the links of mails; "" means the pages here
    SITE_NAME: str = "Gatehouse"  # what pages and mails call the service
    SUPPORT_URL: str = ""  # where a person finds help: https:// or mailto:
    ADMIN_PATH: str = "admin/"  # the path of the staff door, without a leading slash
    PRODUCTION: bool = False  # whether the strict start-up checks hold
    TRUSTED_PROXIES: str = ""  # "" for none, a number of proxies, or networks with commas between
    LIMITS_SCALE: float = 1  # every number of the table of limits is multiplied by this
    LIMIT_ANONYMOUS: int = 60  # requests to the API a minute from one network, where nobody is signed in
    LIMIT_GUEST: int = 60  # and by one guest
    LIMIT_USER: int = 300  # by one user
    LIMIT_STAFF: int = 600  # by one member of staff
    LIMIT_SERVICE: int = 1200  # with one API key that has no number of its own
    COUNTERS_KEPT: timedelta = timedelta(0)  # how long a counter stays after its window
    HASH_KEYS: tuple[str, ...] = ()  # keys of stored hashes; the first writes, all are looked up
    MAIL_KEYS: tuple[str, ...] = ()  # keys that mailed codes and links are derived from; the first writes
    ENCRYPTION_KEYS: tuple[str, ...] = ()  # keys of secrets at rest; the first writes, all read
    HEALTH_CHECKS: Mapping[str, str] = field(default_factory=dict)  # name and dotted path of a function
    GEOIP_FILE: str = ""  # a file of the MaxMind format that says where an address is; "" means no places are shown
    ACCENT_COLOUR: str = ""  # the host's look: a CSS colour
    RADIUS: str = ""  # the host's look: a CSS length
    MARK: str = ""  # the host's look: the path of a picture among the static files
    PROBLEM_DOCS_URL: str = ""  # where the codes of problems are explained; "" means BASE_URL + "/problems"

    def url(self, path: str) -> str:
        """Return *path*, which begins with a slash, on this server."""
        return self.BASE_URL.rstrip("/") + path

    def problem_url(self, code: str) -> str:
        """Return the address of the page that explains *code*."""
        base = self.PROBLEM_DOCS_URL.rstrip("/") or self.url("/problems")
        return f"{base}/{code}"

    @property
    def staff_root(self) -> str:
        """The path of the staff door as requests have it: ``/admin/`` however ADMIN_PATH writes its slashes."""
        return f"/{self.ADMIN_PATH.strip('/')}/"

    def is_staff_path(self, path: str) -> bool:
        """Whether *path* lies behind the staff door."""
        return f"{path}/".startswith(self.staff_root)

    @property
    def secure(self) -> bool:
        """Whether browsers reach this server by https, which decides on every cookie."""
        return self.BASE_URL.lower().startswith("https://")


@cache
def app_settings() -> GatehouseSettings:
    """Return the settings as they are now; call it inside functions only."""
    return GatehouseSettings(**getattr(settings, "GATEHOUSE", {}))


@receiver(setting_changed, dispatch_uid="gatehouse.settings")
def _forget(*, setting: str, **_kwargs: object) -> None:
    if setting == "GATEHOUSE":
        app_settings.cache_clear()
