"""What people agreed to, and when."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from gatehouse.ids import uuid7


class Consent(models.Model):
    """One answer about the terms: given or withdrawn.

    Written by the registration, never changed; read by pages and staff; gone with the user.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="consents")
    version = models.CharField(max_length=40)
    granted = models.BooleanField()
    at = models.DateTimeField()
    ip = models.GenericIPAddressField(null=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user", "at"], name="accounts_consent_user_at"),
        ]

    def __str__(self) -> str:
        return f"terms {self.version}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write the row once; raises ValueError for a second time."""
        if not self._state.adding:
            raise ValueError("A consent is never changed: write a new one.")
        super().save(*args, **kwargs)
