"""Model fields that every app needs."""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class KeyField(models.CharField):  # type: ignore[type-arg]  # generic for the type checker only
    """A text that is compared byte by byte on every database.

    MariaDB compares text without regard to case and accents unless the column says otherwise; a key must not
    be equal to another one there and differ elsewhere. Other databases compare exactly by themselves.
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        """Return the column's parameters, with a binary collation on MySQL and MariaDB."""
        parameters: Any = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters
