"""Sessions and the devices they are opened from."""

from datetime import datetime
from typing import Any, ClassVar, Self
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from gatehouse.client import DEVICE_NAME_LENGTH, USER_AGENT_LENGTH
from gatehouse.fields import KeyField
from gatehouse.ids import uuid7
from sessions_app.reasons import RevokeReason

LABEL_LENGTH = 60  # characters of the name that its owner gives a device


class Door(models.TextChoices):
    """Which way in a session was opened by; it opens nothing behind another door."""

    API = "api"
    PAGE = "page"
    STAFF = "staff"


class Transport(models.TextChoices):
    """How a client carries what proves its session."""

    COOKIE = "cookie"
    BEARER = "bearer"


class DeviceQuerySet(models.QuerySet["Device"]):
    def for_user(self, user: Any) -> Self:
        return self.filter(user_id=user.pk)

    def trusted(self, now: datetime) -> Self:
        return self.filter(trusted_until__gt=now)

    def newest_first(self, current_id: UUID | None) -> list["Device"]:
        """Return them by their last use, the one at hand before all others."""
        return sorted(self.order_by("-last_seen_at", "-pk"), key=lambda device: device.pk != current_id)

    def unused_since(self, moment: datetime) -> Self:
        """Keep the devices that nobody came from since *moment* and that no session row names."""
        naming = Session.objects.filter(device_id=OuterRef("pk"))
        return self.filter(~Exists(naming), last_seen_at__lt=moment)

    def untrusted(self, now: datetime) -> Self:
        return self.filter(Q(trusted_until__isnull=True) | Q(trusted_until__lte=now))


class Device(models.Model):
    """A browser or an app that an account was used from.

    Written by sessions_app/devices.py and sessions_app/services/belongings.py alone; read by sign-in, by the pages
    about sessions and devices and by staff; removed by its owner, with its account, or by the cleanup command once no
    session row names it.
    It is told by the keyed hash of a cookie or, for a client that keeps none, of its readable name and network.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="devices", db_index=False)
    secret_hash = KeyField(max_length=64, editable=False)
    name = models.CharField(max_length=DEVICE_NAME_LENGTH)
    label = models.CharField(max_length=LABEL_LENGTH, blank=True, default="", db_default="")  # what its owner calls it
    kind = models.CharField(max_length=20)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    trusted_until = models.DateTimeField(null=True)

    objects = DeviceQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "secret_hash"], name="sessions_device_user_secret"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["secret_hash"], name="sessions_device_secret"),
            models.Index(fields=["last_seen_at"], name="sessions_device_last_seen"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.pk})"

    @property
    def called(self) -> str:
        """What people read: the name its owner gave it, else what it said of itself."""
        return self.label or self.name

    @property
    def is_trusted(self) -> bool:
        """Whether its sign-ins ask for no code at this moment."""
        return self.trusted_until is not None and self.trusted_until > timezone.now()


class SessionQuerySet(models.QuerySet["Session"]):
    def live(self, now: datetime) -> Self:
        """Keep the sessions that neither an act nor time has ended."""
        return self.filter(revoked_at__isnull=True, idle_expires_at__gt=now, absolute_expires_at__gt=now)

    def for_user(self, user: Any) -> Self:
        return self.filter(user_id=user.pk)

    def over(self, now: datetime) -> Self:
        """Keep the sessions that an act or time has ended, marked or not."""
        return self.filter(Q(revoked_at__isnull=False) | Q(idle_expires_at__lte=now) | Q(absolute_expires_at__lte=now))

    def due(self, now: datetime) -> Self:
        """Keep the sessions that time has ended and nobody has marked yet."""
        return self.filter(Q(idle_expires_at__lte=now) | Q(absolute_expires_at__lte=now), revoked_at__isnull=True)

    def ended_before(self, moment: datetime) -> Self:
        """Keep the sessions that an act or time ended before *moment*."""
        return self.filter(Q(revoked_at__lt=moment) | Q(idle_expires_at__lt=moment) | Q(absolute_expires_at__lt=moment))

    def newest_first(self) -> Self:
        return self.order_by(F("created_at").desc(), F("id").desc())


class Session(models.Model):
    """One sign-in, and the record of its refresh token.

    Written by sessions_app/services/ alone; read by every request through sessions_app/principal.py;
    an ended row stays for the account's history until the cleanup command removes it.
    The refresh token itself is nowhere: its id and its times are here, and make no token without the signing key.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="auth_sessions", db_index=False
    )
    device = models.ForeignKey(Device, on_delete=models.SET_NULL, null=True, related_name="sessions", db_index=False)
    door = models.CharField(max_length=10, choices=Door.choices)
    transport = models.CharField(max_length=10, choices=Transport.choices)
    keep = models.BooleanField(default=True)  # whether its cookie outlives the browser

    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)
    device_name = models.CharField(max_length=DEVICE_NAME_LENGTH)
    device_kind = models.CharField(max_length=20)
    factors = models.JSONField(default=list)  # all that was proved; the strongest of the newest proof stands last

    created_at = models.DateTimeField()
    authenticated_at = models.DateTimeField()
    last_used_at = models.DateTimeField()
    idle_expires_at = models.DateTimeField()
    absolute_expires_at = models.DateTimeField()

    refresh_id = models.UUIDField(null=True, editable=False)
    # The key that signed the refresh token: the same one signs it again inside the grace of a lost answer.
    refresh_kid = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)
    refresh_issued_at = models.DateTimeField(null=True)
    refresh_expires_at = models.DateTimeField(null=True)
    previous_refresh_id = models.UUIDField(null=True, editable=False)
    rotated_at = models.DateTimeField(null=True)
    rotation = models.PositiveIntegerField(default=0)

    revoked_at = models.DateTimeField(null=True)
    revoked_reason = models.CharField(max_length=30, choices=RevokeReason.choices, blank=True)
    revoked_by = models.CharField(max_length=100, blank=True)

    objects = SessionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["refresh_id"], name="sessions_session_refresh"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "created_at"], name="sessions_session_user"),
            models.Index(fields=["device"], name="sessions_session_device"),
            models.Index(fields=["idle_expires_at"], name="sessions_session_idle"),
            models.Index(fields=["absolute_expires_at"], name="sessions_session_absolute"),
            # What time has ended and nobody has marked stands together in it, by the order in which it ended.
            models.Index(fields=["revoked_at", "idle_expires_at"], name="sessions_session_ended"),
        ]

    def __str__(self) -> str:
        return f"session {self.pk}"

    @property
    def called(self) -> str:
        """What its owner reads: the name given to the device, else what that said of itself."""
        return (self.device.label if self.device else "") or self.device_name

    @property
    def expires_at(self) -> datetime:
        """When the session ends if nobody uses it any more."""
        return min(self.idle_expires_at, self.absolute_expires_at)

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None

    def end(self, now: datetime) -> RevokeReason | None:
        """Return why this row is no live session any more at *now*, or None while it is one."""
        if self.revoked_at is not None:
            return RevokeReason(self.revoked_reason)
        if self.absolute_expires_at <= now:
            return RevokeReason.ABSOLUTE
        if self.idle_expires_at <= now:
            return RevokeReason.IDLE
        return None


class Algorithm(models.TextChoices):
    """How tokens may be signed; each gives equal bytes for equal claims, which ES256 does not."""

    HS256 = "HS256"
    EDDSA = "EdDSA"
    RS256 = "RS256"


class SigningKey(models.Model):
    """A key that signs tokens, or signed some that still live.

    Written by sessions_app/keys.py alone (``manage.py keys``), read by sessions_app/keyring.py; a retired one stays, so
    that it is never believed again. The private part is sealed with ENCRYPTION_KEY: the table alone signs nothing.
    Of the keys that are not retired, the one activated last signs; one without a private part only notes that a key
    of the settings is retired.
    """

    kid = KeyField(max_length=64, primary_key=True, editable=False)
    algorithm = models.CharField(max_length=10, choices=Algorithm.choices)
    private = models.TextField(blank=True, editable=False)
    public = models.TextField(blank=True, editable=False)  # PEM; empty for a shared secret
    created_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "sessions_app_signing_key"

    def __str__(self) -> str:
        return f"{self.algorithm} key {self.kid}"
