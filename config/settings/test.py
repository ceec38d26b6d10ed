"""Tests: the developer's environment is not seen; ``TEST_DATABASE`` chooses sqlite, postgresql or mariadb."""

import os
from typing import Any

from config import databases, env

_SECRETS = {name: f"{name.lower()}-for-the-tests-{'x' * 32}" for name in ("SECRET_KEY", "JWT_SECRET", "MAIL_KEY")}
_SECRETS |= {name: f"{name.lower()}-for-the-tests-{'y' * 32}" for name in ("ENCRYPTION_KEY", "AUDIT_KEY")}
env.isolate(
    {
        "BASE_URL": "http://testserver",
        "EMAIL_FROM": "Gatehouse <no-reply@example.com>",
        "REDIS_URL": env.testing("TEST_REDIS_URL"),
        "ARGON2_MEMORY": "8",
        # No test runs into these by the way: those about them say what they are.
        **dict.fromkeys(("LIMIT_ANONYMOUS", "LIMIT_GUEST", "LIMIT_USER", "LIMIT_STAFF"), "100000"),
        **_SECRETS,
    }
)

from config.settings.base import *  # noqa: E402 - the environment is cut off first
from config.settings.base import CACHES, STORAGES, TEMPLATES, VAR_DIR  # noqa: E402

ENGINE = env.testing("TEST_DATABASE", "sqlite")
_URLS = {
    "sqlite": "sqlite://:memory:",
    "postgresql": env.testing("TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/postgres"),
    "mariadb": env.testing("TEST_MARIADB_URL", "mysql://root@127.0.0.1:3306/test"),
}


def _database() -> dict[str, Any]:
    """Return the engine's settings, with a test database of this run's own."""
    found = databases.from_url(_URLS[ENGINE])
    name = f"gatehouse_test_{os.getpid()}"
    found.setdefault("TEST", {})["NAME"] = str(VAR_DIR / f"{name}.sqlite3") if ENGINE == "sqlite" else name
    return found


TEST_SERVER_URL = _URLS[ENGINE]  # where sites under test make databases of their own
DATABASES = {"default": _database()}
for _cache in CACHES.values():
    _cache["KEY_PREFIX"] = f"{_cache.get('KEY_PREFIX', 'gatehouse')}-test-{os.getpid()}"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1", "[::1]"]
STORAGES["exports"] = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
TEMPLATES[0]["OPTIONS"]["string_if_invalid"] = ""
