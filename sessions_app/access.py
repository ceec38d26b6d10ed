"""Who may call a view: one word above it, and the session on its request. For API views and plain ones, yours and ours.

============== ================ ==================================================================================
of REST views  of plain views   who comes in
============== ================ ==================================================================================
OptionalUser   optional_user    anybody; ``request.auth_session`` is None for somebody who is not signed in
RequiredUser   required_user    whoever is signed in; else not_authenticated
ActiveUser     active_user      the same, with an active account; else account_disabled. A session of ours always is
                                one of an active account; who was let in by a scheme of your own may not be
FreshUser      fresh_user       the same, with a proof of identity in the last REAUTH_TTL; else
                                reauthentication_required
============== ================ ==================================================================================

A bearer token that is there decides, also when it is bad: it is refused, never taken for nobody. A page's cookie is
held to the CSRF rules. Refusals are problems: name ``gatehouse.problems.ProblemMiddleware`` in ``MIDDLEWARE`` and
``gatehouse.problems.exception_handler`` in ``REST_FRAMEWORK``.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from gatehouse.problems import Problem
from sessions_app.authentication import (
    BearerAuthentication,
    PageSessionAuthentication,
    bearer_of,
    caller,
    page_caller,
    require_csrf,
)
from sessions_app.models import Session
from sessions_app.principal import Principal

AUTHENTICATION = (BearerAuthentication, PageSessionAuthentication)

View = Callable[..., HttpResponseBase]
Demand = Callable[[Any, Principal | None], None]


class OptionalUser(BasePermission):
    """Anybody; says on the request by which session, if any."""

    demands: tuple[Demand, ...] = ()

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raise what keeps the caller out; return True."""
        found = request.auth if isinstance(request.auth, Principal) else None
        request.auth_session = found.session if found else None  # type: ignore[attr-defined]
        for demand in self.demands:
            demand(request.user, found)
        return True


def _signed_in(user: Any, _found: Principal | None) -> None:
    if not user.is_authenticated:
        raise Problem("not_authenticated")


def _active(user: Any, _found: Principal | None) -> None:
    if not user.is_active:
        raise Problem("account_disabled")


def _fresh(_user: Any, found: Principal | None) -> None:
    if found is None or not found.is_fresh(timezone.now()):
        raise Problem("reauthentication_required")


class RequiredUser(OptionalUser):
    """Whoever is signed in."""

    demands = (_signed_in,)


class ActiveUser(OptionalUser):
    """Whoever is signed in to an active account."""

    demands = (_signed_in, _active)


class FreshUser(OptionalUser):
    """Whoever is signed in and proved it lately (ASVS 7.5.3)."""

    demands = (_signed_in, _active, _fresh)


def optional_user(view: View) -> View:
    """Let anybody call *view*; ``request.user`` and ``request.auth_session`` say who it is."""
    return _guarded(view, OptionalUser.demands)


def required_user(view: View) -> View:
    """Let whoever is signed in call *view*."""
    return _guarded(view, RequiredUser.demands)


def active_user(view: View) -> View:
    """Let whoever is signed in to an active account call *view*."""
    return _guarded(view, ActiveUser.demands)


def fresh_user(view: View) -> View:
    """Let whoever is signed in, and proved it lately, call *view* (ASVS 7.5.3)."""
    return _guarded(view, FreshUser.demands)


def principal_of(request: Any) -> Principal:
    """Return who calls a REST view that lets in nobody without a session; raises not_authenticated."""
    found = request.auth
    if not isinstance(found, Principal):
        raise Problem("not_authenticated")
    return found


def session_of(request: Any) -> Session:
    """Return the session by which a REST view is called; raises not_authenticated."""
    return principal_of(request).session


def _guarded(view: View, demands: tuple[Demand, ...]) -> View:
    """Wrap a plain view. Django's own CSRF check would refuse a bearer token, so the wrapper does it for cookies."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found = _who(request)
        request.user = found.user if found else AnonymousUser()
        request.auth_session = found.session if found else None  # type: ignore[attr-defined]
        for demand in demands:
            demand(request.user, found)
        return view(request, *args, **kwargs)

    guarded.csrf_exempt = True  # type: ignore[attr-defined]
    return guarded


def _who(request: HttpRequest) -> Principal | None:
    header = request.META.get("HTTP_AUTHORIZATION")
    if header is not None:
        return caller(request, bearer_of(header))
    require_csrf(request)
    return page_caller(request)
