"""What owners do to the devices of their account: give them names, and have them forgotten."""

from typing import Any, NoReturn
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem, validation
from gatehouse.text import UnsafeText, clean_text
from sessions_app import devices, refusals
from sessions_app.events import DeviceDenied, DeviceRenamed
from sessions_app.models import LABEL_LENGTH, Device, Session
from sessions_app.services.rows import forget_state, lock
from sessions_app.signals import announce


def rename_device(*, current: Session, device_id: UUID, name: str, client: Client) -> Device:
    """Let the owner of *current* call a device *name*, whatever it says of itself; return it.

    Raises validation_failed; not_found, for another's device as for none (ASVS 8.2.2).
    """
    name = _checked(name)
    with transaction.atomic(durable=True):
        lock(current.user)
        device = Device.objects.for_user(current.user).filter(pk=device_id).first()
        if device is not None and device.label != name:
            device.label = name
            device.save(update_fields=["label"])
            announce(DeviceRenamed(client=client, user_id=str(current.user_id), device_id=device.pk))
    if device is None:
        _refuse(device_id, current, client)
    return device


def remove_device(*, current: Session, device_id: UUID, client: Client) -> None:
    """Know a device of the owner of *current* no more: its trust ends, what it holds proves nothing.

    Its sessions go on. Raises not_found, for another's device as for none (ASVS 8.2.2).
    """
    with transaction.atomic(durable=True):
        lock(current.user)
        device = Device.objects.for_user(current.user).filter(pk=device_id).first()
        if device is not None:
            devices.remove(user=current.user, client=client, device=device)
            forget_state(user=current.user)
    if device is None:
        _refuse(device_id, current, client)


def remove_devices(*, user: Any, client: Client) -> int:
    """Know none of the devices of *user* any more; return how many went."""
    with transaction.atomic(durable=True):
        lock(user)
        forget_state(user=user)
        return devices.remove(user=user, client=client)


def _checked(name: str) -> str:
    try:
        name = clean_text(name).strip()
    except UnsafeText:
        raise validation("name", "invalid", _("Take out characters that cannot be seen.")) from None
    if not name:
        raise validation("name", "blank", _("Enter a name"))
    if len(name) > LABEL_LENGTH:
        raise validation("name", "max_length", _("Use 60 characters or fewer"))
    return name


def _refuse(device_id: UUID, current: Session, client: Client) -> NoReturn:
    """Say that there is no such device; asking for another's is recorded."""
    if not Device.objects.filter(pk=device_id).exists():
        raise Problem("not_found")
    refusals.note(
        DeviceDenied(
            client=client,
            user_id=str(current.user_id),
            actor=Actor.user(current.user),
            session_id=str(current.pk),
            resource=f"device:{device_id}",
            success=False,
            failure_reason=FailureReason.NOT_PERMITTED,
        ),
    )
    raise Problem("not_found")
