"""Second factors: authenticator apps and recovery codes."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django_otp.models import Device as OtpDevice

from gatehouse import encryption
from gatehouse.fields import KeyField
from gatehouse.ids import uuid7


class TotpDevice(OtpDevice):  # type: ignore[misc]  # the library ships no types
    """An authenticator app (RFC 6238).

    Written by accounts/services/factors.py and undoing.py, read by them and by the sign-in; gone with the user.
    The secret is encrypted with the row's id as context, so that no row's secret serves another.
    A code's step is taken by a conditional UPDATE of ``last_step``, so that none is good twice (ASVS 6.5.1).
    It names the session that began and confirmed it, and the one that removed it: whoever says of a session that it was
    not theirs undoes what was done there. One that was removed is in force no more, and stays for as long as that may
    be said. A session's id is no key, since the session may be gone first.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    secret = models.CharField(max_length=300)
    last_step = models.BigIntegerField(default=-1)
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    session_id = models.UUIDField(null=True)  # none where a link began it
    removed_at = models.DateTimeField(null=True)
    removed_session_id = models.UUIDField(null=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user", "confirmed"], name="accounts_totp_user_confirmed"),
            models.Index(fields=["removed_at"], name="accounts_totp_removed_at"),
        ]

    def __str__(self) -> str:
        return str(self.name)

    @property
    def key(self) -> bytes:
        """The shared secret; raises gatehouse.encryption.DecryptionFailed when the row was altered."""
        return bytes.fromhex(encryption.decrypt(self.secret, f"totp:{self.pk}"))

    def seal(self, key: bytes) -> None:
        """Take *key* as the shared secret, encrypted."""
        self.secret = encryption.encrypt(key.hex(), f"totp:{self.pk}")


class RecoveryCode(models.Model):
    """A code that stands in for the app once.

    Written by accounts/services/factors.py and undoing.py; a new set removes the old one; gone with the user.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="recovery_codes")
    code_hash = KeyField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    session_id = models.UUIDField(null=True)  # the session that made it; none where a link did

    def __str__(self) -> str:
        return f"recovery code {self.pk}"
