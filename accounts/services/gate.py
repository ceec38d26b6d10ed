"""The one gate that every session comes through: what somebody who proved a password still owes."""

from enum import StrEnum

from django.db.models import Exists, OuterRef

from accounts.conf import app_settings
from accounts.models import Method, Status, TotpDevice, User
from gatehouse.client import Client
from sessions_app import devices
from sessions_app.models import Device, Door


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
    """Raised by hold(): the password that was compared, or the role that the gate judged by, is in force no more."""


# The methods that the gate takes for an answer, by what it says at that moment.
TAKEN = {Entry.ENTER: tuple(Method), Entry.MAILED_CODE: (Method.EMAIL,), Entry.APP: (Method.TOTP, Method.RECOVERY)}


def find(address: str) -> User | None:
    """Return the account of *address*, asked by the one query what may_enter() would ask of it by another."""
    apps = TotpDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
    return User.objects.by_address(address, has_app=Exists(apps))


def may_enter(*, user: User, door: Door, trusted: Device | None, known: bool) -> Entry:
    """Decide what somebody who proved a password still owes: the one gate of every path that opens a session.

    Staff always owe a code of their app, and a trusted device never stands in for it; at the staff door nobody else
    is known. Where an app is set up, no mailed code is taken (API.md, Challenges).
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

    Whoever replaced the password or the role meanwhile has ended what was open then: nothing of the old one may open
    afterwards, and least of all a session for somebody who has just become staff. Raises Overtaken. ASVS 7.4.3, 8.3.2.
    """
    if not User.objects.lock(user.pk, password_changed_at=user.password_changed_at, role=user.role):
        raise Overtaken


def _has_app(user: User) -> bool:
    found: bool | None = getattr(user, "has_app", None)  # as find() read it
    return TotpDevice.objects.filter(user=user, confirmed=True).exists() if found is None else found
