"""Who may read the audit trail over HTTP, by the matrix of roles (the setting ``AUDIT["ACCESS"]``)."""

from typing import Any, cast

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Exists, Func, OuterRef, Q, UUIDField
from django.db.models.sql.compiler import SQLCompiler

from accounts.events import PermissionRefused
from accounts.models import User
from accounts.roles import roles_below
from accounts.services import api_keys
from accounts.services.api_keys import Service
from accounts.services.reauthentication import app_missing, proved_app
from accounts.signals import refuse
from gatehouse.client import client_of
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem
from gatehouse.trail import TrailScope
from sessions_app.principal import Principal

_READ, _READ_BELOW = "audit.read", "audit.read_below"
_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def scope_of(request: Any, permission: str) -> TrailScope:
    """Return what of the trail the role of whoever sent *request* opens by *permission*.

    Whoever may read only those below reads the events about accounts of lower roles, without addresses. Staff proved
    an authenticator app to come in; a session that did not is refused (ASVS 6.3.3). Figures or an export that a super
    admin gave somebody for a time show no more than that one reads.

    Another service that came with its key sees what the key's scopes say, and all of it.

    Raises not_authenticated, factor_required, permission_denied.
    """
    principal = request.auth
    if isinstance(principal, Service):
        asked = {"permission": permission, "resource": request.path, "client": client_of(request)}
        api_keys.require(service=principal, **asked)
        return TrailScope(actor=principal.actor)
    if not isinstance(principal, Principal):
        raise Problem("not_authenticated")
    user, session = cast(User, principal.user), principal.session
    actor, session_id = Actor.user(user), str(session.pk)
    below = permission == _READ and user.may(_READ_BELOW)
    if not below and not user.may(permission):
        event = PermissionRefused(
            client=client_of(request),
            user_id=str(user.pk),
            actor=actor,
            session_id=session_id,
            resource=request.path,
            permission=permission,
            failure_reason=FailureReason.NOT_PERMITTED,
        )
        refuse(Problem("permission_denied"), event)
    if not proved_app(session):
        raise app_missing()
    if user.may(_READ):
        return TrailScope(actor=actor, session_id=session_id)
    return TrailScope(actor=actor, session_id=session_id, concerning=_about_roles_below(user), sees_addresses=False)


def _about_roles_below(user: User) -> Q:
    """Return the condition of events about accounts of roles below that of *user*, looked up by key, event by event."""
    return Q(Exists(User.objects.filter(pk=_AccountKey(OuterRef("user_id")), role__in=roles_below(user.role))))


class _AccountKey(Func):
    """The text of an id as the key of an account has it; NULL, or what no account has, for any other text."""

    output_field = UUIDField()
    arity = 1

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="REPLACE(%(expressions)s, '-', '')", **extra)

    def as_mysql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        if not connection.features.has_native_uuid_field:
            return self.as_sqlite(compiler, connection, **extra)
        return self.as_sql(compiler, connection, template="CAST(%(expressions)s AS UUID)", **extra)

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        template = f"CASE WHEN %(expressions)s ~ '{_UUID}' THEN CAST(%(expressions)s AS uuid) END"
        return self.as_sql(compiler, connection, template=template, **extra)
