"""Devices an account is used from: known, trusted, their trust forgotten, removed.

1. A browser is told by a random token in a cookie, an app without one by its readable name and its network; only
   keyed hashes of either are stored.
2. A token is drawn here: one that nobody was given is never taken over from a client, and trusting a device draws a
   new one, so that a token planted before is worth nothing (ASVS 7.2.4 in spirit).
   A browser that several accounts share has one token for them all, and a new account in it draws it anew: whoever
   copied the one before knows none of the new account.
3. Being known opens nothing; being trusted stands in for the code only, never for the password.
4. A device that was removed is not known any more: what it holds proves nothing, and the next sign-in from there
   counts as new. Sessions that were opened on it go on.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from gatehouse import hashing
from gatehouse.client import Client
from gatehouse.events import Actor
from sessions_app.conf import app_settings
from sessions_app.events import DeviceAdded, DeviceForgotten, DeviceRemoved, DeviceTrusted
from sessions_app.models import Device, Transport
from sessions_app.signals import announce, new_device_seen

_TOKEN_LENGTH = 43


@dataclass(frozen=True)
class Recognised:
    """The device that somebody came from, where the account knows it, and the token that told it."""

    device: Device | None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Remembered:
    """The device of a sign-in, the token for its cookie where it keeps one, whether it is new, and first of all."""

    device: Device
    token: str | None = field(repr=False)
    is_new: bool
    is_first: bool = False

    @property
    def is_strange(self) -> bool:
        """Whether the account was in use before, but never from here: its owner is told."""
        return self.is_new and not self.is_first


def recognise(*, user: Any, client: Client, token: str | None) -> Recognised:
    """Find the device that *user* comes from, by its token or, without one, by its name and network."""
    if token:
        device = _by_token(user, token)
        return Recognised(device, token if device else None)
    return Recognised(_known(user, hashing.keyed_hashes("device-shape", *_shape(user, client))))


def remember(*, user: Any, client: Client, token: str | None, transport: Transport, now: datetime) -> Remembered:
    """Write down, in the transaction of a sign-in, that *user* came from here.

    A client that takes cookies is given a token; another is told by name and network.
    """
    recognised = recognise(user=user, client=client, token=token)
    if recognised.device is not None and _is_there(recognised.device, client, now):
        return Remembered(recognised.device, recognised.token, is_new=False)
    given = _token_for(transport, token)
    first = _is_unused(user)
    device, is_new = Device.objects.get_or_create(
        user=user,
        secret_hash=_secret_hash(user, client, given),
        defaults={
            "name": client.called,
            "kind": client.device_kind,
            "first_seen_at": now,
            "last_seen_at": now,
        },
    )
    if is_new:
        announce(
            DeviceAdded(client=client, user_id=str(user.pk), device_id=device.pk, device_name=device.name, first=first)
        )
        transaction.on_commit(
            partial(new_device_seen.send_robust, sender=Device, user=user, device=device, client=client)
        )
    return Remembered(device, given, is_new, is_new and first)


def trust(*, device: Device, client: Client, now: datetime) -> str:
    """Trust *device* for TRUST_TTL, in the caller's transaction; return the new token that proves it."""
    token = hashing.new_token()
    device.secret_hash = hashing.keyed_hash("device", token)
    device.trusted_until = now + app_settings().TRUST_TTL
    device.save(update_fields=["secret_hash", "trusted_until"])
    announce(
        DeviceTrusted(
            client=client, user_id=str(device.user_id), device_id=device.pk, trusted_until=device.trusted_until
        )
    )
    return token


def is_trusted(*, user: Any, token: str | None, now: datetime) -> Device | None:
    """Return the device that *token* proves, while *user* trusts it."""
    device = _by_token(user, token) if token else None
    if device is None or device.trusted_until is None or device.trusted_until <= now:
        return None
    return device


def forget(
    *,
    user: Any,
    client: Client,
    device: Device | None = None,
    keep: UUID | None = None,
    actor: Actor | None = None,
) -> int:
    """Withdraw the trust of *user* in one device, or in all but *keep*, in the caller's transaction.

    Return in how many.
    """
    trusted = Device.objects.for_user(user).trusted(timezone.now())
    if device is not None:
        trusted = trusted.filter(pk=device.pk)
    if keep is not None:
        trusted = trusted.exclude(pk=keep)
    count = trusted.update(trusted_until=None)
    if count:
        announce(DeviceForgotten(client=client, user_id=str(user.pk), actor=actor, devices=count))
    return count


def remove(*, user: Any, client: Client, device: Device | None = None, actor: Actor | None = None) -> int:
    """Know one device of *user*, or none of them, no more, in the caller's transaction; return how many went.

    The caller has locked the account, so that no sign-in opens a session on a device that is going.
    """
    mine = Device.objects.for_user(user)
    going = list(mine if device is None else mine.filter(pk=device.pk))
    for one in going:
        announce(_removed(one, client, actor))
    Device.objects.filter(pk__in=[one.pk for one in going]).delete()
    return len(going)


def _is_there(device: Device, client: Client, now: datetime) -> bool:
    """Write down that *device* is used; a clean-up may have taken it since it was recognised."""
    device.name, device.last_seen_at = client.called, now
    return Device.objects.filter(pk=device.pk).update(name=device.name, last_seen_at=now) == 1


def _by_token(user: Any, token: str) -> Device | None:
    if len(token) != _TOKEN_LENGTH:
        return None
    return _known(user, hashing.keyed_hashes("device", token))


def _known(user: Any, hashes: list[str]) -> Device | None:
    return Device.objects.for_user(user).filter(secret_hash__in=hashes).first()


def _removed(device: Device, client: Client, actor: Actor | None) -> DeviceRemoved:
    return DeviceRemoved(
        client=client,
        user_id=str(device.user_id),
        actor=actor,
        device_id=device.pk,
        was_trusted=device.is_trusted,
    )


def _is_unused(user: Any) -> bool:
    """Whether nobody ever signed in: an account whose devices were all removed is not new for that."""
    return getattr(user, "last_login", None) is None and not Device.objects.for_user(user).exists()


def _token_for(transport: Transport, token: str | None) -> str | None:
    """Return the token of a new device; the other accounts that know its browser know it by the new one from now on."""
    if transport != Transport.COOKIE:
        return None
    given = hashing.new_token()
    if token and len(token) == _TOKEN_LENGTH:
        others = Device.objects.filter(secret_hash__in=hashing.keyed_hashes("device", token))
        others.update(secret_hash=hashing.keyed_hash("device", given))
    return given


def _secret_hash(user: Any, client: Client, token: str | None) -> str:
    if token is None:
        return hashing.keyed_hash("device-shape", *_shape(user, client))
    return hashing.keyed_hash("device", token)


def _shape(user: Any, client: Client) -> tuple[str, str, str]:
    return str(user.pk), client.called, client.network
