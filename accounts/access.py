"""Which roles and permissions may call a view: for API views and plain ones, yours and ours.

================================== ===========================================================================
IsModerator, IsAdmin, IsSuperAdmin that rank or a higher one
AllowedTo.of(Role.ADMIN, …)        exactly those roles, whatever set of them
AllowedTo.of("users.read")         whoever has one of those permissions, by the role or given for a time
@allowed_to(…)                     the same above a plain view
================================== ===========================================================================

1. The role and the permissions are those of this moment, whatever the token says (ASVS 8.3.2).
2. Staff need a session that proved an authenticator app, else factor_required (ASVS 6.3.3), and that is none of the
   pages: those are for everybody's own affairs.
3. A refusal is recorded. Whoever is no staff is told permission_denied, and staff role_not_allowed.

STAFF is what ``authentication_classes`` of a view for staff is: a bearer token or the cookie of the staff door, never
the cookie of the pages.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework.request import Request

from accounts import events
from accounts.models import AbstractAccount
from accounts.roles import Role, at_least
from accounts.services import reauthentication
from accounts.signals import refuse
from gatehouse.client import client_of
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem
from sessions_app import access
from sessions_app.authentication import (
    BearerAuthentication,
    StaffSessionAuthentication,
    bearer_of,
    caller,
    page_caller,
    require_csrf,
    staff_caller,
)
from sessions_app.models import Door, Session
from sessions_app.principal import Principal

STAFF = (BearerAuthentication, StaffSessionAuthentication)

Wanted = tuple[Role | str, ...]
View = Callable[..., HttpResponseBase]


class AllowedTo(access.ActiveUser):
    """Whoever is one of the roles, or has one of the permissions, that of() was given."""

    wanted: ClassVar[Wanted] = ()

    @classmethod
    def of(cls, *wanted: Role | str) -> type["AllowedTo"]:
        """Return the class that lets in *wanted*: roles, permissions, or both."""
        return type(cls.__name__, (cls,), {"wanted": wanted})

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raise what keeps the caller out; return True."""
        super().has_permission(request, view)
        require(request, request.user, getattr(request, "auth_session", None), self.wanted)
        return True


class IsModerator(AllowedTo):
    """Moderators, admins and super admins."""

    wanted = at_least(Role.MODERATOR)


class IsAdmin(AllowedTo):
    """Admins and super admins."""

    wanted = at_least(Role.ADMIN)


class IsSuperAdmin(AllowedTo):
    """Super admins."""

    wanted = at_least(Role.SUPER_ADMIN)


def allowed_to(*wanted: Role | str) -> Callable[[View], View]:
    """Let whoever is one of the roles, or has one of the permissions, call the plain view below."""

    def above(view: View) -> View:
        @wraps(view)
        def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            found = _who(request)
            request.user = found.user if found else AnonymousUser()
            request.auth_session = found.session if found else None  # type: ignore[attr-defined]
            for demand in access.ActiveUser.demands:
                demand(request.user, found)
            require(request, request.user, request.auth_session, wanted)  # type: ignore[attr-defined]
            return view(request, *args, **kwargs)

        asked.csrf_exempt = True  # type: ignore[attr-defined]  # Django's own check would refuse a bearer token
        return asked

    return above


def require(request: Any, user: Any, session: Session | None, wanted: Wanted) -> None:
    """Keep out whoever is none of *wanted*; raises permission_denied, role_not_allowed, factor_required."""
    if not any(_is(user, one) for one in wanted):
        _refuse(request, user, session, wanted)
    if not _is_staff(user):
        return
    if session is not None and session.door == Door.PAGE:
        raise Problem("permission_denied", detail=_("Staff use their own door, or a bearer token."))
    if session is None or not reauthentication.proved_app(session):
        raise reauthentication.app_missing()


def _who(request: HttpRequest) -> Principal | None:
    header = request.META.get("HTTP_AUTHORIZATION")
    if header is not None:
        return caller(request, bearer_of(header))
    require_csrf(request)
    return staff_caller(request) or page_caller(request)


def _is(user: Any, wanted: Role | str) -> bool:
    if isinstance(wanted, Role):
        return str(getattr(user, "role", "")) == wanted.value
    may: Callable[[str], bool] | None = getattr(user, "may", None)
    return may is not None and may(wanted)


def _is_staff(user: Any) -> bool:
    return isinstance(user, AbstractAccount) and user.is_staff


def _refuse(request: Any, user: Any, session: Session | None, wanted: Wanted) -> None:
    said = _("Your role does not give this.")
    problem = Problem("role_not_allowed", detail=said) if _is_staff(user) else Problem("permission_denied")
    event = events.PermissionRefused(
        client=client_of(request),
        user_id=str(user.pk),
        actor=Actor.user(user),
        session_id=str(session.pk) if session else None,
        resource=request.path,
        failure_reason=FailureReason.NOT_PERMITTED,
        permission=" ".join(str(one) for one in wanted),
    )
    refuse(problem, event)
