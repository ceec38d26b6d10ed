"""Who may do what with the trail over HTTP: asked of the function that ``AUDIT["ACCESS"]`` names."""

from collections.abc import Callable
from typing import Any, cast

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication

from gatehouse.events import Actor
from gatehouse.problems import Problem
from gatehouse.trail import TrailScope

from .conf import app_settings

Access = Callable[[Any, str], TrailScope]

_READING = frozenset({"audit.read", "audit.export", "audit.statistics"})


def scope_of(request: Any, permission: str) -> TrailScope:
    """Return what whoever sent *request* may see of the trail by *permission*.

    Raises not_authenticated, permission_denied, and what else the host's function refuses with.
    """
    return load_access(app_settings().ACCESS)(request, permission)


def authenticators() -> list[BaseAuthentication]:
    """Return what finds out who sent a request; none where the host's own default does."""
    return [load_authentication(path)() for path in app_settings().AUTHENTICATION]


def by_permission(request: Any, permission: str) -> TrailScope:
    """Let in whoever Django's own permission ``audit.view_event`` lets read: for hosts without our accounts.

    Nobody writes by it. Raises not_authenticated, permission_denied.
    """
    user = request.user
    if not user.is_authenticated:
        raise Problem("not_authenticated")
    if permission not in _READING or not user.has_perm("audit.view_event"):
        raise Problem("permission_denied")
    return TrailScope(actor=Actor.user(user))


def load_access(path: str) -> Access:
    """Return the function that the dotted *path* names.

    Raises ImproperlyConfigured.
    """
    return cast(Access, _load("ACCESS", path, callable))


def load_authentication(path: str) -> type[BaseAuthentication]:
    """Return the class that the dotted *path* names.

    Raises ImproperlyConfigured.
    """
    return cast("type[BaseAuthentication]", _load("AUTHENTICATION", path, _is_authentication))


def _load(name: str, path: str, fits: Callable[[Any], bool]) -> Any:
    try:
        found = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"AUDIT[{name!r}] names {path!r}: {error}") from error
    if not fits(found):
        raise ImproperlyConfigured(f"AUDIT[{name!r}] names {path!r}, which is no such thing.")
    return found


def _is_authentication(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, BaseAuthentication)
