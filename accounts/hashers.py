"""The password hasher, its cost taken from the settings."""

from django.contrib.auth.hashers import Argon2PasswordHasher

from accounts.conf import app_settings


class Argon2id(Argon2PasswordHasher):
    """Argon2id at the cost of the settings; a changed cost upgrades a hash at the next sign-in (ASVS 11.4.2)."""

    @property
    def time_cost(self) -> int:  # type: ignore[override]
        return app_settings().ARGON2_TIME

    @property
    def memory_cost(self) -> int:  # type: ignore[override]
        return app_settings().ARGON2_MEMORY

    @property
    def parallelism(self) -> int:  # type: ignore[override]
        return app_settings().ARGON2_PARALLELISM
