"""The one gate that every session comes through: what somebody who proved a password still owes."""

from enum import StrEnum
from typing import Any

from django.db import connections, router
from django.db.models import Exists, OuterRef, QuerySet

from accounts.conf import app_settings
from accounts.models import Method, Status, TotpDevice, User
from gatehouse import prepared
from gatehouse.client import Client
from gatehouse.text import InvalidEmail, normalise_email
from sessions_app import devices
from sessions_app.models import Device, Door

_PLACE = "the key of an address"
_HAS_APP = "has_app"


class Entry(StrEnum):
    """What the gate says to somebody whose password was right."""

    ENTER = "enter"
    MAILED_CODE = "mailed_code"
    APP = "app"
    APP_MISSING = "app_missing"
    VERIFY_ADDRESS = "verify_address"
    DISABLED = "disabled"
    UNKNOWN = "unknown"


class Overtaken(Exception):  # noqa: N818  (a condition, told like any wrong password)
    """Raised by hold(): the password or address that was compared, or the role judged by, is in force no more."""


# The methods that the gate takes for an answer, by what it says at that moment.
TAKEN = {Entry.ENTER: tuple(Method), Entry.MAILED_CODE: (Method.EMAIL,), Entry.APP: (Method.TOTP, Method.RECOVERY)}


def find(address: str) -> User | None:
    """Return the account of *address*, asked by the one query what may_enter() would ask of it by another."""
    try:
        _, key = normalise_email(address)
    except InvalidEmail:
        return None
    connection = connections[router.db_for_read(User)]
    query = prepared.query(connection, find, _rows)
    values = prepared.first(connection, query, [key if one == _PLACE else one for one in query.parameters])
    if values is None:
        return None
    user = User.from_db(connection.alias, [field.attname for field in User._meta.concrete_fields], values[:-1])
    vars(user)[_HAS_APP] = values[-1]
    return user


def may_enter(*, user: User, door: Door, trusted: Device | None, known: bool) -> Entry:
    """Decide what somebody who proved a password still owes: the one gate of every path that opens a session.

    Staff always owe a code of their app, and a trusted device never stands in for it; at the staff door nobody else
    is known. Where an app is set up, no mailed code is taken.
    """
    if user.status == Status.DISABLED:
        return Entry.DISABLED
    if user.status == Status.INACTIVE:
        return Entry.UNKNOWN if door == Door.STAFF or user.is_staff else Entry.VERIFY_ADDRESS
    if user.status != Status.ACTIVE or (door == Door.STAFF and not user.is_staff):
        return Entry.UNKNOWN
    has_app = _has_app(user)
    if user.is_staff:
        return Entry.APP if has_app else Entry.APP_MISSING
    if trusted is not None:
        return Entry.ENTER
    if has_app:
        return Entry.APP
    policy = app_settings().OTP_POLICY
    return Entry.ENTER if policy == "opt_in" or (policy == "new_device" and known) else Entry.MAILED_CODE


def is_known(user: User, client: Client, token: str | None) -> bool:
    """Tell whether *user* came from the device of *token* before, where that counts; name and network prove nothing."""
    if app_settings().OTP_POLICY != "new_device" or not token:
        return False
    return devices.recognise(user=user, client=client, token=token).device is not None


def hold(user: User) -> None:
    """Lock the account of somebody whose password was right, until the end of the caller's transaction.

    Whoever replaced the password, the address or the role meanwhile has ended what was open then: nothing of the old
    one may open afterwards, and least of all a session for somebody who has just become staff. Raises Overtaken.
    ASVS 7.4.3, 8.3.2.
    """
    facts = {"password_changed_at": user.password_changed_at, "email_key": user.email_key, "role": user.role}
    if not User.objects.lock(user.pk, **facts):
        raise Overtaken
    vars(user).pop(_HAS_APP, None)  # an app may have been set up since find() read that


def _rows() -> "QuerySet[User, Any]":
    apps = Exists(TotpDevice.objects.filter(user=OuterRef("pk"), confirmed=True))
    columns = [field.attname for field in User._meta.concrete_fields]
    return User.objects.annotate(has_app=apps).filter(email_key=_PLACE).values_list(*columns, _HAS_APP)


def _has_app(user: User) -> bool:
    found: bool | None = vars(user).get(_HAS_APP)  # as find() read it
    return TotpDevice.objects.filter(user=user, confirmed=True).exists() if found is None else found
