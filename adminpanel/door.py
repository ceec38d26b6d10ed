"""Who stands at the staff door, how they came in, and whether they proved it lately."""

from typing import NoReturn

from django.http import HttpRequest
from django.urls import reverse

from accounts.services.reauthentication import proved_app
from accounts.services.sign_in import Arrival
from accounts.unlocked import read_unlock
from adminpanel.events import AdminAccessRefused
from adminpanel.signals import refuse
from gatehouse.client import client_of
from gatehouse.events import Actor, FailureReason
from gatehouse.limits import usages_of
from gatehouse.pages import is_safe_path
from gatehouse.problems import Problem
from sessions_app import cookies
from sessions_app.models import Door, Transport
from sessions_app.principal import Principal


def staff_of(request: HttpRequest) -> Principal | None:
    """Return the member of staff behind *request*, or None.

    1. Only a session of the staff door counts: neither the pages' cookie nor a token opens anything here.
    2. Its sign-in proved an authenticator app or a recovery code; a mailed code is never enough (ASVS 6.3.3).
    3. Account and role are read anew with every request, so a change holds at once (ASVS 8.3.2).
    """
    found: Principal | None = getattr(request, "principal", None)
    if found is None or found.session.door != Door.STAFF or not proved_app(found.session):
        return None
    return found if found.user.is_active and found.user.is_staff else None


def refuse_access(request: HttpRequest, principal: Principal) -> NoReturn:
    """Refuse, and record, a page that the role of *principal* does not open."""
    event = AdminAccessRefused(
        client=client_of(request),
        user_id=str(principal.user.pk),
        actor=Actor.user(principal.user),
        session_id=str(principal.session.pk),
        resource=request.path,
        failure_reason=FailureReason.NOT_PERMITTED,
    )
    refuse(Problem("permission_denied"), event)


def arrival_of(request: HttpRequest) -> Arrival:
    """Say how somebody comes in here; the cookie never outlives the browser."""
    return Arrival(
        door=Door.STAFF,
        transport=Transport.COOKIE,
        client=client_of(request),
        device_token=cookies.read_device(request),
        unlock_token=read_unlock(request),
        keep=False,
        usages=usages_of(request),
    )


def path_inside(target: str) -> str:
    """Return *target* where it is a path of the staff area, else the path of its first page."""
    home = reverse("admin:index")
    return target if is_safe_path(target) and target.startswith(home) else home
